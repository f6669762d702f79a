use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    ClientIdDocument, DocumentError, DocumentResponse, MAX_DOCUMENT,
    cache::{MAX_FRESH, MIN_FRESH, STALE_LIMIT},
    document_url, is_json,
};
use crate::{
    authority::{
        AuthorizeError, ClientError, ClientKind, TokenError,
        client::NotCovered,
        tests::{DOCUMENT, Kit, response},
    },
    oauth::ClientId,
};

fn id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

fn document() -> Value {
    json!({
        "client_id": DOCUMENT, "client_name": "Documented", "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut document = document();
    document[field] = value;
    document
}

fn parse(document: &Value) -> Result<ClientIdDocument, DocumentError> {
    ClientIdDocument::parse(&id(DOCUMENT), document.to_string().as_bytes())
}

fn answer(document: &Value, edit: impl FnOnce(&mut DocumentResponse)) -> DocumentResponse {
    let mut response = response(document.to_string());
    edit(&mut response);
    response
}

async fn error(kit: &Kit) -> DocumentError {
    match kit.authority.client(&id(DOCUMENT)).await {
        Err(ClientError::Document(error)) => *error,
        other => panic!("{other:?}"),
    }
}

/// AS-22, D9: which identifiers are URLs of documents, judged on the text as it came.
#[test]
fn as22_urls() {
    for text in [
        "https://client.example/client.json",
        "https://client.example:8443/a/b",
        "https://client.example/a?version=1",
        "https://client.example/a..b/.well-known/x",
        "https://client.example/x?p=../..",
    ] {
        assert!(document_url(&id(text)).is_ok(), "{text}");
    }
    for text in [
        "http://client.example/x",
        "https://client.example",
        "https://client.example/",
        "https://client.example?x=1",
        "https://client.example/x#f",
        "https://client.example/x#",
        "https://u@client.example/x",
        "https://u:p@client.example/x",
        "https://client.example/a/../x",
        "https://client.example/./x",
        "https://client.example/%2e%2E/x",
        "https://client.example/%2e",
        "https:///x",
        "https://client.example\\x/y",
        "https://client.example/a b",
        "HTTPS://client.example/x",
        "https:client.example/x",
        "https://[::1/x",
    ] {
        assert_eq!(document_url(&id(text)), Err(DocumentError::Url), "{text}");
    }
}

/// AS-24, AS-26, AS-31, S12: what a document must and must not hold.
#[test]
fn as24_as26_documents() {
    use DocumentError as E;
    assert!(parse(&document()).is_ok());
    for (field, value, error) in [
        ("client_id", json!("https://client.example/oauth/client.json/"), E::ClientId),
        ("client_id", json!("https://CLIENT.example/oauth/client.json"), E::ClientId),
        ("client_id", Value::Null, E::ClientId),
        ("client_name", Value::Null, E::ClientName),
        ("client_name", json!(" "), E::ClientName),
        ("redirect_uris", Value::Null, E::RedirectUris),
        ("redirect_uris", json!([]), E::RedirectUris),
        ("redirect_uris", json!(["javascript:x", "http://a.example/"]), E::RedirectUris),
        ("client_secret", json!("x"), E::SharedSecret),
        ("client_secret", Value::Null, E::SharedSecret),
        ("client_secret_expires_at", json!(0), E::SharedSecret),
        ("token_endpoint_auth_method", json!("client_secret_basic"), E::SharedSecret),
        ("token_endpoint_auth_method", json!("client_secret_post"), E::SharedSecret),
        ("token_endpoint_auth_method", json!("client_secret_jwt"), E::SharedSecret),
        ("token_endpoint_auth_method", json!("tls_client_auth"), E::AuthenticationMethod),
        ("token_endpoint_auth_method", json!("private_key_jwt"), E::Keys),
        ("grant_types", json!(["client_credentials"]), E::GrantTypes),
    ] {
        assert_eq!(parse(&with(field, value.clone())).err(), Some(error), "{field} {value}");
    }
    let mixed = parse(&with("redirect_uris", json!(["javascript:x", "http://localhost/cb"]))).unwrap();
    assert_eq!(mixed.redirect_uris.len(), 1);
    assert!(!parse(&with("grant_types", json!(["authorization_code"]))).unwrap().refresh);
    assert!(parse(&with("grant_types", Value::Null)).unwrap().refresh);
    for body in ["", "[]", "null", "{", "\u{feff}{}"] {
        assert_eq!(ClientIdDocument::parse(&id(DOCUMENT), body.as_bytes()).err(), Some(E::Json), "{body}");
    }
    let large = with("x", json!("x".repeat(MAX_DOCUMENT)));
    assert_eq!(parse(&large).err(), Some(E::TooLarge));
}

/// D8: keys make a confidential client, wherever they are.
#[test]
fn d8_keys() {
    let key = |uri: &str| {
        let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
        document["jwks_uri"] = json!(uri);
        parse(&document)
    };
    assert!(key("https://client.example/keys").unwrap().keys.is_some());
    assert_eq!(key("http://client.example/keys").err(), Some(DocumentError::Keys));
    assert_eq!(key("https://u:p@client.example/keys").err(), Some(DocumentError::Keys));
    let inline = {
        let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
        document["jwks"] = json!({ "keys": [{ "kty": "strange" }] });
        parse(&document)
    };
    assert!(inline.unwrap().keys.is_some(), "a key of a strange kind is left out, not refused");
    // The reverse: keys without the method are a public client's.
    assert!(parse(&with("jwks_uri", json!("https://client.example/keys"))).unwrap().keys.is_none());
}

/// AS-20, AS-23, AS-25, AS-30: a client by its document, from the request to the token.
#[tokio::test]
async fn as20_a_documents_day() {
    let kit = Kit::new().await;
    kit.web.serves(&document());
    let client = kit.find(DOCUMENT).await;
    assert_eq!((client.kind, client.name.as_str()), (ClientKind::Document, "Documented"));
    let transaction = kit.begin(&client, &[]).await.unwrap();
    let facts = transaction.consent_facts();
    assert_eq!(facts.client_host.as_deref(), Some("client.example"));
    assert!(transaction.needs_consent());
    let response = kit.sign_in(&client).await;
    assert_eq!(kit.claims(&response).client_id.as_str(), DOCUMENT);
    assert!(kit.refresh(&client, response.refresh_token.as_ref().unwrap()).await.is_ok());
    assert_eq!(kit.refusal(DOCUMENT, &[("redirect_uri", "https://app.example/x")]).await, "page:invalid_request");
    assert_eq!(kit.web.count(), 1);
    let series = "vestibule_client_registrations_total{fault=\"none\",method=\"metadata_document\",outcome=\"created\",provider=\"auth0\"}";
    assert!(kit.counts(series, 1));
    let request = &kit.web.asked.lock().unwrap()[0];
    assert_eq!((request.url.as_str(), request.max_bytes), (DOCUMENT, MAX_DOCUMENT));
}

/// AS-23, AS-27, AS-29: only a JSON document with status 200 counts; failures are not remembered.
#[tokio::test]
async fn as23_as27_as29_failures() {
    type Edit = fn(&mut DocumentResponse);
    use DocumentError as E;
    let kit = Kit::new().await;
    let cases: [(Edit, E); 10] = [
        (|r| r.status = 301, E::Status),
        (|r| r.status = 204, E::Status),
        (|r| r.status = 404, E::Status),
        (|r| r.status = 304, E::Status),
        (|r| r.status = 500, E::Unavailable),
        (|r| r.status = 429, E::Unavailable),
        (|r| r.content_type = None, E::ContentType),
        (|r| r.content_type = Some("text/html".into()), E::ContentType),
        (|r| r.body = "x".repeat(MAX_DOCUMENT + 1).into(), E::TooLarge),
        (|r| r.body = "<html>".into(), E::Json),
    ];
    for (edit, expected) in cases {
        kit.web.answers(answer(&document(), edit));
        assert_eq!(error(&kit).await, expected);
    }
    let count = kit.web.count();
    kit.web.serves(&document());
    assert!(kit.authority.client(&id(DOCUMENT)).await.is_ok());
    assert_eq!(kit.web.count(), count + 1);
    assert!(is_json(Some("application/oauth-client-id-metadata+json")) && !is_json(Some("text/json")));

    let down = Kit::new().await;
    assert_eq!(error(&down).await, E::Unavailable);
    let refused = down.begin_refused().await;
    assert_eq!((refused.0, refused.1), ("temporarily_unavailable", 503));
    let token = down.authority.authenticate_client(&credentials()).await.unwrap_err();
    assert!(matches!(token, TokenError::ClientUnavailable), "the tokens stay usable");
    down.web.answers(answer(&document(), |response| response.status = 404));
    let token = down.authority.authenticate_client(&credentials()).await.unwrap_err();
    assert!(matches!(token, TokenError::UnknownClient));
}

fn credentials() -> crate::authority::ClientCredentials {
    let parameters = [("client_id".to_owned(), DOCUMENT.to_owned())].into_iter().collect();
    crate::authority::ClientCredentials::read(None, &parameters).unwrap()
}

impl Kit {
    /// The page's error and status when the document's client asks.
    async fn begin_refused(&self) -> (&'static str, u16) {
        match self.authority.begin(&Self::parameters(DOCUMENT, &[]), &self.browser).await {
            Err(AuthorizeError::Page { reason, .. }) => (reason.code(), reason.status()),
            other => panic!("{other:?}"),
        }
    }
}

/// AS-27, D9: a copy is fresh as long as its host says, within our bounds.
#[tokio::test]
async fn as27_freshness() {
    for (said, fresh) in [
        (Some(Duration::from_mins(10)), Duration::from_mins(10)),
        (Some(Duration::ZERO), MIN_FRESH),
        (Some(Duration::from_hours(30_000)), MAX_FRESH),
        (None, Duration::from_mins(5)),
    ] {
        let kit = Kit::new().await;
        kit.web.answers(answer(&document(), |response| response.fresh_for = said));
        kit.find(DOCUMENT).await;
        kit.advance(fresh.saturating_sub(Duration::from_secs(1)));
        kit.find(DOCUMENT).await;
        assert_eq!(kit.web.count(), 1, "{said:?}");
        kit.advance(Duration::from_secs(1));
        kit.find(DOCUMENT).await;
        assert_eq!(kit.web.count(), 2, "{said:?}");
    }
}

/// D9: 304 renews the copy, and its `ETag` is sent for it.
#[tokio::test]
async fn d9_not_modified() {
    let kit = Kit::new().await;
    kit.web.answers(answer(&document(), |response| response.etag = Some("\"v1\"".into())));
    kit.find(DOCUMENT).await;
    kit.advance(Duration::from_mins(5));
    kit.web.answers(answer(&json!(null), |response| response.status = 304));
    assert_eq!(kit.find(DOCUMENT).await.name, "Documented");
    assert_eq!(kit.web.asked.lock().unwrap()[1].etag.as_deref(), Some("\"v1\""));
    kit.advance(Duration::from_mins(4));
    kit.find(DOCUMENT).await;
    assert_eq!(kit.web.count(), 2);
}

/// D9: a host that does not answer leaves its client usable for a day, and is left alone between
/// the tries; a document that is gone is gone.
#[tokio::test]
async fn d9_stale_copies() {
    let kit = Kit::new().await;
    kit.web.serves(&document());
    kit.find(DOCUMENT).await;
    kit.web.is_down();
    kit.advance(Duration::from_mins(5));
    kit.find(DOCUMENT).await;
    kit.find(DOCUMENT).await;
    assert_eq!(kit.web.count(), 2, "one try a minute");
    kit.web.answers(answer(&document(), |response| response.status = 503));
    kit.advance(STALE_LIMIT.saturating_sub(Duration::from_mins(1)));
    kit.find(DOCUMENT).await;
    kit.advance(Duration::from_mins(1));
    assert_eq!(error(&kit).await, DocumentError::Unavailable);

    let gone = Kit::new().await;
    gone.web.serves(&document());
    gone.find(DOCUMENT).await;
    gone.advance(Duration::from_mins(5));
    gone.web.answers(answer(&document(), |response| response.status = 410));
    assert_eq!(error(&gone).await, DocumentError::Status);
    gone.web.is_down();
    assert_eq!(error(&gone).await, DocumentError::Unavailable, "the copy from before is not used again");
}

/// D9: whoever comes while a slow host is asked waits for the same answer.
#[tokio::test(start_paused = true)]
async fn d9_one_fetch_for_all() {
    let kit = Kit::new().await;
    kit.web.serves(&document());
    *kit.web.takes.lock().unwrap() = Duration::from_secs(5);
    let document_id = id(DOCUMENT);
    let clients = futures_util::future::join_all((0..50).map(|_| kit.authority.client(&document_id))).await;
    assert!(clients.iter().all(Result::is_ok));
    assert_eq!(kit.web.count(), 1);
    kit.advance(Duration::from_mins(5));
    kit.web.answers(answer(&document(), |response| response.status = 404));
    let clients = futures_util::future::join_all((0..50).map(|_| kit.authority.client(&document_id))).await;
    assert!(clients.iter().all(Result::is_err));
    assert_eq!(kit.web.count(), 2);
}

/// AS-27: what keeps strangers from making us ask without end is a limit for each host.
#[tokio::test]
async fn as27_fetches_per_host_are_limited() {
    let kit = Kit::new().await;
    let mut busy = 0;
    for number in 0..40 {
        let own = id(&format!("https://client.example/{number}"));
        if let Err(ClientError::Document(error)) = kit.authority.client(&own).await
            && *error == DocumentError::Busy
        {
            busy += 1;
        }
    }
    assert_eq!((kit.web.count(), busy), (30, 10));
    let elsewhere = id("https://other.example/x");
    assert!(
        matches!(kit.authority.client(&elsewhere).await, Err(ClientError::Document(e)) if *e == DocumentError::Unavailable)
    );
}

/// AS-21: switched off, a URL is just an unknown client, and nobody is asked.
#[tokio::test]
async fn as21_switched_off() {
    let kit = Kit::with(|plan| plan.enable_cimd = false).await;
    kit.web.serves(&document());
    assert!(matches!(kit.authority.client(&id(DOCUMENT)).await, Err(ClientError::Unknown)));
    assert_eq!(kit.web.count(), 0);
}

/// S12: a document's client is answered where the operator's patterns and its own list agree; a port that
/// is chosen later too.
#[tokio::test]
async fn s12_patterns_hold_for_documents() {
    let patterns = ["http://127.0.0.1:*", "https://*.client.example/cb"];
    let kit = Kit::with(|plan| {
        plan.allowed_client_redirect_uris =
            Some(patterns.iter().map(|text| crate::oauth::RedirectPattern::parse(text).unwrap()).collect());
    })
    .await;
    let mut document = document();
    document["redirect_uris"] =
        json!(["https://app.client.example/cb", "https://client.example/cb", "http://127.0.0.1/cb"]);
    kit.web.serves(&document);
    let client = kit.authority.client(&id(DOCUMENT)).await.unwrap();
    for (uri, expected) in [
        ("https://app.client.example/cb", Ok(())),
        ("http://127.0.0.1:5/cb", Ok(())),
        ("https://client.example/cb", Err(NotCovered::NotAllowed)),
        ("https://other.client.example/cb", Err(NotCovered::Unregistered)),
    ] {
        assert_eq!(client.covers(uri, kit.authority.plan()).map(|_| ()), expected, "{uri}");
    }
}

proptest! {
    /// S71, AS-22: any text is a URL of a document or refused; what is accepted says what it means.
    #[test]
    fn s71_any_url(rest in "[ -~]{0,60}") {
        if let Ok(client) = ClientId::parse(format!("https://{rest}")) && let Ok(url) = document_url(&client) {
            prop_assert!(url.path().len() > 1 && url.fragment().is_none() && url.username().is_empty());
            prop_assert!(!url.path().split('/').any(|segment| segment == ".."));
        }
    }
}

/// S63: a set of keys is small when it is kept, however many somebody wrote into it.
#[test]
fn s63_key_sets_are_bounded() {
    let keys = vec![json!({ "kty": "oct", "k": "" }); 3000];
    let set = super::document::key_set(&json!({ "keys": keys })).unwrap();
    assert_eq!(set.keys.len(), 64);
}
