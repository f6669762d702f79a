//! A scriptable OpenID provider on a real loopback socket: tells what it was asked, and answers
//! as each test wants.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use aws_lc_rs::{
    digest, hmac,
    rand::SystemRandom,
    rsa::{self, KeySize},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

use crate::{
    config::plan::{ConsentPlan, Lifetimes, Mode, PolicyPlan, ProtocolPlan, ProviderPlan},
    egress::Egress,
    metrics::Metrics,
    oauth::{Issuer, Scopes},
    provider::{CallbackParameters, Login, Provider, Wishes},
    secret::Secret,
    time::{Clock, Hand, Timestamp},
};

/// The instant at which every test begins.
pub(super) const START: Timestamp = Timestamp(1_800_000_000);
pub(super) const CLIENT_ID: &str = "the application:1";
pub(super) const CLIENT_SECRET: &str = "s3cr&t:/ ü";
pub(super) const SUBJECT: &str = "auth0|alice";

/// What an endpoint does.
#[derive(Clone)]
pub(super) enum Answer {
    Json(u16, Value),
    Raw(u16, &'static [(&'static str, &'static str)], Bytes),
    /// The connection stays open and nothing comes.
    Silence,
    /// The connection is closed.
    Hangup,
}

/// One request that arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

#[derive(Default)]
struct Script {
    answers: HashMap<String, Answer>,
    seen: HashMap<String, Vec<Seen>>,
}

/// A running provider.
pub(super) struct Idp {
    pub(super) origin: String,
    address: SocketAddr,
    script: Arc<Mutex<Script>>,
    server: JoinSet<()>,
}

/// A signing key and its public half.
pub(super) struct Key {
    pub(super) kid: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(rsa::KeyPair),
    Ec(EcdsaKeyPair),
}

/// Everything that one sign-in test needs.
pub(super) struct World {
    pub(super) idp: Idp,
    pub(super) provider: Arc<Provider>,
    pub(super) hand: Hand,
    pub(super) metrics: Arc<Metrics>,
}

// === impl Seen ===

impl Seen {
    /// A parameter of the form; panics if it was repeated.
    pub(super) fn form(&self, name: &str) -> Option<String> {
        let mut found = form_urlencoded::parse(self.body.as_bytes()).filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.into_owned());
        assert!(found.next().is_none(), "`{name}` was sent twice");
        value
    }
}

// === impl Idp ===

impl Idp {
    /// Starts with metadata and one RSA key; the token endpoint answers 404 until it is told.
    pub(super) async fn start() -> Self {
        let mut idp = Self {
            origin: String::new(),
            address: ([127, 0, 0, 1], 0).into(),
            script: Arc::default(),
            server: JoinSet::new(),
        };
        idp.listen().await;
        idp.origin = format!("http://{}", idp.address);
        idp.answer("/.well-known/openid-configuration", Answer::Json(200, idp.metadata()));
        idp.publish(&[rsa_key()]);
        idp
    }

    /// Listens again after [`stop`](Self::stop), at the same address.
    pub(super) async fn listen(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let script = Arc::clone(&self.script);
        self.server.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let script = Arc::clone(&script);
                let service = service_fn(move |request| serve(Arc::clone(&script), request));
                connections.spawn(async move {
                    let connection = hyper::server::conn::http1::Builder::new();
                    drop(connection.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
    }

    /// Connections are refused from now on.
    pub(super) async fn stop(&mut self) {
        self.server.shutdown().await;
    }

    /// Good metadata, Auth0's way: the issuer ends with a slash.
    pub(super) fn metadata(&self) -> Value {
        let origin = &self.origin;
        json!({
            "issuer": format!("{origin}/"),
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "jwks_uri": format!("{origin}/jwks"),
            "revocation_endpoint": format!("{origin}/revoke"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "ES256", "none"],
            "scopes_supported": ["openid", "email", "offline_access"],
        })
    }

    /// Serves the metadata with some members replaced; `null` removes one.
    pub(super) fn change_metadata(&self, changes: &Value) {
        let mut metadata = self.metadata();
        let members = metadata.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            members.insert(name.clone(), value.clone());
        }
        members.retain(|_, value| !value.is_null());
        self.answer("/.well-known/openid-configuration", Answer::Json(200, metadata));
    }

    pub(super) fn answer(&self, path: &str, answer: Answer) {
        self.script.lock().unwrap().answers.insert(path.to_owned(), answer);
    }

    pub(super) fn seen(&self, path: &str) -> Vec<Seen> {
        self.script.lock().unwrap().seen.get(path).cloned().unwrap_or_default()
    }

    pub(super) fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.answer("/jwks", Answer::Json(200, json!({ "keys": keys })));
    }

    /// Claims of a good ID token for this sign-in.
    pub(super) fn claims(&self, login: &Login) -> Value {
        json!({
            "iss": format!("{}/", self.origin),
            "sub": SUBJECT,
            "aud": CLIENT_ID,
            "iat": START.0,
            "exp": START.0 + 600,
            "nonce": login.nonce,
            "email": "alice@example.com",
            "email_verified": true,
            "name": "Alice",
            "updated_at": "2026-01-01T00:00:00.000Z",
            "groups": ["staff"],
        })
    }

    /// The next code is exchanged for this ID token.
    pub(super) fn will_issue(&self, id_token: &str) {
        self.answer("/token", Answer::Json(200, token_response(id_token)));
    }
}

pub(super) fn token_response(id_token: &str) -> Value {
    json!({
        "access_token": "at-1", "refresh_token": "rt-1", "id_token": id_token, "token_type": "Bearer",
        "expires_in": 3600, "scope": "openid email api:read offline_access",
    })
}

// === impl Key ===

impl Key {
    fn jwk(&self) -> Value {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA", "use": "sig", "kid": self.kid,
                    "n": text(public.modulus().big_endian_without_leading_zero()),
                    "e": text(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::Ec(pair) => {
                let point = pair.public_key().as_ref();
                json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
                    "x": text(&point[1..33]), "y": text(&point[33..]),
                })
            }
        }
    }

    /// A JWT with this key's own algorithm.
    pub(super) fn sign(&self, claims: &Value) -> String {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => jwt(&json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid }), claims, |message| {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }),
            Pair::Ec(pair) => jwt(&json!({ "alg": "ES256", "kid": self.kid }), claims, |message| {
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }),
        }
    }

    /// These very texts, signed with this key.
    pub(super) fn sign_text(&self, header: &str, payload: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// The old trick: HS256 with what everybody can read of an RSA key.
    pub(super) fn sign_hs256_with_public_half(&self, claims: &Value) -> String {
        let Pair::Rsa(pair) = &self.pair else { panic!("an RSA key") };
        let secret = hmac::Key::new(hmac::HMAC_SHA256, pair.public_key().as_ref());
        jwt(&json!({ "alg": "HS256", "kid": self.kid }), claims, |message| {
            hmac::sign(&secret, message.as_slice()).as_ref().to_vec()
        })
    }
}

pub(super) fn jwt(header: &Value, claims: &Value, sign: impl FnOnce(&Vec<u8>) -> Vec<u8>) -> String {
    let encode = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = sign(&message.clone().into_bytes());
    format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// Making an RSA key takes long: all tests share one.
pub(super) fn rsa_key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| Key { kid: "rsa-1", pair: Pair::Rsa(rsa::KeyPair::generate(KeySize::Rsa2048).unwrap()) })
}

pub(super) fn ec_key(kid: &'static str) -> Key {
    Key { kid, pair: Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()) }
}

// === impl World ===

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With a changed plan.
    pub(super) async fn with(change: impl FnOnce(&mut ProviderPlan)) -> Self {
        let idp = Idp::start().await;
        let mut plan = plan(&idp.origin);
        change(&mut plan);
        let (clock, hand) = Clock::manual(START);
        let metrics = Metrics::new().unwrap();
        let egress = Egress::for_provider(plan.timeout, plan.allow_insecure_http).unwrap();
        let handles = metrics.provider(&plan.name);
        let provider = Provider::new(Arc::new(plan), egress, clock, handles);
        Self { idp, provider, hand, metrics }
    }

    pub(super) async fn begin(&self) -> (HashMap<String, String>, Login) {
        let (url, login) =
            self.provider.begin_login(&Scopes::parse("api:read").unwrap(), true, Wishes::default()).await.unwrap();
        let count = url.query_pairs().count();
        let parameters: HashMap<_, _> = url.query_pairs().into_owned().collect();
        assert_eq!(parameters.len(), count, "no parameter twice in {url}");
        (parameters, login)
    }

    /// A sign-in that ends with this ID token.
    pub(super) async fn sign_in(
        &self,
        id_token: impl FnOnce(Value) -> String,
    ) -> Result<(crate::identity::Identity, super::super::tokens::ProviderTokens), super::super::LoginError> {
        let (_, login) = self.begin().await;
        self.idp.will_issue(&id_token(self.idp.claims(&login)));
        self.provider.finish_login(&login, &callback()).await
    }

    /// The value of one series.
    pub(super) fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }
}

pub(super) fn callback() -> CallbackParameters {
    CallbackParameters { code: "the-code".to_owned(), iss: None }
}

pub(super) fn challenge_of(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

pub(super) fn plan(origin: &str) -> ProviderPlan {
    let public_url = Url::parse("https://mcp.example.com").unwrap();
    ProviderPlan {
        name: "auth0".to_owned(),
        display_name: "Auth0".to_owned(),
        mount: "/".to_owned(),
        issuer: Issuer::new(&public_url, "/"),
        service_documentation: None,
        config_url: Some(Url::parse(&format!("{origin}/.well-known/openid-configuration")).unwrap()),
        protocol: ProtocolPlan::default(),
        choice: Vec::new(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Some(Secret::new(CLIENT_SECRET)),
        token_endpoint_auth_method: None,
        mode: Mode::Proxy,
        access_tokens: None,
        audience: Some("https://api.example.com".to_owned()),
        required_scopes: Scopes::parse("openid email").unwrap(),
        valid_scopes: Scopes::parse("openid email api:read").unwrap(),
        redirect_path: "/auth/callback".to_owned(),
        callback_url: public_url.join("/auth/callback").unwrap(),
        extra_authorize_params: vec![("prompt".to_owned(), "select_account".to_owned())],
        extra_token_params: vec![("tenant".to_owned(), "one".to_owned())],
        offline_access: true,
        dynamic_registration: true,
        enable_cimd: true,
        private_use_schemes: None,
        allowed_client_redirect_uris: None,
        consent: ConsentPlan::Always,
        clients: Vec::new(),
        lifetimes: Lifetimes {
            transaction: Duration::from_mins(10),
            code: Duration::from_mins(1),
            access_token: Duration::from_mins(15),
            refresh_token: Duration::from_hours(24),
            grant: Duration::from_hours(240),
            refresh_grace: Duration::from_secs(30),
            consent: Duration::from_hours(24 * 30),
        },
        timeout: Duration::from_secs(5),
        allow_insecure_http: true,
        policy: PolicyPlan::default(),
        needed_claims: Vec::new(),
        routes: Vec::new(),
    }
}

async fn serve(script: Arc<Mutex<Script>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, &'static str> {
    let path = request.uri().path().to_owned();
    let (head, body) = request.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let answer = {
        let mut script = script.lock().unwrap();
        let seen = Seen { method: head.method, headers: head.headers, body };
        script.seen.entry(path.clone()).or_default().push(seen);
        script.answers.get(&path).cloned().unwrap_or(Answer::Json(404, json!({})))
    };
    match answer {
        Answer::Json(status, json) => {
            let response = Response::builder().status(status).header("content-type", "application/json");
            Ok(response.body(json.to_string().into()).unwrap())
        }
        Answer::Raw(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            Ok(response.body(body.into()).unwrap())
        }
        Answer::Silence => std::future::pending().await,
        Answer::Hangup => Err("hang up"),
    }
}
