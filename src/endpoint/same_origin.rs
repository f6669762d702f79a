//! Where a request comes from: whether a form was sent by a page of ours, and whether another site sent
//! the browser here. The browser says so in headers that no script and no other site can set.

use http::{HeaderMap, header};
use url::Url;

const FETCH_SITE: &str = "sec-fetch-site";

/// Whether the request may come from our own page.
///
/// `Sec-Fetch-Site`, where a browser sends it, must be `same-origin`. `Origin`, where it is sent,
/// must be ours; `null` (a sandboxed frame, a `data:` page, a stripped header) passes only next
/// to a `Sec-Fetch-Site` that has settled it. Without either (no browser of today posts a form
/// so, scripts do) the sealed request, which only the page holds, and the cookie it is bound to,
/// which no cross-site POST carries, are the proof.
pub(super) fn is_ours(headers: &HeaderMap, public_url: &Url) -> bool {
    let mut sites = headers.get_all(FETCH_SITE).iter();
    let site = sites.next();
    if sites.next().is_some() || site.is_some_and(|site| site != "same-origin") {
        return false;
    }
    let own = public_url.origin().ascii_serialization();
    let mut origins = headers.get_all(header::ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => origin == own.as_str() || (origin == "null" && site.is_some()),
        (Some(_), Some(_)) => false,
    }
}

/// Whether the person's own program or the person opened this address, in a window of its own: no other
/// site led here, and nothing can be in front of or around what happens. A browser that does not say so
/// counts as led.
pub(super) fn is_opened_by_the_person(headers: &HeaderMap) -> bool {
    let is = |name: &str, good: &[&str]| {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => good.iter().any(|good| value == good),
            _ => false,
        }
    };
    // Not `same-site`: who has a neighbouring host may be a stranger.
    is(FETCH_SITE, &["none", "same-origin"])
        && is("sec-fetch-mode", &["navigate"])
        && is("sec-fetch-dest", &["document"])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B4: only what the person opened, in a window.
    #[test]
    fn b4_who_led_the_browser_here() {
        for (site, mode, dest, expected) in [
            ("none", "navigate", "document", true),
            ("same-origin", "navigate", "document", true),
            ("same-site", "navigate", "document", false),
            ("cross-site", "navigate", "document", false),
            ("none", "navigate", "iframe", false),
            ("none", "no-cors", "document", false),
            ("none", "navigate", "", false),
            ("", "navigate", "document", false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(FETCH_SITE, site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)] {
                if !value.is_empty() {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_opened_by_the_person(&headers), expected, "{site} {mode} {dest}");
            headers.append(FETCH_SITE, "none".parse().unwrap());
            assert!(site.is_empty() || !is_opened_by_the_person(&headers), "twice");
        }
    }

    /// S02: a cross-origin POST is refused.
    #[test]
    fn s02_only_our_own_page_may_post() {
        let public_url = Url::parse("https://mcp.example.com/").unwrap();
        let ours = "https://mcp.example.com";
        for (site, origins, expected) in [
            (Some("same-origin"), vec![ours], true),
            (Some("same-origin"), vec![], true),
            (Some("same-origin"), vec!["null"], true),
            (None, vec![ours], true),
            (None, vec![], true),
            (None, vec!["null"], false),
            (None, vec!["https://evil.example"], false),
            (None, vec!["http://mcp.example.com"], false),
            (None, vec!["https://mcp.example.com.evil.example"], false),
            (None, vec![ours, "https://evil.example"], false),
            (Some("cross-site"), vec![ours], false),
            (Some("same-site"), vec![], false),
            (Some("none"), vec![], false),
            (Some("same-origin"), vec!["https://evil.example"], false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(site) = site {
                headers.insert(FETCH_SITE, site.parse().unwrap());
            }
            for origin in &origins {
                headers.append(header::ORIGIN, origin.parse().unwrap());
            }
            assert_eq!(is_ours(&headers, &public_url), expected, "{site:?} {origins:?}");
        }
    }
}
