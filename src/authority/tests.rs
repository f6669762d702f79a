//! The stage for the tests of all rules: an authority on a memory store, a clock that is moved by
//! hand, a provider that does as it is told.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::oneshot;
use url::Url;

use super::{
    client_id_document::{DocumentFetch, DocumentRequest, DocumentResponse, FetchError},
    *,
};
use crate::{
    config::plan::{
        BackendAuthorization, BackendPlan, ConsentPlan, IdentityHeaders, Lifetimes, Mode, PathMatch, PolicyPlan,
        ProtocolPlan, RoutePlan, SigningAlgorithm, SigningPlan, StaticClient,
    },
    identity::Identity,
    metrics::Metrics,
    oauth::{ClientId, Issuer, RedirectUri, ResourceUri, Scopes},
    provider::tokens::{ProviderTokens, RenewError},
    secret::Secret,
    store::{Change, CommitError, Record, Store, StoreError, Table, Term, memory::MemoryStore},
    time::{Hand, Timestamp},
};

pub(super) const START: Timestamp = Timestamp(1_800_000_000);
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(super) const REDIRECT: &str = "https://app.example/cb";
pub(super) const RESOURCE: &str = "https://g.example/mcp";
pub(super) const DOCUMENT: &str = "https://client.example/oauth/client.json";

pub(super) struct Kit {
    pub(super) authority: Arc<Authority>,
    pub(super) clock: Clock,
    pub(super) hand: Hand,
    pub(super) provider: Arc<FakeProvider>,
    pub(super) web: Arc<FakeWeb>,
    pub(super) store: Arc<FlakyStore>,
    pub(super) records: Records,
    pub(super) metrics: Arc<Metrics>,
    pub(super) browser: BrowserBinding,
}

/// Renews with numbered tokens of an hour, unless the script says otherwise.
#[derive(Debug, Default)]
pub(super) struct FakeProvider {
    pub(super) script: Mutex<VecDeque<Renewal>>,
    pub(super) renewals: AtomicUsize,
    pub(super) revoked: Mutex<Vec<ProviderTokens>>,
    /// How long an answer takes (tokio's clock).
    pub(super) takes: Mutex<Duration>,
    pub(super) now: Mutex<Option<Clock>>,
}

#[derive(Clone, Debug)]
pub(super) enum Renewal {
    Tokens(Box<ProviderTokens>),
    Ended,
    Unavailable,
}

/// Answers every request with the same response, and counts.
#[derive(Debug, Default)]
pub(super) struct FakeWeb {
    pub(super) answer: Mutex<Option<DocumentResponse>>,
    pub(super) asked: Mutex<Vec<DocumentRequest>>,
    pub(super) takes: Mutex<Duration>,
}

/// A memory store that stops to take writes when told.
#[derive(Debug)]
pub(super) struct FlakyStore {
    inner: MemoryStore,
    pub(super) broken: AtomicBool,
    pub(super) commits: AtomicUsize,
    /// Whether it says that other processes use it too.
    pub(super) shared: AtomicBool,
    /// The next read of this table sees what is there now, but is told only after this.
    held_up: Mutex<Option<(Table, oneshot::Receiver<()>)>>,
}

// === impl Kit ===

impl Kit {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(super) async fn with(edit: impl FnOnce(&mut ProviderPlan)) -> Self {
        let (clock, hand) = Clock::manual(START);
        let store = Arc::new(FlakyStore {
            inner: MemoryStore::new(clock.clone()),
            broken: AtomicBool::new(false),
            commits: AtomicUsize::new(0),
            shared: AtomicBool::new(false),
            held_up: Mutex::new(None),
        });
        let metrics = Metrics::new().unwrap();
        let sealer = Arc::new(Sealer::new(&[Secret::new("s".repeat(32))]).unwrap());
        let as_store: Arc<dyn Store> = store.clone();
        let records = Records::new(as_store, sealer, metrics.clone(), clock.clone());
        let provider = Arc::new(FakeProvider::default());
        *provider.now.lock().unwrap() = Some(clock.clone());
        let web = Arc::new(FakeWeb::default());
        let mut plan = plan();
        edit(&mut plan);
        let mut kit = Self {
            authority: {
                let documents = Arc::new(ClientDocuments::new(web.clone(), clock.clone()));
                Arc::new(authority(plan, &records, &provider, documents, &clock, &metrics).await)
            },
            clock,
            hand,
            provider,
            web,
            store,
            records,
            metrics,
            browser: BrowserBinding::random(),
        };
        kit.browser = BrowserBinding::random();
        kit
    }

    /// Another authority on the same store, with what all share: after a reload, or another mount.
    pub(super) async fn another(&self, edit: impl FnOnce(&mut ProviderPlan)) -> Arc<Authority> {
        let mut plan = self.authority.plan.as_ref().clone();
        edit(&mut plan);
        let documents = Arc::clone(&self.authority.documents);
        Arc::new(authority(plan, &self.records, &self.provider, documents, &self.clock, &self.metrics).await)
    }

    pub(super) fn register(&self, json: &serde_json::Value) -> Result<serde_json::Value, RegistrationError> {
        let request = RegistrationRequest::parse(json.to_string().as_bytes())?;
        self.authority.register(&request).map(|registered| serde_json::to_value(registered).unwrap())
    }

    /// A public dynamic client.
    pub(super) async fn client(&self) -> Client {
        self.client_named("Test").await
    }

    pub(super) async fn client_named(&self, name: &str) -> Client {
        let registered = self
            .register(&serde_json::json!({
                "client_name": name, "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none",
            }))
            .unwrap();
        self.find(registered["client_id"].as_str().unwrap()).await
    }

    pub(super) async fn find(&self, id: &str) -> Client {
        self.authority.client(&ClientId::parse(id).unwrap()).await.unwrap()
    }

    /// The parameters of a good authorization request, with some replaced (empty: left out).
    pub(super) fn parameters(client: &str, other: &[(&str, &str)]) -> Parameters {
        let mut pairs = vec![
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "the-state"),
            ("resource", RESOURCE),
        ];
        for (name, value) in other {
            pairs.retain(|(own, _)| own != name);
            if !value.is_empty() {
                pairs.push((name, value));
            }
        }
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(super) async fn begin(&self, client: &Client, other: &[(&str, &str)]) -> Result<Transaction, AuthorizeError> {
        self.authority.begin(&Self::parameters(client.id.as_str(), other), &self.browser).await
    }

    /// The `error` of a refused request, or `page:` and the error of the page.
    pub(super) async fn refusal(&self, client: &str, other: &[(&str, &str)]) -> String {
        match self.authority.begin(&Self::parameters(client, other), &self.browser).await {
            Ok(_) => "accepted".to_owned(),
            Err(AuthorizeError::Page { reason, .. }) => format!("page:{}", reason.code()),
            Err(AuthorizeError::Answer(refused)) => refused.answer.error().unwrap().as_str().to_owned(),
        }
    }

    /// A code after a whole sign-in.
    pub(super) async fn code(&self, client: &Client, other: &[(&str, &str)], tokens: ProviderTokens) -> String {
        let transaction = self.begin(client, other).await.unwrap();
        let answer = self.authority.issue_code(&transaction, identity(), tokens).await.unwrap();
        let AnswerOutcome::Code(code) = answer.outcome else { panic!("no code") };
        code
    }

    /// A grant after a whole sign-in.
    pub(super) async fn sign_in(&self, client: &Client) -> TokenResponse {
        self.sign_in_with(client, &[], self.provider_tokens()).await
    }

    pub(super) async fn sign_in_with(
        &self,
        client: &Client,
        other: &[(&str, &str)],
        tokens: ProviderTokens,
    ) -> TokenResponse {
        let code = self.code(client, other, tokens).await;
        self.authority.exchange_code(client, &code_request(&code)).await.unwrap()
    }

    pub(super) async fn refresh(&self, client: &Client, token: &str) -> Result<TokenResponse, TokenError> {
        self.authority.refresh(client, &refresh_request(token)).await
    }

    /// Tokens as they come from a sign-in at the provider: an hour, renewable.
    pub(super) fn provider_tokens(&self) -> ProviderTokens {
        ProviderTokens {
            access_token: "provider-access-0".into(),
            refresh_token: Some("provider-refresh-0".into()),
            expires_at: Some(self.clock.now().plus(Duration::from_hours(1))),
            scopes: None,
            ..ProviderTokens::default()
        }
    }

    pub(super) fn claims(&self, response: &TokenResponse) -> AccessTokenClaims {
        let token = &response.access_token;
        let claimed: AccessTokenClaims = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
        let issuer = &self.authority.plan.issuer;
        self.authority.keys.verify(token, ACCESS_TOKEN_TYPE, issuer, &claimed.aud, self.clock.now()).unwrap()
    }

    pub(super) async fn state(&self, response: &TokenResponse) -> Option<Arc<GrantState>> {
        let sid = self.claims(response).sid;
        self.authority.grants.state(&sid).await.unwrap()
    }

    pub(super) fn advance(&self, by: Duration) {
        self.hand.advance(by);
    }

    pub(super) fn counts(&self, series: &str, value: u64) -> bool {
        self.metrics.render().contains(&format!("{series} {value}\n"))
    }

    pub(super) fn renewals(&self) -> usize {
        self.provider.renewals.load(Ordering::SeqCst)
    }

    /// Waits until the provider was told to revoke something.
    pub(super) async fn revoked_at_provider(&self) -> Vec<ProviderTokens> {
        for _ in 0..1_000 {
            let revoked = self.provider.revoked.lock().unwrap().clone();
            if !revoked.is_empty() {
                return revoked;
            }
            tokio::task::yield_now().await;
        }
        Vec::new()
    }
}

// === impl FakeProvider ===

impl FakeProvider {
    pub(super) fn will(&self, renewal: Renewal) {
        self.script.lock().unwrap().push_back(renewal);
    }
}

#[async_trait]
impl TokenSource for FakeProvider {
    async fn renew(&self, tokens: &ProviderTokens) -> Result<crate::provider::tokens::Renewal, RenewError> {
        let number = self.renewals.fetch_add(1, Ordering::SeqCst) + 1;
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        let now = self.now.lock().unwrap().as_ref().unwrap().now();
        match self.script.lock().unwrap().pop_front() {
            Some(Renewal::Tokens(tokens)) => Ok((*tokens).into()),
            Some(Renewal::Ended) => Err(RenewError::Ended("invalid_grant".into())),
            Some(Renewal::Unavailable) => Err(RenewError::Unavailable("timeout".into())),
            None => Ok(crate::provider::tokens::Renewal::from(ProviderTokens {
                access_token: format!("provider-access-{number}"),
                refresh_token: Some(format!("provider-refresh-{number}")),
                expires_at: Some(now.plus(Duration::from_hours(1))),
                scopes: tokens.scopes.clone(),
                ..ProviderTokens::default()
            })),
        }
    }

    async fn revoke(&self, tokens: &ProviderTokens) {
        self.revoked.lock().unwrap().push(tokens.clone());
    }
}

// === impl FakeWeb ===

impl FakeWeb {
    pub(super) fn serves(&self, json: &serde_json::Value) {
        *self.answer.lock().unwrap() = Some(response(json.to_string()));
    }

    pub(super) fn answers(&self, response: DocumentResponse) {
        *self.answer.lock().unwrap() = Some(response);
    }

    pub(super) fn is_down(&self) {
        *self.answer.lock().unwrap() = None;
    }

    pub(super) fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl DocumentFetch for FakeWeb {
    async fn fetch(&self, request: DocumentRequest) -> Result<DocumentResponse, FetchError> {
        self.asked.lock().unwrap().push(request);
        let takes = *self.takes.lock().unwrap();
        tokio::time::sleep(takes).await;
        self.answer.lock().unwrap().clone().ok_or(FetchError::Failed)
    }
}

// === impl FlakyStore ===

impl FlakyStore {
    /// Holds up the next read of a table, after it has seen what is there, until something is
    /// sent.
    pub(super) fn hold_up(&self, table: Table) -> oneshot::Sender<()> {
        let (go_on, held_up) = oneshot::channel();
        *self.held_up.lock().unwrap() = Some((table, held_up));
        go_on
    }

    /// Waits until that read has begun.
    pub(super) async fn is_held_up(&self) {
        while self.held_up.lock().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Store for FlakyStore {
    async fn get(&self, table: Table, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let found = self.inner.get(table, key).await;
        let held_up = self.held_up.lock().unwrap().take_if(|(held, _)| *held == table);
        if let Some((_, go_on)) = held_up {
            go_on.await.unwrap();
        }
        found
    }

    async fn commit(&self, batch: Vec<Change>) -> Result<(), CommitError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("disk full".into()).into());
        }
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(batch).await
    }

    async fn find(&self, table: Table, term: &Term) -> Result<Vec<Vec<u8>>, StoreError> {
        self.inner.find(table, term).await
    }

    async fn list(&self, table: Table) -> Result<Vec<(Vec<u8>, Record)>, StoreError> {
        self.inner.list(table).await
    }

    async fn sweep(&self) -> Result<usize, StoreError> {
        self.inner.sweep().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.inner.health().await
    }

    fn is_shared(&self) -> bool {
        self.shared.load(Ordering::SeqCst)
    }

    fn backend(&self) -> &'static str {
        "flaky"
    }
}

async fn authority(
    plan: ProviderPlan,
    records: &Records,
    provider: &Arc<FakeProvider>,
    documents: Arc<ClientDocuments>,
    clock: &Clock,
    metrics: &Arc<Metrics>,
) -> Authority {
    let provider_metrics = metrics.provider(&plan.name);
    Authority::new(Parts {
        grants: Arc::new(Grants::new(&plan.name, records.clone(), provider_metrics.clone())),
        keys: Arc::new(
            KeyRing::load(records, &SigningPlan::made_here(SigningAlgorithm::Es256), clock.clone()).await.unwrap(),
        ),
        sealer: Arc::new(Sealer::new(&[Secret::new("s".repeat(32))]).unwrap()),
        documents,
        tokens: provider.clone(),
        records: records.clone(),
        clock: clock.clone(),
        metrics: provider_metrics,
        plan: Arc::new(plan),
    })
}

/// One provider, one route, a public and a confidential static client.
pub(super) fn plan() -> ProviderPlan {
    let public_url = Url::parse("https://g.example").unwrap();
    ProviderPlan {
        name: "auth0".into(),
        display_name: "Auth0".into(),
        mount: "/".into(),
        issuer: Issuer::new(&public_url, "/"),
        service_documentation: None,
        config_url: Some(Url::parse("https://idp.example/.well-known/openid-configuration").unwrap()),
        protocol: ProtocolPlan::default(),
        choice: Vec::new(),
        client_id: "at-the-provider".into(),
        client_secret: None,
        token_endpoint_auth_method: None,
        mode: Mode::Proxy,
        access_tokens: None,
        audience: None,
        required_scopes: scopes("openid"),
        valid_scopes: scopes("openid email read write"),
        redirect_path: "/auth/callback".into(),
        callback_url: public_url.join("/auth/callback").unwrap(),
        extra_authorize_params: Vec::new(),
        extra_token_params: Vec::new(),
        offline_access: true,
        dynamic_registration: true,
        enable_cimd: true,
        private_use_schemes: None,
        allowed_client_redirect_uris: None,
        consent: ConsentPlan::Always,
        clients: vec![
            static_client("desk", None),
            static_client("server", Some("s3cr+t%:x")),
            StaticClient { skip_consent: true, ..static_client("trusted", None) },
        ],
        lifetimes: Lifetimes {
            transaction: Duration::from_mins(15),
            code: Duration::from_mins(1),
            access_token: Duration::from_mins(15),
            refresh_token: Duration::from_hours(24 * 30),
            grant: Duration::from_hours(24 * 365),
            refresh_grace: Duration::from_mins(1),
            consent: Duration::from_hours(24 * 30),
        },
        timeout: Duration::from_secs(10),
        allow_insecure_http: false,
        policy: PolicyPlan::default(),
        needed_claims: Vec::new(),
        routes: vec![route("/mcp", "read")],
    }
}

pub(super) fn static_client(id: &str, secret: Option<&str>) -> StaticClient {
    StaticClient {
        client_id: ClientId::parse(id).unwrap(),
        name: id.to_owned(),
        secret: secret.map(Secret::new),
        redirect_uris: vec![RedirectUri::parse(REDIRECT).unwrap()],
        skip_consent: false,
    }
}

pub(super) fn route(path: &str, required: &str) -> Arc<RoutePlan> {
    let none = IdentityHeaders { subject: None, email: None, scopes: None, client: None, assertion: None };
    Arc::new(RoutePlan {
        id: format!("auth0{path}"),
        provider: "auth0".into(),
        path: path.to_owned(),
        matches: PathMatch::Prefix,
        audiences: vec![format!("https://g.example{path}")],
        resource: ResourceUri::of_route(&Url::parse("https://g.example").unwrap(), path),
        backend: BackendPlan {
            url: Url::parse("http://127.0.0.1:3000/").unwrap(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(30),
            idle_timeout: None,
        },
        required_scopes: scopes(required),
        policy: PolicyPlan::default(),
        max_body: 1 << 20,
        allowed_origins: Vec::new(),
        identity_headers: none,
        set_headers: Vec::new(),
        pass_headers: None,
        backend_authorization: BackendAuthorization::None,
    })
}

pub(super) fn scopes(text: &str) -> Scopes {
    Scopes::parse(text).unwrap()
}

pub(super) fn identity() -> Identity {
    Identity {
        issuer: "https://idp.example/".into(),
        subject: "person-1".into(),
        email: Some("p@example.com".into()),
        email_verified: true,
        name: None,
        provider: None,
        claims: serde_json::Map::new(),
    }
}

pub(super) fn code_request(code: &str) -> CodeRequest {
    CodeRequest {
        code: code.to_owned(),
        redirect_uri: Some(REDIRECT.to_owned()),
        code_verifier: Some(VERIFIER.to_owned()),
        resources: vec![RESOURCE.to_owned()],
    }
}

pub(super) fn refresh_request(token: &str) -> RefreshRequest {
    RefreshRequest { refresh_token: token.to_owned(), scope: None, resources: Vec::new() }
}

pub(super) fn response(body: String) -> DocumentResponse {
    DocumentResponse {
        status: 200,
        content_type: Some("application/json; charset=utf-8".into()),
        fresh_for: None,
        etag: None,
        body: body.into(),
    }
}

/// The whole way of a client: registration, authorization, token, refresh, revocation.
#[tokio::test]
async fn a_clients_day() {
    let kit = Kit::new().await;
    let client = kit.client().await;
    let transaction = kit.begin(&client, &[("scope", "read")]).await.unwrap();
    let sealed = kit.authority.seal_transaction(&transaction);
    let transaction = kit.authority.open_transaction(&sealed, &kit.browser).unwrap();
    let answer = kit.authority.issue_code(&transaction, identity(), kit.provider_tokens()).await.unwrap();
    let url = Url::parse(&answer.to_url()).unwrap();
    let parameters = Parameters::parse(url.query().unwrap().as_bytes());
    assert_eq!(parameters.get("state"), Ok(Some("the-state")));
    assert_eq!(parameters.get("iss"), Ok(Some("https://g.example")));
    let code = parameters.get("code").unwrap().unwrap();

    let first = kit.authority.exchange_code(&client, &code_request(code)).await.unwrap();
    assert_eq!((first.token_type, first.expires_in), ("Bearer", 900));
    let claims = kit.claims(&first);
    assert_eq!(claims.aud, RESOURCE);
    assert_eq!(claims.iss, "https://g.example");
    assert_eq!(claims.sub, "person-1");
    assert_eq!(claims.client_id, client.id);
    assert_eq!(claims.scope, scopes("openid read"));

    kit.advance(Duration::from_mins(14));
    let second = kit.refresh(&client, first.refresh_token.as_ref().unwrap()).await.unwrap();
    assert_ne!(second.refresh_token, first.refresh_token);
    let state = kit.state(&second).await.unwrap();
    assert_eq!(state.identity().subject, "person-1");

    kit.authority.revoke(&client, &second.access_token).await.unwrap();
    assert!(state.is_revoked());
    assert!(kit.state(&second).await.is_none());
    let gone = kit.refresh(&client, second.refresh_token.as_ref().unwrap()).await;
    assert!(matches!(gone, Err(TokenError::RefreshUnknown)));
    assert_eq!(kit.revoked_at_provider().await.len(), 1);
    assert!(kit.counts("vestibule_revocations_total{initiator=\"client\",outcome=\"ok\",provider=\"auth0\"}", 1));
}
