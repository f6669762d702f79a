//! The headers that tell a backend who calls. Values come from the provider and from clients:
//! whatever is in them, they are one header and nothing else (S45).

use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::Value;

use crate::{
    config::plan::{HeaderSource, IdentityHeaders, SetHeader},
    identity::Identity,
    oauth::{ClientId, Scopes},
    policy,
};

/// Everything but visible ASCII; and `%` itself, so that two persons never look the same.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

/// In a list the comma separates.
const ITEM: &AsciiSet = &ENCODED.add(b',');

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

/// What a route sets besides: texts as they are, claims in visible ASCII. A claim that is missing, or
/// that no header can hold, is left out; its name was taken from the client's request in any case.
pub(super) fn set(set: &[SetHeader], identity: &Identity) -> Vec<(HeaderName, HeaderValue)> {
    let value = |source: &HeaderSource| match source {
        HeaderSource::Fixed(text) => sensitive(text.expose()),
        HeaderSource::Claim(claim) => claim_value(claim, identity),
    };
    set.iter().filter_map(|SetHeader { name, value: source }| Some((name.clone(), value(source)?))).collect()
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Values of a list are separated by commas, and no value holds one: split at commas, then decode.
fn claim_value(claim: &str, identity: &Identity) -> Option<HeaderValue> {
    let text = match claim {
        "sub" => item(&identity.subject_here()),
        "iss" => item(&identity.issuer),
        // An address that nobody verified is not an identity (S31).
        "email" => item(identity.email.as_deref().filter(|_| identity.email_verified)?),
        "email_verified" => identity.email_verified.to_string(),
        "name" => item(identity.name.as_deref()?),
        claim => match policy::find(&identity.claims, claim)? {
            Value::Array(values) => values.iter().map(value_item).collect::<Option<Vec<_>>>()?.join(","),
            value => value_item(value)?,
        },
    };
    if text.len() > MAX_LENGTH {
        tracing::warn!(claim, limit = MAX_LENGTH, "a claim is too long for a header: it is left out");
    }
    Some(text).filter(|text| !text.is_empty()).and_then(|text| plain(&text))
}

fn value_item(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(item(text)),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn item(text: &str) -> String {
    utf8_percent_encode(text, ITEM).to_string()
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
    use serde_json::json;
    use url::Url;

    use super::*;
    use crate::{secret::Secret, testing};

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

    fn claims(name: &str, identity: &Identity) -> Option<String> {
        let header =
            SetHeader { name: HeaderName::from_static("x-claim"), value: HeaderSource::Claim(name.to_owned()) };
        set(&[header], identity).pop().map(|(_, value)| value.to_str().unwrap().to_owned())
    }

    /// S45: a claim is one header of visible ASCII, or none; a list can be told apart again.
    #[test]
    fn s45_claims_as_headers() {
        let members = json!({
            "department": "R&D, Zürich",
            "groups": ["staff", "a,b", "50%", "x\r\nx-admin: 1"],
            "level": 3,
            "external": false,
            "realm_access": { "roles": ["admin"] },
            "https://a.example/tenant": "acme",
            "empty": "",
            "none": [],
            "nothing": null,
            "object": { "a": 1 },
            "nested": ["a", ["b"]],
            "holes": ["a", null],
            "long": "x".repeat(MAX_LENGTH + 1),
            "wide": "ü".repeat(MAX_LENGTH / 6 + 1),
        });
        let mut person = Identity {
            issuer: "https://idp.example".to_owned(),
            subject: "auth0|ada".to_owned(),
            email: Some("ada@example.com".to_owned()),
            email_verified: true,
            name: Some("Ada Lovelace".to_owned()),
            provider: None,
            claims: members.as_object().unwrap().clone(),
        };
        for (claim, expected) in [
            ("sub", Some("auth0|ada")),
            ("iss", Some("https://idp.example")),
            ("email", Some("ada@example.com")),
            ("email_verified", Some("true")),
            ("name", Some("Ada%20Lovelace")),
            ("department", Some("R&D%2C%20Z%C3%BCrich")),
            ("groups", Some("staff,a%2Cb,50%25,x%0D%0Ax-admin:%201")),
            ("level", Some("3")),
            ("external", Some("false")),
            ("realm_access.roles", Some("admin")),
            ("https://a.example/tenant", Some("acme")),
            ("empty", None),
            ("none", None),
            ("nothing", None),
            ("object", None),
            ("nested", None),
            ("holes", None),
            ("long", None),
            ("wide", None),
            ("nobody", None),
        ] {
            assert_eq!(claims(claim, &person).as_deref(), expected, "{claim}");
        }
        person.provider = Some("entra".to_owned());
        assert_eq!(claims("sub", &person).as_deref(), Some("entra|auth0|ada"));
        person.email_verified = false;
        assert_eq!(claims("email", &person), None, "S31");
        assert_eq!(claims("email_verified", &person).as_deref(), Some("false"));
    }

    #[test]
    fn fixed_values_are_kept_out_of_debug_output() {
        let header = SetHeader {
            name: HeaderName::from_static("authorization"),
            value: HeaderSource::Fixed(Secret::new("Bearer hunter2")),
        };
        let person = Identity {
            issuer: String::new(),
            subject: "a".to_owned(),
            email: None,
            email_verified: false,
            name: None,
            provider: None,
            claims: serde_json::Map::new(),
        };
        let made = set(&[header], &person);
        assert_eq!(made[0].1, "Bearer hunter2");
        assert!(!format!("{made:?}").contains("hunter2"), "{made:?}");
    }

    /// S31: an address that nobody verified is not an identity.
    #[test]
    fn s31_unverified_addresses_are_left_out() {
        assert!(made("a", Some("a@b.example"), false).iter().all(|(name, _)| name != "x-user-email"));
    }
}
