//! The headers that tell a backend who calls. Values come from the provider and from clients:
//! whatever is in them, they are one header and nothing else (S45).

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    config::plan::IdentityHeaders,
    identity::Identity,
    oauth::{ClientId, Scopes},
};

/// Everything but visible ASCII; and `%` itself, so that two persons never look the same.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// Longer values are left out: most servers would refuse the whole request.
const MAX_LENGTH: usize = 8 * 1024;

/// Makes the headers once for a verified token. What is unknown, or an e-mail address that nobody
/// verified, is left out; the names were taken from the client's request in any case.
pub(super) fn headers(
    names: &IdentityHeaders,
    identity: &Identity,
    client: Option<&ClientId>,
    scopes: &Scopes,
) -> Vec<(HeaderName, HeaderValue)> {
    let email = identity.email.as_deref().filter(|_| identity.email_verified);
    let values = [
        (&names.subject, encode(&identity.subject_here())),
        (&names.email, email.and_then(encode)),
        // Scopes are visible ASCII between single spaces.
        (&names.scopes, plain(&scopes.to_string())),
        (&names.client, client.and_then(|client| encode(client.as_str()))),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name.clone()?, value?))).collect()
}

fn encode(text: &str) -> Option<HeaderValue> {
    if text.is_empty() {
        return None;
    }
    plain(&utf8_percent_encode(text, ENCODED).to_string())
}

fn plain(text: &str) -> Option<HeaderValue> {
    (text.len() <= MAX_LENGTH).then(|| HeaderValue::try_from(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::testing;

    fn made(subject: &str, email: Option<&str>, email_verified: bool) -> Vec<(String, String)> {
        let route = testing::route(&Url::parse("https://g.example").unwrap(), "a", "/mcp", "http://b/");
        let identity = Identity {
            issuer: "https://idp.example".to_owned(),
            subject: subject.to_owned(),
            email: email.map(str::to_owned),
            email_verified,
            name: None,
            provider: None,
            claims: serde_json::Map::new(),
        };
        headers(
            &route.identity_headers,
            &identity,
            Some(&ClientId::parse("client").unwrap()),
            &Scopes::parse("mcp read").unwrap(),
        )
        .into_iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
    }

    #[test]
    fn a_usual_person() {
        let expected = [
            ("x-user-subject", "auth0|abc"),
            ("x-user-email", "a@b.example"),
            ("x-user-scopes", "mcp read"),
            ("x-user-client", "client"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(made("auth0|abc", Some("a@b.example"), true), expected);
    }

    /// S45: never split, never ambiguous, never endless.
    #[test]
    fn s45_hostile_values() {
        for (subject, expected) in [
            ("a\r\nx-user-email: root", "a%0D%0Ax-user-email:%20root"),
            ("a\0b", "a%00b"),
            ("zoë", "zo%C3%AB"),
            ("a%0Ab", "a%250Ab"),
            (" a ", "%20a%20"),
        ] {
            assert_eq!(made(subject, None, false)[0].1, expected, "{subject:?}");
        }
        let long = "x".repeat(MAX_LENGTH + 1);
        assert!(made(&long, None, false).iter().all(|(name, _)| name != "x-user-subject"));
        assert!(made("", None, false).iter().all(|(name, _)| name != "x-user-subject"));
    }

    /// S31: an address that nobody verified is not an identity.
    #[test]
    fn s31_unverified_addresses_are_left_out() {
        assert!(made("a", Some("a@b.example"), false).iter().all(|(name, _)| name != "x-user-email"));
    }
}
