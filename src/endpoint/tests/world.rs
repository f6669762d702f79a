//! A mount with everything behind it, and a browser that behaves.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use scraper::{Html, Selector};
use serde_json::{Value, json};
use url::Url;

use crate::{
    authority::{
        Authority, ClientDocuments, Grants, Parts,
        client_id_document::{DocumentFetch, DocumentRequest, DocumentResponse, FetchError},
    },
    config::plan::{LimitsPlan, ProviderPlan, SigningAlgorithm, SigningPlan, StaticClient},
    demo::identity_provider::{DemoIdentityProvider, Options, Running},
    egress::Egress,
    endpoint::{Endpoints, Mount, ServerFacts, limiter::Limiters, memory::Memory},
    flow::Flows,
    keys::KeyRing,
    metrics::Metrics,
    oauth::{ClientId, RedirectUri, Scopes},
    provider::Provider,
    route::Endpoint,
    seal::Sealer,
    secret::Secret,
    store::{Change, CommitError, Record, Store, StoreError, Table, Term, memory::MemoryStore, record::Records},
    testing,
    time::{Clock, Hand, Timestamp},
};

/// What clients type.
pub(super) const PUBLIC: &str = "https://mcp.example.com";
/// A client whose identifier is a document.
pub(super) const DOCUMENT_CLIENT: &str = "https://client.example/app.json";
/// RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The same place.
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// One mount, ready for requests.
pub(super) struct World {
    pub(super) mount: Arc<Mount>,
    pub(super) endpoints: Endpoints,
    pub(super) provider: Running,
    pub(super) hand: Hand,
    pub(super) metrics: Arc<Metrics>,
    pub(super) store: Arc<FailingStore>,
}

/// A store in memory that can be broken.
#[derive(Debug)]
pub(super) struct FailingStore {
    store: MemoryStore,
    broken: AtomicBool,
}

/// A response, whole.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// A browser: keeps cookies, says where a form comes from.
#[derive(Clone, Debug)]
pub(super) struct Browser {
    pub(super) cookies: BTreeMap<String, String>,
    /// Sent with every request, in place of what a browser would say.
    pub(super) headers: Vec<(&'static str, String)>,
    address: &'static str,
}

/// Serves one document.
#[derive(Debug)]
struct Documents;

// === impl World ===

impl World {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With another plan.
    pub(super) async fn with(change: impl FnOnce(&mut ProviderPlan)) -> Self {
        Self::with_limits(1000, change).await
    }

    /// With these limits for everything.
    pub(super) async fn with_limits(limit: u32, change: impl FnOnce(&mut ProviderPlan)) -> Self {
        let (clock, hand) = Clock::manual(Timestamp(1_800_000_000));
        let provider = DemoIdentityProvider::start(Options {
            redirect_uris: vec![format!("{PUBLIC}/auth/callback")],
            clock: clock.clone(),
            ..Options::default()
        })
        .await
        .unwrap();
        let public_url = Url::parse(PUBLIC).unwrap();
        let mut plan = testing::provider(&public_url, "acme", "/", &["/mcp"]);
        plan.display_name = "Acme".to_owned();
        plan.config_url = Some(Url::parse(&provider.config_url()).unwrap());
        plan.client_id = provider.client_id().to_owned();
        plan.client_secret = provider.client_secret().cloned();
        plan.required_scopes = Scopes::parse("openid email").unwrap();
        plan.valid_scopes = Scopes::parse("openid email profile mcp").unwrap();
        plan.allow_insecure_http = true;
        plan.enable_cimd = true;
        plan.clients = vec![static_client("trusted", true), static_client("listed", false)];
        change(&mut plan);
        let limits = LimitsPlan {
            registrations_per_hour: limit,
            authorizations_per_minute: limit,
            token_requests_per_minute: limit,
            ..testing::plan(PUBLIC, &[]).limits
        };
        Self::build(Arc::new(plan), &limits, provider, clock, hand).await
    }

    async fn build(plan: Arc<ProviderPlan>, limits: &LimitsPlan, idp: Running, clock: Clock, hand: Hand) -> Self {
        let metrics = Metrics::new().unwrap();
        let own = metrics.provider(&plan.name);
        let sealer = Arc::new(Sealer::new(&[Secret::new("r".repeat(32))]).unwrap());
        let store = Arc::new(FailingStore { store: MemoryStore::new(clock.clone()), broken: AtomicBool::new(false) });
        let records =
            Records::new(Arc::<FailingStore>::clone(&store), Arc::clone(&sealer), Arc::clone(&metrics), clock.clone());
        let keys = Arc::new(
            KeyRing::load(&records, &SigningPlan::made_here(SigningAlgorithm::Es256), clock.clone()).await.unwrap(),
        );
        let egress = Egress::for_provider(plan.timeout, true).unwrap();
        let provider = Provider::new(Arc::clone(&plan), egress, clock.clone(), own.clone());
        let authority = Arc::new(Authority::new(Parts {
            plan: Arc::clone(&plan),
            grants: Arc::new(Grants::new(&plan.name, records.clone(), own.clone())),
            records,
            sealer: Arc::clone(&sealer),
            keys: Arc::clone(&keys),
            tokens: Arc::<Provider>::clone(&provider),
            documents: Arc::new(ClientDocuments::new(Arc::new(Documents), clock.clone())),
            clock: clock.clone(),
            metrics: own.clone(),
        }));
        let mount = Arc::new(Mount {
            plan,
            server: ServerFacts { https: true, public_url: Url::parse(PUBLIC).unwrap() },
            authority,
            providers: vec![provider],
            keys,
            sealer,
            metrics: own,
            limiters: Arc::new(Limiters::new(limits)),
            memory: Arc::new(Memory::new()),
            flows: Arc::new(Flows::new(clock.clone())),
            clock,
        });
        Self { endpoints: Endpoints::new(&mount), mount, provider: idp, hand, metrics, store }
    }

    /// Any request.
    pub(super) async fn send(&self, endpoint: Endpoint, address: &str, request: Request<Full<Bytes>>) -> Seen {
        let response = self.endpoints.answer(endpoint, request, address.parse().unwrap()).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Seen { status: head.status, headers: head.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    /// A program's GET.
    pub(super) async fn get(&self, endpoint: Endpoint) -> Seen {
        self.send(endpoint, "192.0.2.9", Request::new(Full::default())).await
    }

    /// A program's POST of a form.
    pub(super) async fn post(&self, endpoint: Endpoint, fields: &[(&str, &str)]) -> Seen {
        self.post_with(endpoint, fields, &[]).await
    }

    /// The same with headers.
    pub(super) async fn post_with(
        &self,
        endpoint: Endpoint,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Seen {
        self.send(endpoint, "192.0.2.9", form_request(fields, headers)).await
    }

    /// Registers a client by its metadata.
    pub(super) async fn register(&self, metadata: Value) -> Seen {
        let mut request = Request::new(Full::from(metadata.to_string()));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(Endpoint::Register, "192.0.2.9", request).await
    }

    /// The identifier of a public dynamic client with this name and redirect URI.
    pub(super) async fn client(&self, name: &str, redirect_uri: &str) -> String {
        let metadata = json!({
            "client_name": name, "redirect_uris": [redirect_uri], "token_endpoint_auth_method": "none",
        });
        let registered = self.register(metadata).await;
        assert_eq!(registered.status, StatusCode::CREATED, "{}", registered.body);
        registered.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// What the person does at the provider: signs in as Ada. The URL that the browser is sent
    /// back to.
    pub(super) async fn sign_in(&self, authorization_url: &str) -> Url {
        let form = self.provider.sign_in_form(&Url::parse(authorization_url).unwrap(), "ada");
        self.at_provider(&form.action, &form.fields).await
    }

    /// What the person does at the provider: goes away.
    pub(super) async fn cancel(&self, authorization_url: &str) -> Url {
        let form = self.provider.cancel_form(&Url::parse(authorization_url).unwrap());
        self.at_provider(&form.action, &form.fields).await
    }

    async fn at_provider(&self, action: &str, fields: &[(&'static str, String)]) -> Url {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let response = client.post(action).form(fields).send().await.unwrap();
        Url::parse(response.headers()[header::LOCATION].to_str().unwrap()).unwrap()
    }

    /// From an authorization request to the return from the provider, which is not made yet.
    pub(super) async fn until_callback(&self, browser: &mut Browser, request: &str) -> Url {
        let page = browser.authorize(self, request).await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        let sent = browser.decide(self, &page, "approve").await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
        self.sign_in(sent.location()).await
    }

    /// How often the provider's token endpoint was asked.
    pub(super) fn exchanges(&self) -> usize {
        self.provider.requests(crate::demo::identity_provider::Endpoint::Token).len()
    }

    /// Whether a metric line is there.
    #[track_caller]
    pub(super) fn assert_metric(&self, line: &str) {
        let text = self.metrics.render();
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

// === impl Seen ===

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub(super) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location")
    }

    /// A parameter of the URL that the browser is sent to.
    #[track_caller]
    pub(super) fn answered(&self, name: &str) -> Option<String> {
        let url = Url::parse(self.location()).unwrap();
        url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
    }

    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// The texts of the elements that a selector finds.
    pub(super) fn texts(&self, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).unwrap();
        let page = Html::parse_document(&self.body);
        page.select(&selector).map(|element| element.text().collect::<String>().trim().to_owned()).collect()
    }

    /// An attribute of the first element that a selector finds.
    pub(super) fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let selector = Selector::parse(selector).unwrap();
        let page = Html::parse_document(&self.body);
        page.select(&selector).next().and_then(|element| element.attr(name)).map(str::to_owned)
    }

    pub(super) fn title(&self) -> String {
        self.texts("h1").join(" ")
    }

    /// The sealed request in the consent form.
    pub(super) fn transaction(&self) -> String {
        self.attribute("input[name=transaction]", "value").unwrap()
    }

    /// What every page has: S02, S61, AS-50.
    #[track_caller]
    pub(super) fn assert_page(&self, status: u16, title: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.title(), title);
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8");
        let policy = self.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'"), "{policy}");
        assert_eq!(self.header("x-frame-options"), "DENY");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(["no-referrer", "same-origin"].contains(&self.header("referrer-policy")));
        assert!(self.texts("script, img, iframe").is_empty());
    }

    /// An OAuth error as JSON: AS-60, T5.
    #[track_caller]
    pub(super) fn assert_error(&self, status: u16, error: &str) {
        assert_eq!((self.status.as_u16(), self.json()["error"].as_str()), (status, Some(error)), "{}", self.body);
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert!(!self.json()["error_description"].as_str().unwrap().is_empty());
    }
}

// === impl Browser ===

impl Browser {
    pub(super) fn new() -> Self {
        Self { cookies: BTreeMap::new(), headers: Vec::new(), address: "192.0.2.1" }
    }

    /// A browser at another address.
    pub(super) fn at(address: &'static str) -> Self {
        Self { address, ..Self::new() }
    }

    /// Opens an authorization request; `request` is its query.
    pub(super) async fn authorize(&mut self, world: &World, request: &str) -> Seen {
        self.get(world, Endpoint::Authorize, &format!("/authorize?{request}")).await
    }

    /// Presses a button of the consent page.
    pub(super) async fn decide(&mut self, world: &World, page: &Seen, decision: &str) -> Seen {
        let transaction = page.transaction();
        self.submit(world, &[("transaction", &transaction), ("decision", decision)]).await
    }

    /// Sends the consent form with these fields.
    pub(super) async fn submit(&mut self, world: &World, fields: &[(&str, &str)]) -> Seen {
        let mut request = form_request(fields, &[]);
        if self.headers.is_empty() {
            request.headers_mut().insert(header::ORIGIN, HeaderValue::from_static(PUBLIC));
            request
                .headers_mut()
                .insert(HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static("same-origin"));
        }
        self.send(world, Endpoint::Consent, request).await
    }

    /// Follows the provider's redirect.
    pub(super) async fn callback(&mut self, world: &World, url: &Url) -> Seen {
        assert!(url.as_str().starts_with("https://mcp.example.com/auth/callback?"), "{url}");
        self.get(world, Endpoint::Callback { provider: 0 }, url.as_str().trim_start_matches(PUBLIC)).await
    }

    pub(super) async fn get(&mut self, world: &World, endpoint: Endpoint, path: &str) -> Seen {
        let request = Request::builder().uri(path).body(Full::default()).unwrap();
        self.send(world, endpoint, request).await
    }

    async fn send(&mut self, world: &World, endpoint: Endpoint, mut request: Request<Full<Bytes>>) -> Seen {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = request.headers_mut();
        if !cookies.is_empty() {
            headers.insert(header::COOKIE, cookies.join("; ").parse().unwrap());
        }
        for (name, value) in &self.headers {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        let seen = world.send(endpoint, self.address, request).await;
        self.keep(&seen);
        seen
    }

    fn keep(&mut self, seen: &Seen) {
        for value in seen.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie::Cookie::parse(value.to_str().unwrap()).unwrap();
            if cookie.max_age() == Some(cookie::time::Duration::ZERO) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }

    /// Names of the cookies of sign-ins under way.
    pub(super) fn logins(&self) -> Vec<&String> {
        self.cookies.keys().filter(|name| name.starts_with("__Host-vestibule-login-")).collect()
    }
}

// === impl FailingStore ===

impl FailingStore {
    pub(super) fn fail(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) { Err(StoreError::Unavailable("on purpose".to_owned())) } else { Ok(()) }
    }
}

#[async_trait]
impl Store for FailingStore {
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, StoreError> {
        self.check()?;
        self.store.get(table, key).await
    }

    async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError> {
        self.check()?;
        self.store.commit(batch).await
    }

    async fn find(&self, table: Table, term: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        self.check()?;
        self.store.find(table, term).await
    }

    async fn list(&self, table: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.check()?;
        self.store.list(table).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.check()?;
        self.store.sweep().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.check()
    }

    fn backend(&self) -> &'static str {
        self.store.backend()
    }
}

#[async_trait]
impl DocumentFetch for Documents {
    async fn fetch(&self, request: DocumentRequest) -> Result<DocumentResponse, FetchError> {
        if request.url.as_str() != DOCUMENT_CLIENT {
            return Err(FetchError::Failed);
        }
        let document = json!({
            "client_id": DOCUMENT_CLIENT,
            "client_name": "Document Client",
            "redirect_uris": ["https://client.example/cb", "http://localhost/cb"],
        });
        Ok(DocumentResponse {
            status: 200,
            content_type: Some("application/json".to_owned()),
            fresh_for: None,
            etag: None,
            body: document.to_string().into(),
        })
    }
}

/// The query of a good authorization request.
pub(super) fn request(client_id: &str, redirect_uri: &str) -> String {
    query(&[
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "the client's state"),
        ("resource", "https://mcp.example.com/mcp"),
    ])
}

pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn form_request(fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request =
        Request::builder().method(Method::POST).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from(query(fields))).unwrap()
}

fn static_client(id: &str, skip_consent: bool) -> StaticClient {
    StaticClient {
        client_id: ClientId::parse(id).unwrap(),
        name: format!("The {id} client"),
        secret: None,
        redirect_uris: vec![RedirectUri::parse("https://static.example/cb").unwrap()],
        skip_consent,
    }
}

/// Longer than any authorization may take.
pub(super) const TOO_LONG: Duration = Duration::from_mins(11);
