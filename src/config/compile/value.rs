//! How single values are written: durations, sizes, numbers, switches, URLs, paths, lists. Each
//! says what is wrong with a text, and what to write instead.

use std::{fmt, net::SocketAddr, time::Duration};

use http::Uri;
use indexmap::IndexMap;
use url::Url;

use crate::{
    config::{
        diagnostic::{closest, one_of},
        document::{ClaimValues, Claims, List, Params, Scalar},
    },
    oauth::redirect_uri::is_loopback,
};

/// Why a text is not what it should be. The message continues a sentence that begins with the text.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Refusal {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()) }
    }
}

/// `true` or `false`, and what environments write for it.
pub(in crate::config) fn switch(text: &str) -> Result<bool, Refusal> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(Refusal::new("is neither true nor false", "write `true` or `false`")),
    }
}

/// A duration from `least` to `most`.
pub(super) fn duration(text: &str, least: Duration, most: Duration) -> Result<Duration, Refusal> {
    let examples = "write a number with its unit: `500ms`, `30s`, `15m`, `1h`, `30d`";
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::new(
            "is a duration without a unit",
            format!("write `{text}s` for seconds, `{text}m` for minutes"),
        ));
    }
    let duration = humantime::parse_duration(text).map_err(|_| Refusal::new("is no duration", examples))?;
    within(duration, &least, &most, |bound| in_one_unit(*bound))
}

/// A bound in the largest unit that needs no fraction: `90d`, not `2months 29days …`.
fn in_one_unit(duration: Duration) -> String {
    const UNITS: [(u128, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let millis = duration.as_millis();
    let whole = UNITS.iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    whole.map_or_else(|| "0s".to_owned(), |(unit, name)| format!("{}{name}", millis / unit))
}

/// A duration of a key that ends in `_seconds`: a number of seconds, or a number with its unit.
pub(super) fn seconds(text: &str, least: Duration, most: Duration) -> Result<Duration, Refusal> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return duration(&format!("{text}s"), least, most);
    }
    let examples = "write a number of seconds, or one with its unit: `10`, `500ms`, `10s`, `1h`";
    duration(text, least, most).map_err(|refusal| match refusal.message.as_str() {
        "is no duration" => Refusal::new("is no number of seconds", examples),
        _ => refusal,
    })
}

/// A number of bytes, with a unit or without.
pub(super) fn size(text: &str, least: u64, most: u64) -> Result<u64, Refusal> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("b", 1),
        ("kib", 1 << 10),
        ("mib", 1 << 20),
        ("gib", 1 << 30),
        ("kb", 1_000),
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("k", 1 << 10),
        ("m", 1 << 20),
    ];
    let refusal =
        || Refusal::new("is no size", "write a number of bytes, or one with a unit: `64KiB`, `16MiB`, `1GiB`");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(refusal)?;
    let unit = unit.trim().to_ascii_lowercase();
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refusal)?;
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or_else(refusal)?;
    within(bytes, &least, &most, |bound| format!("{bound} bytes"))
}

/// A whole number.
pub(super) fn count<T>(text: &str, least: T, most: T) -> Result<T, Refusal>
where
    T: Copy + std::str::FromStr + PartialOrd + fmt::Display,
{
    let refusal = |_| Refusal::new("is no whole number", format!("write a number from {least} to {most}"));
    let number = text.replace('_', "").parse::<T>().map_err(refusal)?;
    within(number, &least, &most, ToString::to_string)
}

fn within<T: PartialOrd>(value: T, least: &T, most: &T, show: impl Fn(&T) -> String) -> Result<T, Refusal> {
    let allowed = || format!("write something from {} to {}", show(least), show(most));
    if value < *least {
        return Err(Refusal::new("is too small", allowed()));
    }
    if value > *most {
        return Err(Refusal::new("is too large", allowed()));
    }
    Ok(value)
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Refusal> {
    if let Some((_, value)) = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)) {
        return Ok(*value);
    }
    let words = || choices.iter().map(|(word, _)| *word);
    let help = match closest(text, words()) {
        Some(meant) => format!("did you mean `{meant}`? Possible are {}", one_of(words())),
        None => format!("write {}", one_of(words())),
    };
    Err(Refusal::new("is not known here", help))
}

/// An address and a port to listen on.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let port = |text: &str| text.parse::<u16>().is_ok();
    let help = match text.rsplit_once(':') {
        Some(("localhost", rest)) if port(rest) => format!("write `127.0.0.1:{rest}`"),
        Some(("" | "*", rest)) if port(rest) => {
            format!("write `127.0.0.1:{rest}` for this machine only, `0.0.0.0:{rest}` for everybody")
        }
        None if port(text) => format!("write `127.0.0.1:{text}` for this machine only, `0.0.0.0:{text}` for everybody"),
        _ => "write an IP address and a port: `127.0.0.1:8000`, `0.0.0.0:8000`, `[::]:8000`".to_owned(),
    };
    Err(Refusal::new("is no address with a port", help))
}

/// An absolute http(s) URL without user info and fragment.
pub(super) fn web_url(text: &str) -> Result<Url, Refusal> {
    // `host:8000/path` reads as a scheme and a path.
    let help = || match Url::parse(&format!("http://{text}")) {
        Ok(url) if !text.contains("//") && !text.contains('@') && url.has_host() && is_loopback(&url) => {
            format!("write `http://{text}`")
        }
        Ok(url) if !text.contains("//") && !text.contains('@') && url.has_host() => format!("write `https://{text}`"),
        _ => "write the whole URL: `https://example.com`".to_owned(),
    };
    let url = Url::parse(text).map_err(|_| Refusal::new("is no URL", help()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(Refusal::new("is no http or https URL", help()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::new("holds a user name or password", "remove what stands before `@`"));
    }
    if url.fragment().is_some() {
        return Err(Refusal::new("holds a fragment", "remove the `#` and what follows"));
    }
    Ok(url)
}

/// A host with an optional port, as in a `Host` header; in lower case.
pub(super) fn host(text: &str) -> Result<String, Refusal> {
    let refusal = || {
        Refusal::new(
            "is no host name",
            "write only the name, with a port if it is not the usual one: `mcp.example.com`",
        )
    };
    let plain = !text.contains(['/', '?', '#', '@']);
    let uri = text.parse::<Uri>().ok().filter(|uri| plain && uri.authority().is_some() && uri.host() != Some(""));
    uri.map(|_| text.to_ascii_lowercase()).ok_or_else(refusal)
}

/// A path of ours: plain segments, nothing that two programs could read differently.
pub(super) fn path(text: &str) -> Result<String, Refusal> {
    if text.is_empty() {
        return Err(Refusal::new("is empty", "write `/`, or a path such as `/mcp`"));
    }
    if !text.starts_with('/') {
        return Err(Refusal::new("does not begin with a slash", format!("write `/{}`", text.trim_matches('/'))));
    }
    if text.contains(['?', '#']) {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let path = text.get(..end).unwrap_or(text);
        return Err(Refusal::new("is more than a path", format!("write `{path}`, without `?` and `#`")));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()+,=:@".contains(&byte);
    if let Some(odd) = text.chars().find(|letter| !u8::try_from(*letter).is_ok_and(plain)) {
        let help = "use letters, digits, `-`, `_`, `.` and `~`; no wildcards, everything below a path belongs to it";
        return Err(Refusal::new(format!("holds `{}`, which has no place in a path here", odd.escape_debug()), help));
    }
    if text.len() > 1 && text.ends_with('/') && !text.ends_with("//") {
        return Err(Refusal::new("ends with a slash", format!("write `{}`", text.trim_end_matches('/'))));
    }
    let mut segments = text.split('/').skip(1);
    if text != "/" && segments.clone().any(str::is_empty) {
        return Err(Refusal::new("holds two slashes in a row", "write one"));
    }
    if segments.any(|segment| segment == "." || segment == "..") {
        return Err(Refusal::new("holds `.` or `..`", "write the path that is meant"));
    }
    if text == "/.well-known" || text.starts_with("/.well-known/") {
        return Err(Refusal::new("lies in /.well-known, where the metadata is", "choose another path"));
    }
    Ok(text.to_owned())
}

/// The items of a list: one by one, or in one text with spaces, commas, or as JSON.
pub(in crate::config) fn items(list: &List) -> Result<Vec<String>, Refusal> {
    let text = match list {
        List::Items(items) => return Ok(items.iter().map(|item| item.trim().to_owned()).collect()),
        List::Text(text) => text.trim(),
    };
    let help = || list_help(text);
    if text.starts_with('[') {
        return match serde_json::from_str::<Vec<serde_json::Value>>(text) {
            Ok(items) => items
                .into_iter()
                .map(|item| item.as_str().map(|item| item.trim().to_owned()))
                .collect::<Option<_>>()
                .ok_or_else(|| Refusal::new("is a JSON list of something else than texts", help())),
            Err(_) => Err(Refusal::new("begins like a JSON list, but is none", help())),
        };
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::String(item)) => return Ok(vec![item]),
        Ok(serde_json::Value::Object(_)) => return Err(Refusal::new("is a JSON object, but has to be a list", help())),
        Ok(_) => return Err(Refusal::new("is no list of texts", help())),
        Err(_) => {}
    }
    if text.starts_with('{') {
        return Err(Refusal::new("begins like a JSON object, but has to be a list", help()));
    }
    if text.contains('"') {
        return Err(Refusal::new("holds quotes, but is no JSON list", help()));
    }
    if text.contains(';') {
        return Err(Refusal::new("holds a `;`, which separates nothing here", help()));
    }
    Ok(text.split([',', ' ', '\t', '\n']).filter(|part| !part.is_empty()).map(ToOwned::to_owned).collect())
}

/// What was probably meant, written as a list.
fn list_help(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || ",;\"'[]{}".contains(letter));
    let words: Vec<&str> = words.filter(|word| word.contains(char::is_alphabetic)).take(4).collect();
    match words.as_slice() {
        [_, _, ..] if !text.contains('{') => {
            format!("write `{}`, or `[\"{}\"]`", words.join(" "), words.join("\", \""))
        }
        [word] if !text.contains('{') => format!("write `{word}`, or `[\"{word}\"]`"),
        _ => "write `a b`, or `a,b`, or `[\"a\", \"b\"]`".to_owned(),
    }
}

/// Names and values of parameters: one by one, or in one text, as JSON or as in a query.
pub(in crate::config) fn params(params: &Params) -> Result<Vec<(String, String)>, Refusal> {
    let help = || "write `name=value&name=value`, or `{\"name\": \"value\"}`";
    let text = match params {
        Params::Entries(entries) => {
            return Ok(entries.iter().map(|(name, value)| (name.clone(), value.0.clone())).collect());
        }
        Params::Text(text) => text.trim(),
    };
    if text.starts_with('{') {
        let refusal = |_| Refusal::new("begins like a JSON object, but is no object of single values", help());
        let entries: IndexMap<String, Scalar> = serde_json::from_str(text).map_err(refusal)?;
        return Ok(entries.into_iter().map(|(name, value)| (name, value.0)).collect());
    }
    pairs(text).ok_or_else(|| Refusal::new("is no list of parameters", help()))
}

/// What a claim may be, by its name: one by one, or in one text, as JSON or as in a query with a
/// name once for each value.
pub(super) fn claims(claims: &Claims) -> Result<IndexMap<String, Vec<String>>, Refusal> {
    let help = || "write `groups=staff&groups=ops`, or `{\"groups\": [\"staff\", \"ops\"]}`";
    let text = match claims {
        Claims::Entries(entries) => {
            return Ok(entries.iter().map(|(name, values)| (name.clone(), values.0.clone())).collect());
        }
        Claims::Text(text) => text.trim(),
    };
    if text.starts_with('{') {
        let refusal = |_| Refusal::new("begins like a JSON object, but is no object of values and lists", help());
        let entries: IndexMap<String, ClaimValues> = serde_json::from_str(text).map_err(refusal)?;
        return Ok(entries.into_iter().map(|(name, values)| (name, values.0)).collect());
    }
    let mut claims = IndexMap::<String, Vec<String>>::new();
    for (name, value) in pairs(text).ok_or_else(|| Refusal::new("is no list of claims", help()))? {
        claims.entry(name).or_default().push(value);
    }
    Ok(claims)
}

/// `name=value&name=value`. A value that holds a `=` was separated by something else: `%3D` is one.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let right = |pair: &str| pair.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.contains('='));
    text.split('&').all(right).then(|| form_urlencoded::parse(text.as_bytes()).into_owned().collect())
}

#[cfg(test)]
mod tests;
