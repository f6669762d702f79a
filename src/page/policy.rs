//! The `Content-Security-Policy` of our pages: nothing may load, run, frame or be framed.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::{Host, Url};

use super::STYLE;

/// Everything but `form-action`.
static BASE: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{hash}'; img-src 'none'; base-uri 'none'; frame-ancestors 'none'")
});

/// For a page without a form.
pub(super) fn without_form() -> String {
    format!("{}; form-action 'none'", *BASE)
}

/// For the consent page.
///
/// Chrome holds `form-action` against every redirect that follows the form's POST (Firefox and
/// Safari do not), and the whole sign-in is such a chain when the person is signed in at the
/// provider already: our consent endpoint, the provider, whatever company sign-in the provider
/// sends them on to, our callback, the client. A host that is missing from the list ends the
/// sign-in with nothing but a line in the developer console (B5). The provider's part of the
/// chain is its own business and cannot be listed, so every `https:` host is allowed; what is
/// not https is known and named exactly: our own origin (`'self'`), the client's loopback
/// origin or its application's scheme. Plain `http:` as a whole is allowed only where the
/// operator allowed it for the provider.
pub(super) fn with_form(redirect_uri: &str, provider_by_http: bool) -> String {
    let mut targets = String::from("'self' https:");
    if let Some(target) = beyond_https(redirect_uri) {
        targets.push(' ');
        targets.push_str(&target);
    }
    if provider_by_http {
        targets.push_str(" http:");
    }
    format!("{}; form-action {targets}", *BASE)
}

/// The source expression for a redirect URI that `https:` does not cover. A URL's scheme and port
/// hold no characters that mean something in a policy; of hosts, only the two that can be
/// written down are copied (the grammar has no IPv6 addresses).
fn beyond_https(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    match (url.scheme(), url.host()) {
        ("https", _) => None,
        ("http", Some(Host::Domain("localhost"))) => Some(with_port("http://localhost", url.port())),
        ("http", Some(Host::Ipv4(address))) if address.octets() == [127, 0, 0, 1] => {
            Some(with_port("http://127.0.0.1", url.port()))
        }
        (scheme, _) => Some(format!("{scheme}:")),
    }
}

fn with_port(origin: &str, port: Option<u16>) -> String {
    port.map_or_else(|| origin.to_owned(), |port| format!("{origin}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// B5: the redirect at the end of the chain passes, and nothing can be smuggled in.
    #[test]
    fn b5_form_action_names_what_is_not_https() {
        for (redirect, expected) in [
            ("https://claude.ai/api/mcp/auth_callback", "form-action 'self' https:"),
            ("http://127.0.0.1:33418/cb", "form-action 'self' https: http://127.0.0.1:33418"),
            ("http://localhost/cb", "form-action 'self' https: http://localhost"),
            ("http://[::1]:1/cb", "form-action 'self' https: http:"),
            ("http://127.0.0.2:1/cb", "form-action 'self' https: http:"),
            ("cursor://anysphere.cursor-mcp/oauth", "form-action 'self' https: cursor:"),
            ("com.example.app:/cb;script-src *", "form-action 'self' https: com.example.app:"),
        ] {
            assert!(with_form(redirect, false).ends_with(expected), "{redirect}: {}", with_form(redirect, false));
        }
        assert!(with_form("https://a.example/", true).ends_with("form-action 'self' https: http:"));
    }

    /// S02, AS-50: no page of ours can be framed, and none runs a script.
    #[test]
    fn as50_pages_are_not_framed_and_run_nothing() {
        for policy in [without_form(), with_form("https://a.example/", false)] {
            assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        }
    }
}
