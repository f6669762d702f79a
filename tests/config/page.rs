//! Files that are generated and committed.

use std::{env, fs};

/// Compares a file with what it should be; `INSTA_UPDATE=always` writes it.
pub(crate) fn is_current(path: &str, expected: &str) {
    let written = fs::read_to_string(path).unwrap_or_default();
    if written == expected {
        return;
    }
    if env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        // Other tests read it at the same time.
        let beside = format!("{path}.new");
        fs::write(&beside, expected).unwrap();
        fs::rename(&beside, path).unwrap();
        return;
    }
    let line = written.lines().zip(expected.lines()).position(|(written, expected)| written != expected);
    let at = line.unwrap_or_else(|| written.lines().count().min(expected.lines().count()));
    panic!(
        "{path} is not current from line {} on; run: INSTA_UPDATE=always cargo test --test config\nthere:    {}\nexpected: {}",
        at + 1,
        written.lines().nth(at).unwrap_or_default(),
        expected.lines().nth(at).unwrap_or_default(),
    );
}
