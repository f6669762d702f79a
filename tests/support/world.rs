//! One provider's real authority over a store in memory, with a client that has tokens.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use vestibule::{
    authority::{
        Authority, BrowserBinding, ClientDocuments, CodeRequest, GrantId, Grants, Parameters, Parts, TokenResponse,
        client_id_document::{DocumentFetch, DocumentRequest, DocumentResponse, FetchError},
    },
    config::plan::{ProviderPlan, SigningAlgorithm, SigningPlan, StaticClient},
    identity::Identity,
    keys::KeyRing,
    metrics::{Metrics, ProviderMetrics, outcome::RevocationInitiator},
    oauth::{ClientId, RedirectUri},
    provider::tokens::{ProviderTokens, RenewError, Renewal, TokenSource},
    seal::{Sealer, sha256},
    secret::Secret,
    store::{memory::MemoryStore, record::Records},
    time::{Clock, Hand, Timestamp},
};

const VERIFIER: &str = "a-verifier-that-is-long-enough-for-the-standard-0123456789";

/// Everything behind one mount.
pub(crate) struct World {
    pub(crate) plan: Arc<ProviderPlan>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) authority: Arc<Authority>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) provider_metrics: ProviderMetrics,
    pub(crate) clock: Clock,
    pub(crate) hand: Hand,
}

/// The provider, as far as it is needed.
#[derive(Debug)]
struct NoProvider;

impl World {
    pub(crate) async fn new(mut plan: ProviderPlan) -> Self {
        plan.clients.push(StaticClient {
            client_id: ClientId::parse("client").unwrap(),
            name: "Client".to_owned(),
            secret: None,
            redirect_uris: vec![RedirectUri::parse("http://127.0.0.1/cb").unwrap()],
            skip_consent: false,
        });
        let plan = Arc::new(plan);
        let metrics = Metrics::new().unwrap();
        let provider_metrics = metrics.provider(&plan.name);
        let (clock, hand) = Clock::manual(Timestamp(1_800_000_000));
        let sealer = sealer();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let records = Records::new(store, Arc::clone(&sealer), Arc::clone(&metrics), clock.clone());
        let keys = Arc::new(
            KeyRing::load(&records, &SigningPlan::made_here(SigningAlgorithm::Es256), clock.clone()).await.unwrap(),
        );
        let grants = Arc::new(Grants::new(&plan.name, records.clone(), provider_metrics.clone()));
        let authority = Arc::new(Authority::new(Parts {
            plan: Arc::clone(&plan),
            records,
            sealer,
            keys: Arc::clone(&keys),
            grants: Arc::clone(&grants),
            tokens: Arc::new(NoProvider),
            documents: Arc::new(ClientDocuments::new(Arc::new(NoProvider), clock.clone())),
            clock: clock.clone(),
            metrics: provider_metrics.clone(),
        }));
        Self { plan, keys, grants, authority, metrics, provider_metrics, clock, hand }
    }

    /// A new grant's access token for the route at `path`.
    pub(crate) async fn token(&self, path: &str, scope: &str) -> String {
        self.sign_in(path, scope, "alice").await.access_token
    }

    /// A whole sign-in: authorization request, code, exchange.
    pub(crate) async fn sign_in(&self, path: &str, scope: &str, subject: &str) -> TokenResponse {
        let route = self.plan.routes.iter().find(|route| route.path == path).unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(sha256(VERIFIER.as_bytes()));
        let parameters: Parameters = [
            ("response_type", "code"),
            ("client_id", "client"),
            ("redirect_uri", "http://127.0.0.1:1/cb"),
            ("scope", scope),
            ("resource", route.resource.as_str()),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        let transaction = self.authority.begin(&parameters, &BrowserBinding::random()).await.unwrap();
        let identity = Identity {
            issuer: "https://idp.example".to_owned(),
            subject: subject.to_owned(),
            email: Some(format!("{subject}@example.com")),
            email_verified: true,
            name: None,
            provider: None,
            claims: serde_json::Map::new(),
        };
        let tokens = ProviderTokens {
            access_token: "provider-access-token".to_owned(),
            refresh_token: Some("provider-refresh-token".to_owned()),
            expires_at: Some(self.clock.now().plus(Duration::from_hours(24))),
            scopes: None,
            ..ProviderTokens::default()
        };
        let answer = self.authority.issue_code(&transaction, identity, tokens).await.unwrap().to_url();
        let answer = url::Url::parse(&answer).unwrap();
        let code = answer.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
        let client = self.authority.client(&ClientId::parse("client").unwrap()).await.unwrap();
        let request = CodeRequest {
            code,
            redirect_uri: Some("http://127.0.0.1:1/cb".to_owned()),
            code_verifier: Some(VERIFIER.to_owned()),
            resources: Vec::new(),
        };
        self.authority.exchange_code(&client, &request).await.unwrap()
    }

    /// Revokes the grant of an access token.
    pub(crate) async fn revoke(&self, token: &str) {
        let grant = GrantId::new(claims(token)["sid"].as_str().unwrap());
        self.grants.revoke(&grant, RevocationInitiator::Policy).await.unwrap().unwrap();
    }
}

/// Seals with the same root secret everywhere.
pub(crate) fn sealer() -> Arc<Sealer> {
    Arc::new(Sealer::new(&[Secret::new("0123456789abcdef0123456789abcdef")]).unwrap())
}

/// The payload of a JWT.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[async_trait]
impl TokenSource for NoProvider {
    async fn renew(&self, _: &ProviderTokens) -> Result<Renewal, RenewError> {
        Err(RenewError::Unavailable("not in this test".to_owned()))
    }

    async fn revoke(&self, _: &ProviderTokens) {}
}

#[async_trait]
impl DocumentFetch for NoProvider {
    async fn fetch(&self, _: DocumentRequest) -> Result<DocumentResponse, FetchError> {
        Err(FetchError::Failed)
    }
}
