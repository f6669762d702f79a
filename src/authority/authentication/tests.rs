use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::json;

use super::ClientCredentials;
use crate::authority::{Client, Parameters, TokenError, tests::Kit};

const SECRET: &str = "s3cr+t%:x";
const ENCODED: &str = "s3cr%2Bt%25%3Ax";

fn basic(text: &str) -> String {
    format!("Basic {}", STANDARD.encode(text))
}

async fn authenticate(kit: &Kit, authorization: Option<&str>, form: &str) -> Result<Client, TokenError> {
    let credentials = ClientCredentials::read(authorization, &Parameters::parse(form.as_bytes()))?;
    kit.authority.authenticate_client(&credentials).await
}

/// D4, AS-61: the same confidential client by basic and by post, encoded or not.
#[tokio::test]
async fn d4_one_client_two_ways() {
    let kit = Kit::new().await;
    let registered = kit.register(&json!({ "redirect_uris": ["https://app.example/cb"] })).unwrap();
    let (id, secret) = (registered["client_id"].as_str().unwrap(), registered["client_secret"].as_str().unwrap());
    for (authorization, form) in [
        (Some(basic(&format!("server:{ENCODED}"))), String::new()),
        (Some(basic(&format!("server:{SECRET}"))), String::new()),
        (
            Some(basic(&format!("server:{ENCODED}")).replace("Basic", "bAsIc").replace('=', "")),
            "client_id=server".into(),
        ),
        (Some(basic(&format!("server:{ENCODED}"))), format!("client_id=server&client_secret={ENCODED}")),
        (None, format!("client_id=server&client_secret={ENCODED}")),
        (Some("Bearer x".into()), format!("client_id=server&client_secret={ENCODED}")),
        (Some(basic(&format!("{id}:{secret}"))), String::new()),
        (None, format!("client_id={id}&client_secret={secret}")),
    ] {
        let result = authenticate(&kit, authorization.as_deref(), &form).await;
        assert!(result.is_ok(), "{authorization:?} {form}: {result:?}");
    }
}

/// D4: a public client with an empty secret, `Basic id:`, or nothing but its name.
#[tokio::test]
async fn d4_public_clients() {
    let kit = Kit::new().await;
    for (authorization, form) in [
        (None, "client_id=desk"),
        (None, "client_id=desk&client_secret="),
        (None, "client_id=desk&client_secret=left-over"),
        (Some(basic("desk:")), ""),
        (Some(basic("desk:")), "client_id=desk&client_secret="),
    ] {
        let client = authenticate(&kit, authorization.as_deref(), form).await.unwrap();
        assert_eq!(client.id.as_str(), "desk");
    }
}

/// D7, AS-61: unknown or unproven is `invalid_client` with 401.
#[tokio::test]
async fn d7_invalid_clients() {
    let kit = Kit::new().await;
    let registered = kit.register(&json!({ "redirect_uris": ["https://app.example/cb"] })).unwrap();
    let id = registered["client_id"].as_str().unwrap();
    let other = kit.register(&json!({ "redirect_uris": ["https://other.example/cb"] })).unwrap();
    let others_secret = other["client_secret"].as_str().unwrap();
    for (authorization, form) in [
        (None, String::new()),
        (None, "client_id=nobody".into()),
        (None, "client_id=dyn_x.y".into()),
        (None, "client_id=server".into()),
        (None, "client_id=server&client_secret=".into()),
        (None, "client_id=server&client_secret=wrong".into()),
        (Some(basic("server:")), String::new()),
        (Some(basic("server:wrong")), String::new()),
        (Some(basic("nobody:x")), String::new()),
        (Some("Basic !!!".into()), "client_id=desk".into()),
        (Some(basic("no-colon")), "client_id=desk".into()),
        (None, format!("client_id={id}")),
        (None, format!("client_id={id}&client_secret=wrong")),
        (None, format!("client_id={id}&client_secret={others_secret}")),
        (None, "client_id=desk&client_assertion=x&client_assertion_type=saml".into()),
    ] {
        let error = authenticate(&kit, authorization.as_deref(), &form).await.unwrap_err();
        assert_eq!((error.code(), error.status()), ("invalid_client", 401), "{authorization:?} {form}");
    }
}

/// RFC 6749 section 2.3: one way to authenticate; what contradicts itself is refused.
#[tokio::test]
async fn several_credentials() {
    let kit = Kit::new().await;
    for (authorization, form) in [
        (Some(basic("server:x")), "client_id=desk"),
        (Some(basic(&format!("server:{ENCODED}"))), "client_id=server&client_secret=other"),
        (None, "client_id=server&client_secret=a&client_secret=b"),
        (None, "client_id=server&client_id=desk"),
        (
            None,
            "client_id=server&client_secret=a&client_assertion=b&\
             client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ),
    ] {
        let error = authenticate(&kit, authorization.as_deref(), form).await.unwrap_err();
        assert_eq!((error.code(), error.status()), ("invalid_request", 400), "{authorization:?} {form}");
    }
}

#[test]
fn secrets_are_not_printed() {
    let parameters = Parameters::parse(b"client_id=a&client_secret=hunter2");
    let shown = format!("{:?}", ClientCredentials::read(None, &parameters).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

proptest! {
    /// S71: any header and any form are read without a panic, and prove nothing.
    #[test]
    fn s71_any_header(header in "\\PC{0,60}", bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let form = Parameters::parse(&bytes);
        let credentials = [header.clone(), format!("Basic {header}"), format!("Basic {}", STANDARD.encode(&bytes))];
        for authorization in credentials {
            if let Ok(credentials) = ClientCredentials::read(Some(&authorization), &form) {
                prop_assert!(credentials.client_id.as_deref() != Some(""));
            }
        }
    }
}
