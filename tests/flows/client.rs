//! A strict public OAuth client, as a stranger would script it from the specifications.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::{Response, StatusCode, header::HeaderValue};
use serde_json::{Value, json};
use url::Url;

use crate::browser::{Browser, Page};

/// Where this client says it listens; nobody does, the browser stops there.
pub const REDIRECT_URI: &str = "http://127.0.0.1:7777/callback";

/// What a client learned about a protected URL.
#[derive(Clone, Debug)]
pub struct Client {
    pub http: reqwest::Client,
    pub resource: String,
    pub issuer: String,
    pub metadata: Value,
    pub client_id: String,
}

/// A pair of tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: Option<String>,
    pub response: Value,
}

/// One authorization request of a client.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub url: Url,
    pub state: String,
    pub verifier: String,
}

impl Client {
    /// 401 -> resource metadata -> server metadata -> registration, each step as the
    /// specifications say and nothing guessed.
    pub async fn discover(resource: &str) -> Self {
        let http = http();
        let refused = http.post(resource).json(&json!({})).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(!challenge.contains("error="), "no credentials, no error: {challenge}");
        let metadata_url = parameter(&challenge, "resource_metadata").expect("RS-2: resource_metadata");
        let protected: Value = json_of(http.get(&metadata_url).send().await.unwrap()).await;
        assert_eq!(protected["resource"], resource);
        let issuer = protected["authorization_servers"][0].as_str().unwrap().to_owned();
        let mut well_known = Url::parse(&issuer).unwrap();
        let path = format!("/.well-known/oauth-authorization-server{}", well_known.path().trim_end_matches('/'));
        well_known.set_path(&path);
        let metadata: Value = json_of(http.get(well_known).send().await.unwrap()).await;
        assert_eq!(metadata["issuer"], issuer.as_str());
        let mut client = Self { http, resource: resource.to_owned(), issuer, metadata, client_id: String::new() };
        let metadata = json!({
            "client_name": "Stranger",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        let response = client.register(&metadata).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let registered: Value = json_of(response).await;
        registered["client_id"].as_str().unwrap().clone_into(&mut client.client_id);
        client
    }

    pub async fn register(&self, metadata: &Value) -> Response {
        self.http.post(self.endpoint("registration_endpoint")).json(metadata).send().await.unwrap()
    }

    pub fn endpoint(&self, name: &str) -> String {
        self.metadata[name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.metadata)).to_owned()
    }

    /// A complete authorization request.
    pub fn attempt(&self) -> Attempt {
        let verifier = vestibule::seal::random_text::<32>();
        let state = vestibule::seal::random_text::<16>();
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
        let mut url = Url::parse(&self.endpoint("authorization_endpoint")).unwrap();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", &self.resource);
        Attempt { url, state, verifier }
    }

    /// Consent, sign-in at the demo provider as `person`, and back to the client's redirect URI.
    pub async fn sign_in(&self, browser: &Browser, attempt: &Attempt, person: &str) -> Url {
        let consent = browser.open(attempt.url.as_str(), REDIRECT_URI).await;
        let page = browser.submit(&consent.form(), Some(("decision", "approve")), REDIRECT_URI).await;
        let back = at_the_provider(browser, page, person).await;
        back.location().unwrap_or_else(|| panic!("{} {}", back.status, back.html))
    }

    /// Consent and sign-in with any redirect URI, and the exchange; more pairs go with the exchange.
    pub async fn tokens_by(&self, attempt: &Attempt, more: &[(&str, &str)]) -> Tokens {
        let browser = Browser::new();
        let redirect_uri = attempt.get("redirect_uri").unwrap();
        let consent = browser.open(attempt.url.as_str(), &redirect_uri).await;
        let page = browser.submit(&consent.form(), Some(("decision", "approve")), &redirect_uri).await;
        let back = browser.submit(&page.form(), Some(("person", "ada")), &redirect_uri).await;
        let back = back.location().unwrap_or_else(|| panic!("{} {}", back.status, back.html));
        assert!(back.as_str().starts_with(&redirect_uri), "{back}");
        let answered =
            |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        assert_eq!(answered("state"), attempt.get("state"), "U6: {back}");
        assert_eq!(answered("iss").as_deref(), Some(self.issuer.as_str()));
        let code = answered("code").unwrap_or_else(|| panic!("no code: {back}"));
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("client_id", &self.client_id),
            ("code_verifier", &attempt.verifier),
        ];
        form.extend_from_slice(more);
        Tokens::read(self.token_request(&form).await).await
    }

    /// The same metadata, another registration.
    pub async fn registered_as(&self, metadata: &Value) -> (Self, Value) {
        let response = self.register(metadata).await;
        assert_eq!(response.status(), StatusCode::CREATED, "{metadata}");
        let registered = json_of(response).await;
        let client_id = registered["client_id"].as_str().unwrap().to_owned();
        (Self { client_id, ..self.clone() }, registered)
    }

    /// The code out of the redirect, with `state` and `iss` checked as a strict client does.
    pub fn code(&self, attempt: &Attempt, redirect: &Url) -> String {
        let get = |name: &str| {
            let mut values = redirect.query_pairs().filter(|(key, _)| key == name);
            let value = values.next().map(|(_, value)| value.into_owned());
            assert!(values.next().is_none(), "{name} twice in {redirect}");
            value
        };
        assert_eq!(get("error"), None, "{redirect}");
        assert_eq!(get("state").as_deref(), Some(attempt.state.as_str()));
        assert_eq!(get("iss").as_deref(), Some(self.issuer.as_str()));
        get("code").expect("a code")
    }

    pub async fn token_request(&self, form: &[(&str, &str)]) -> Response {
        self.http.post(self.endpoint("token_endpoint")).form(form).send().await.unwrap()
    }

    pub async fn exchange(&self, attempt: &Attempt, code: &str) -> Response {
        self.token_request(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", &self.client_id),
            ("code_verifier", &attempt.verifier),
            ("resource", &self.resource),
        ])
        .await
    }

    pub async fn refresh(&self, token: &str) -> Response {
        self.token_request(&[
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.client_id),
            ("resource", &self.resource),
        ])
        .await
    }

    pub async fn revoke(&self, token: &str) -> Response {
        let form = [("token", token), ("client_id", &self.client_id)];
        self.http.post(self.endpoint("revocation_endpoint")).form(&form).send().await.unwrap()
    }

    /// The whole way from nothing to tokens.
    pub async fn tokens(&self, person: &str) -> Tokens {
        let browser = Browser::new();
        let attempt = self.attempt();
        let redirect = self.sign_in(&browser, &attempt, person).await;
        let code = self.code(&attempt, &redirect);
        Tokens::read(self.exchange(&attempt, &code).await).await
    }

    /// One JSON-RPC call at the protected URL in a session of its own; what is refused before the
    /// call is the answer.
    pub async fn call(&self, token: &str, method: &str, params: Value) -> Response {
        let initialize = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "stranger", "version": "1" },
        });
        let first = self.post(token, None, "initialize", initialize).await;
        let Some(session) = first.headers().get("mcp-session-id").cloned() else { return first };
        self.post(token, Some(session), method, params).await
    }

    async fn post(&self, token: &str, session: Option<HeaderValue>, method: &str, params: Value) -> Response {
        let mut request = self
            .http
            .post(&self.resource)
            .bearer_auth(token)
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2025-11-25")
            .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        request.send().await.unwrap()
    }
}

impl Attempt {
    /// With this parameter instead of what was there; `None` leaves it out.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        let others: Vec<(String, String)> =
            self.url.query_pairs().into_owned().filter(|(other, _)| other != name).collect();
        self.url.query_pairs_mut().clear().extend_pairs(others);
        if let Some(value) = value {
            self.url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// With this parameter once more.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.url.query_pairs_mut().append_pair(name, value);
        self
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
    }
}

impl Tokens {
    /// The claims of the access token, unverified.
    pub fn claims(&self) -> Value {
        let payload = self.access.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    pub async fn read(response: Response) -> Self {
        let status = response.status();
        let cache = response.headers().get("cache-control").cloned();
        let body: Value = json_of(response).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(cache.unwrap(), "no-store");
        assert_eq!(body["token_type"], "Bearer");
        assert!(body["expires_in"].is_u64(), "{body}");
        Self {
            access: body["access_token"].as_str().unwrap().to_owned(),
            refresh: body["refresh_token"].as_str().map(ToOwned::to_owned),
            response: body,
        }
    }

    pub fn refresh_token(&self) -> &str {
        self.refresh.as_deref().expect("a refresh token")
    }
}

/// Signs in on the demo provider's page.
pub async fn at_the_provider(browser: &Browser, page: Page, person: &str) -> Page {
    browser.submit(&page.form(), Some(("person", person)), REDIRECT_URI).await
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

pub async fn json_of(response: Response) -> Value {
    let url = response.url().clone();
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
}

/// A quoted parameter of a `WWW-Authenticate` header.
pub fn parameter(challenge: &str, name: &str) -> Option<String> {
    let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}
