//! What concerns the whole process.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{
    report::Report,
    value::{self, Refusal},
};
use crate::{
    config::{
        document::{Document, Limits, List, Log, SecretList, SecretSource},
        origin::item,
        plan::{AuditPlan, LimitsPlan, LogFormat, LogPlan, SigningAlgorithm, SigningPlan},
    },
    oauth::redirect_uri::is_loopback,
    private_key::PrivateKey,
    secret::Secret,
};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 8000);
const DEFAULT_ADMIN_LISTEN: SocketAddr = SocketAddr::new(LOOPBACK, 9464);
/// As the sealer demands.
const LEAST_ROOT_SECRET: usize = 32;
/// hyper's least buffer.
const LEAST_HEADER_BYTES: u64 = 8 * 1024;
const MOST_HEADER_BYTES: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_hours(24);
const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn version(document: &Document, report: &mut Report<'_>) {
    let read = |text: &str| match text {
        "1" => Ok(()),
        _ => Err(Refusal::new("is a version that this program does not know", "write `version: 1`, or leave it out")),
    };
    report.scalar("version", document.version.as_ref(), (), read);
}

pub(super) fn public_url(document: &Document, report: &mut Report<'_>) -> Option<Url> {
    let Some(text) = &document.public_url else {
        report.missing("public_url", "https://mcp.example.com");
        return None;
    };
    report.read("public_url", text.trim(), |text| {
        let url = value::web_url(text)?;
        let origin = url.origin().ascii_serialization();
        if url.scheme() == "http" && !is_loopback(&url) {
            let message = "is plain http to another machine: tokens could be read on the way";
            let help = format!(
                "write `https://{}`; plain http works for localhost and 127.0.0.1 only",
                origin.trim_start_matches("http://")
            );
            return Err(Refusal::new(message, help));
        }
        if url.query().is_some() {
            return Err(Refusal::new("holds a query", format!("write `{origin}`")));
        }
        if url.path() != "/" {
            let help = format!("write `{origin}`; a path goes into `mount` of a provider and `path` of a route");
            return Err(Refusal::new("holds a path", help));
        }
        Ok(url)
    })
}

pub(super) fn allowed_hosts(document: &Document, report: &mut Report<'_>) -> Vec<String> {
    list("allowed_hosts", document.allowed_hosts.as_ref(), report, value::host)
}

pub(super) fn listeners(document: &Document, report: &mut Report<'_>) -> (SocketAddr, Option<SocketAddr>) {
    let listen = report.scalar("listen", document.listen.as_ref(), DEFAULT_LISTEN, value::socket_address);
    let admin = report.scalar("admin_listen", document.admin_listen.as_ref(), Some(DEFAULT_ADMIN_LISTEN), |text| {
        match text.to_ascii_lowercase().as_str() {
            "off" | "none" | "false" => Ok(None),
            _ => value::socket_address(text).map(Some),
        }
    });
    if admin == Some(listen) && listen.port() != 0 {
        let at = if report.is_written("admin_listen") { "admin_listen" } else { "listen" };
        report
            .error(at, "would be the public address and that of the metrics, which must never be public")
            .offending(&listen.to_string())
            .help("choose another port for `listen` or `admin_listen`, or write `admin_listen: off`");
    }
    (listen, admin)
}

pub(super) fn root_secrets(document: &Document, report: &mut Report<'_>) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for (path, source) in secret_list("secret", document.secret.as_ref()) {
        let Some(secret) = report.secret(&path, source) else { continue };
        if secret.expose().len() < LEAST_ROOT_SECRET {
            report
                .error(&path, format!("is shorter than {LEAST_ROOT_SECRET} characters"))
                .help("make one with `openssl rand -base64 32`");
        }
        secrets.push(secret);
    }
    secrets
}

pub(super) fn trusted_proxies(document: &Document, report: &mut Report<'_>) -> Vec<IpNet> {
    let networks = list("trusted_proxies", document.trusted_proxies.as_ref(), report, |text| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| Refusal::new("is no address or network", "write `10.0.0.7` or `10.0.0.0/8`"))
    });
    if networks.iter().any(|network| network.prefix_len() == 0) {
        report
            .warning(
                "trusted_proxies",
                "trusts every address: whoever reaches this server directly can claim any client address",
            )
            .help("name the network of your reverse proxy, or make sure that nothing else reaches this server");
    }
    networks
}

pub(super) fn limits(limits: &Limits, report: &mut Report<'_>) -> LimitsPlan {
    let rate = |text: &str| value::count(text, 1, 1_000_000);
    let bytes = |text: &str| {
        let bytes = value::size(text, LEAST_HEADER_BYTES, MOST_HEADER_BYTES)?;
        usize::try_from(bytes).map_err(|_| Refusal::new("is too large", "write a smaller size"))
    };
    LimitsPlan {
        connections: report
            .scalar("limits.connections", limits.connections.as_ref(), 4096, |text| value::count(text, 1, 1_000_000)),
        header_timeout: report.scalar("limits.header_timeout", limits.header_timeout.as_ref(), 10 * SECOND, |text| {
            value::duration(text, SECOND, 5 * MINUTE)
        }),
        header_bytes: report.scalar("limits.header_bytes", limits.header_bytes.as_ref(), 64 * 1024, bytes),
        drain_timeout: report.scalar("limits.drain_timeout", limits.drain_timeout.as_ref(), 30 * SECOND, |text| {
            value::duration(text, Duration::ZERO, 60 * MINUTE)
        }),
        registrations_per_hour: report.scalar(
            "limits.registrations_per_hour",
            limits.registrations_per_hour.as_ref(),
            120,
            rate,
        ),
        authorizations_per_minute: report.scalar(
            "limits.authorizations_per_minute",
            limits.authorizations_per_minute.as_ref(),
            120,
            rate,
        ),
        token_requests_per_minute: report.scalar(
            "limits.token_requests_per_minute",
            limits.token_requests_per_minute.as_ref(),
            600,
            rate,
        ),
    }
}

/// Every secret of a list, with its place.
fn secret_list<'a>(path: &str, list: Option<&'a SecretList>) -> Vec<(String, &'a SecretSource)> {
    match list {
        None => Vec::new(),
        Some(SecretList::One(source)) => vec![(path.to_owned(), source)],
        Some(SecretList::Many(sources)) => {
            sources.iter().enumerate().map(|(index, source)| (item(path, index), source)).collect()
        }
    }
}

pub(super) fn signing(document: &Document, report: &mut Report<'_>) -> SigningPlan {
    let choices = SigningAlgorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
    let read = |text: &String| report.read("signing_algorithm", text.trim(), |text| value::choice(text, &choices));
    let written = document.signing_algorithm.as_ref().and_then(read);
    let keys = secret_list("signing_key", document.signing_key.as_ref());
    let keys: Vec<_> = keys.into_iter().filter_map(|(path, source)| report.private_key(&path, source)).collect();
    let first = keys.first().map(PrivateKey::algorithm);
    if let (Some(first), Some(other)) = (first, written.filter(|written| first.is_some_and(|first| first != *written)))
    {
        let first = first.name();
        report
            .error("signing_algorithm", format!("is not what `signing_key` is for, which is {first}"))
            .offending(other.name())
            .help(format!("write `signing_algorithm: {first}`, or leave it out"));
    }
    let lifetime = document.signing_key_lifetime.as_ref();
    if lifetime.is_some() && document.signing_key.is_some() {
        report
            .warning("signing_key_lifetime", "has no effect: keys from `signing_key` are not rotated here")
            .help("leave it out, and put a new key in front of `signing_key` when it is time");
    }
    let lifetime = report
        .scalar("signing_key_lifetime", lifetime, SigningPlan::LIFETIME, |text| value::duration(text, DAY, 3650 * DAY));
    SigningPlan { algorithm: first.or(written).unwrap_or(SigningAlgorithm::Es256), keys, lifetime }
}

pub(super) fn log(document: &Document, report: &mut Report<'_>) -> LogPlan {
    let table = document.log.clone().map(Log::into_table).unwrap_or_default();
    let filter = table.filter.as_deref().and_then(|text| {
        report.read("log.filter", text.trim(), |text| match EnvFilter::builder().parse(text) {
            Ok(_) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(Refusal::new(
                "is no log filter",
                "write a level (`error`, `warn`, `info`, `debug`) or `vestibule=debug,info`",
            )),
        })
    });
    let choices = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = table
        .format
        .as_deref()
        .and_then(|text| report.read("log.format", text.trim(), |text| value::choice(text, &choices)))
        .unwrap_or(LogFormat::Auto);
    LogPlan { filter: filter.unwrap_or_else(|| "info".to_owned()), format }
}

pub(super) fn audit(document: &Document, report: &mut Report<'_>) -> AuditPlan {
    report.scalar("audit", document.audit.as_ref(), AuditPlan::Off, |text| match text {
        "stdout" => Ok(AuditPlan::Stdout),
        "off" | "none" | "false" | "no" => Ok(AuditPlan::Off),
        _ if text.contains('/') && !text.ends_with('/') => Ok(AuditPlan::File(PathBuf::from(text))),
        _ => Err(Refusal::new(
            "is no place for the audit log",
            "write `off`, `stdout`, or a file with its folder such as `/var/log/vestibule/audit.jsonl`",
        )),
    })
}

/// Every item of a list, each understood by `read`; those that are wrong are left out.
pub(super) fn list<T>(
    path: &str,
    list: Option<&List>,
    report: &mut Report<'_>,
    read: impl Fn(&str) -> Result<T, Refusal>,
) -> Vec<T> {
    let Some(list) = list else { return Vec::new() };
    let items = match (value::items(list), list) {
        (Ok(items), _) => items,
        (Err(refusal), List::Text(text)) => {
            report.refuse(path, text, refusal);
            return Vec::new();
        }
        (Err(_), List::Items(_)) => return Vec::new(),
    };
    let place = |index| if matches!(list, List::Items(_)) { item(path, index) } else { path.to_owned() };
    let read = |(index, text): (usize, &String)| report.read(&place(index), text, &read);
    items.iter().enumerate().filter_map(read).collect()
}
