//! The public listener's certificate: two files that belong together. What is in them is for
//! whoever loads them; nothing is read here.

use std::path::PathBuf;

use url::Url;

use super::report::Report;
use crate::config::{document::Tls, plan::TlsPlan};

pub(super) fn compile(tls: Option<&Tls>, public_url: Option<&Url>, report: &mut Report<'_>) -> Option<TlsPlan> {
    let tls = tls?;
    if let Some(url) = public_url.filter(|url| url.scheme() == "http") {
        let origin = url.origin().ascii_serialization();
        report
            .error("public_url", "begins with `http`, but with `tls` nothing but https is answered")
            .help(format!("write `{}`, or remove `tls`", origin.replacen("http", "https", 1)));
    }
    let certificate = file("tls.certificate", tls.certificate.as_deref(), "/etc/vestibule/tls.crt", report);
    let key = file("tls.key", tls.key.as_deref(), "/etc/vestibule/tls.key", report);
    Some(TlsPlan { certificate: certificate?, key: key? })
}

fn file(path: &str, text: Option<&str>, example: &str, report: &mut Report<'_>) -> Option<PathBuf> {
    let Some(text) = text else {
        report.missing(path, example);
        return None;
    };
    // A key that was written here must not reach an error message as "the file that is not there".
    let mistake = if text.trim().is_empty() {
        "is empty"
    } else if text.contains("-----BEGIN") || text.contains(char::is_control) {
        "is the content of a file, but has to be its path"
    } else {
        return Some(PathBuf::from(text));
    };
    report.error(path, mistake).help(format!("write the path of a PEM file, `{example}`"));
    None
}
