//! Our own responses: pages, redirects, JSON, and the headers that each kind always has.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::page::Page;

/// A whole response of one of our endpoints.
pub(super) type Answer = Response<Bytes>;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// For documents that everybody may read and that change with the configuration only.
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What the browser tells the next place about the one it left. The consent page is the
/// exception: under `no-referrer` browsers send `Origin: null` with its form, and whether the
/// form is ours could not be seen (Fetch section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Referrer {
    /// `no-referrer`
    Nobody,
    /// `same-origin`
    OurselvesOnly,
}

/// Whether a JSON answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// `no-store`
    Never,
    /// For some minutes, by everybody.
    Minutes,
}

/// A page, never framed, never stored (AS-50, S02).
pub(super) fn page(status: StatusCode, page: Page, referrer: Referrer) -> Answer {
    let mut answer = start(status, Bytes::from(page.html));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HTML);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    // Base64, known words and a scheme: always a header.
    if let Ok(policy) = HeaderValue::from_str(&page.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, referrer.value());
    answer
}

/// Sends the browser on with a GET, whatever it came with (AS-51).
pub(super) fn see_other(url: &str) -> Answer {
    let Ok(location) = HeaderValue::from_str(url) else {
        // Our URLs are made by a URL parser, which leaves visible ASCII.
        return start(StatusCode::INTERNAL_SERVER_ERROR, Bytes::new());
    };
    let mut answer = start(StatusCode::SEE_OTHER, Bytes::new());
    let headers = answer.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(header::REFERRER_POLICY, Referrer::Nobody.value());
    answer
}

/// A JSON document.
pub(super) fn json(status: StatusCode, value: &impl Serialize, keep: Keep) -> Answer {
    let mut answer = start(status, Bytes::from(serde_json::to_vec(value).unwrap_or_default()));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, if keep == Keep::Never { NO_STORE } else { PUBLIC });
    if keep == Keep::Never {
        // AS-60: still asked for by RFC 6749 section 5.1, for caches that know nothing newer.
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    }
    answer
}

/// An OAuth error (RFC 6749 section 5.2, RFC 7591 section 3.2.2).
pub(super) fn oauth_error(status: StatusCode, code: &str, description: &str) -> Answer {
    #[derive(Serialize)]
    struct Body<'a> {
        error: &'a str,
        error_description: String,
    }
    json(status, &Body { error: code, error_description: describe(description) }, Keep::Never)
}

/// 429. The standards name no code for it; this one tells clients to come again.
pub(super) fn too_many_requests(after: Duration) -> Answer {
    let mut answer = oauth_error(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", "too many requests");
    retry_after(&mut answer, after);
    answer
}

/// Nothing but a status.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = start(status, Bytes::new());
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    answer
}

/// Adds `Retry-After` in whole seconds.
pub(super) fn retry_after(answer: &mut Answer, after: Duration) {
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
}

/// Adds cookies.
pub(super) fn set_cookies(answer: &mut Answer, cookies: impl IntoIterator<Item = HeaderValue>) {
    for cookie in cookies {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// Characters that an `error_description` may have (RFC 6749 section 5.2), the first 300.
pub(super) fn describe(text: &str) -> String {
    let allowed = |char: char| matches!(char, ' '..='!' | '#'..='[' | ']'..='~');
    text.chars().map(|char| if allowed(char) { char } else { ' ' }).take(300).collect()
}

/// Whether a program asks that would rather read JSON than a page: `application/json` is wanted
/// more than `text/html`.
pub(super) fn prefers_json(headers: &HeaderMap) -> bool {
    let accepted: Vec<String> = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(|range| range.trim().to_ascii_lowercase()))
        .collect();
    let weight = |types: &[&str]| {
        accepted.iter().filter(|range| types.contains(&essence(range))).map(|range| quality(range)).max().unwrap_or(0)
    };
    weight(&["application/json"]) > weight(&["text/html", "application/xhtml+xml", "text/*", "*/*"])
}

fn essence(range: &str) -> &str {
    range.split(';').next().unwrap_or_default().trim()
}

/// `q` in thousandths.
fn quality(range: &str) -> u16 {
    let q = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    let Some(q) = q else { return 1000 };
    match q.split_once('.') {
        None => {
            if q == "0" {
                0
            } else {
                1000
            }
        }
        Some(("0", digits)) => format!("{digits:0<3}").get(..3).and_then(|digits| digits.parse().ok()).unwrap_or(0),
        Some(_) => 1000,
    }
}

fn start(status: StatusCode, body: Bytes) -> Answer {
    let length = HeaderValue::from(body.len());
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

// === impl Referrer ===

impl Referrer {
    const fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Nobody => "no-referrer",
            Self::OurselvesOnly => "same-origin",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_may_ask_for_json() {
        for (accept, expected) in [
            ("application/json", true),
            ("application/json, text/plain, */*", false),
            ("application/json;q=0.9, text/html;q=0.5", true),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false),
            ("*/*", false),
            ("", false),
            ("application/json;q=0", false),
            ("application/json;q=0.5, */*;q=0.1", true),
            (";;;,,,q=", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_json(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn descriptions_keep_to_their_alphabet() {
        assert_eq!(describe("a\"b\\c\nd é"), "a b c d  ");
        assert_eq!(describe(&"x".repeat(1000)).len(), 300);
    }
}
