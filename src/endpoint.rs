//! Our own endpoints of one mount: warp filters, entered one at a time by what the route table
//! found. With `crate::admin` the only place that knows warp.
//!
//! A filter reads a request (bounded), a handler says what happens, and whatever no handler saw
//! (a method, a body) is answered by `rejected` alone.

mod answer;
mod authorize;
mod callback;
mod consent;
mod cookies;
mod form;
mod journal;
pub mod limiter;
pub mod memory;
mod problem;
mod register;
mod revoke;
mod same_origin;
mod token;
mod well_known;

use std::{convert::Infallible, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use tower_service::Service;
use url::Url;
use warp::{Filter, Rejection, filters::BoxedFilter, reject::MethodNotAllowed};

use self::{
    answer::Answer,
    cookies::CookieStyle,
    form::{BodyError, Format},
    limiter::Limiters,
    memory::Memory,
    problem::Problem,
};
use crate::{
    authority::{Authority, Parameters},
    body::{self, Body, BoxError},
    config::plan::ProviderPlan,
    flow::Flows,
    keys::KeyRing,
    metrics::ProviderMetrics,
    provider::Provider,
    route::Endpoint,
    seal::Sealer,
    time::Clock,
};

/// Everything that the endpoints of one provider's mount stand on.
#[derive(Debug)]
pub struct Mount {
    /// The provider (or the choice of some) and what is mounted for it.
    pub plan: Arc<ProviderPlan>,
    /// Facts of the whole server.
    pub server: ServerFacts,
    /// The rules of the authorization server.
    pub authority: Arc<Authority>,
    /// Where people sign in, in the order of [`ProviderPlan::identity_providers`].
    pub providers: Vec<Arc<Provider>>,
    /// Our signing keys, for the JWKS.
    pub keys: Arc<KeyRing>,
    /// Seals what a browser carries.
    pub sealer: Arc<Sealer>,
    /// This provider's.
    pub metrics: ProviderMetrics,
    /// Shared by all mounts; outlives a reload.
    pub limiters: Arc<Limiters>,
    /// Shared by all mounts; outlives a reload.
    pub memory: Arc<Memory>,
    /// The last sign-ins; shared by all mounts, outlives a reload.
    pub flows: Arc<Flows>,
    /// Now.
    pub clock: Clock,
}

/// What the endpoints need to know of the whole server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFacts {
    /// Clients reach us by https, so cookies are `__Host-` and `Secure`.
    pub https: bool,
    /// What clients type.
    pub public_url: Url,
}

/// The endpoints of one mount. Cheap to call, built once.
pub struct Endpoints {
    authorize: Handler,
    consent: Handler,
    /// One for each identity provider.
    callbacks: Vec<Handler>,
    token: Handler,
    register: Handler,
    revoke: Handler,
    jwks: Handler,
    server_metadata: Handler,
    resource_metadata: Vec<Handler>,
}

type Handler = BoxedFilter<(Answer,)>;

/// What every handler gets of a request, besides its parameters.
#[derive(Clone, Debug)]
struct Asked {
    headers: HeaderMap,
    /// The client's, past trusted proxies.
    address: IpAddr,
}

#[derive(Clone, Copy, Debug)]
struct ClientAddress(IpAddr);

// === impl Mount ===

impl Mount {
    fn cookies(&self) -> CookieStyle {
        CookieStyle { https: self.server.https }
    }

    /// Where everybody signs in; `None` if people choose.
    fn only_provider(&self) -> Option<&Arc<Provider>> {
        self.providers.first().filter(|_| !self.plan.is_choice())
    }

    /// Where a person who chose this name signs in.
    fn chosen_provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| self.plan.is_choice() && provider.plan().name == name)
    }

    /// The identity provider as operators read of it; `None` if there is no choice.
    fn told_of<'p>(&self, provider: &'p Provider) -> Option<&'p str> {
        self.plan.is_choice().then_some(provider.plan().name.as_str())
    }

    /// What a sealed sign-in is bound to: our issuer, the name of its cookie, and the identity provider
    /// where it was begun. At the callback of another one it does not open (RFC 9207 section 4, S03),
    /// nor when the name belongs to another one meanwhile: no code is shown to a stranger.
    fn login_context(&self, provider: &Provider, state: &str) -> Vec<u8> {
        let mut context = self.cookies().login_context(self.plan.issuer.as_str(), state);
        let plan = provider.plan();
        context.extend(format!("\n{}\n{}", plan.name, plan.source()).into_bytes());
        context
    }
}

// === impl Endpoints ===

impl Endpoints {
    /// Builds the filters.
    pub fn new(mount: &Arc<Mount>) -> Self {
        let of = |endpoint, filter| finish(mount, endpoint, filter);
        Self {
            authorize: of(
                Endpoint::Authorize,
                or(
                    with(mount, readable().and(asked()).and(query()), authorize::answer),
                    with(mount, warp::post().and(asked()).and(form()), authorize::answer),
                ),
            ),
            consent: of(Endpoint::Consent, with(mount, warp::post().and(asked()).and(form()), consent::answer)),
            callbacks: mount
                .providers
                .iter()
                .enumerate()
                .map(|(index, provider)| of(Endpoint::Callback { provider: index }, callback(mount, provider)))
                .collect(),
            token: of(Endpoint::Token, with(mount, warp::post().and(asked()).and(form()), token::answer)),
            register: of(
                Endpoint::Register,
                with(mount, warp::post().and(asked()).and(form::body(Format::Json)), register::answer),
            ),
            revoke: of(Endpoint::Revoke, with(mount, warp::post().and(asked()).and(form()), revoke::answer)),
            jwks: of(Endpoint::Jwks, document(mount, well_known::jwks)),
            server_metadata: of(Endpoint::ServerMetadata, document(mount, well_known::server)),
            resource_metadata: (0..mount.plan.routes.len())
                .map(|route| {
                    of(
                        Endpoint::ResourceMetadata { route },
                        document(mount, move |mount| well_known::resource(mount, route)),
                    )
                })
                .collect(),
        }
    }

    /// Answers a request that the route table found to be for `endpoint`.
    pub async fn answer<B>(&self, endpoint: Endpoint, mut request: Request<B>, client_address: IpAddr) -> Response<Body>
    where
        B: http_body::Body + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        let Some(handler) = self.handler(endpoint) else {
            return whole(answer::oauth_error(StatusCode::NOT_FOUND, "not_found", "there is nothing here"));
        };
        let is_head = request.method() == Method::HEAD;
        request.extensions_mut().insert(ClientAddress(client_address));
        let answered = warp::service(handler.clone()).call(request).await;
        let response = answered.unwrap_or_else(|never| match never {});
        if is_head {
            // The length stays: RFC 9110 section 9.3.2.
            response.map(|_| body::empty())
        } else {
            response.map(|body| body.map_err(BoxError::from).boxed_unsync())
        }
    }

    fn handler(&self, endpoint: Endpoint) -> Option<&Handler> {
        Some(match endpoint {
            Endpoint::Authorize => &self.authorize,
            Endpoint::Consent => &self.consent,
            Endpoint::Callback { provider } => return self.callbacks.get(provider),
            Endpoint::Token => &self.token,
            Endpoint::Register => &self.register,
            Endpoint::Revoke => &self.revoke,
            Endpoint::Jwks => &self.jwks,
            Endpoint::ServerMetadata => &self.server_metadata,
            Endpoint::ResourceMetadata { route } => return self.resource_metadata.get(route),
        })
    }
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Endpoints")
    }
}

/// A filter with a handler behind it.
fn with<F, X, H, A>(mount: &Arc<Mount>, filter: F, handler: H) -> Handler
where
    F: Filter<Extract = (Asked, X), Error = Rejection> + Clone + Send + Sync + 'static,
    X: Send + 'static,
    H: Fn(Arc<Mount>, Asked, X) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    let mount = Arc::clone(mount);
    filter.then(move |asked, extracted| handler(Arc::clone(&mount), asked, extracted)).boxed()
}

/// Where one identity provider sends the browser back to. No HEAD: looking at the address must not
/// use it up.
fn callback(mount: &Arc<Mount>, provider: &Arc<Provider>) -> Handler {
    let provider = Arc::clone(provider);
    with(mount, warp::get().and(asked()).and(query()), move |mount, asked, parameters| {
        callback::answer(mount, Arc::clone(&provider), asked, parameters)
    })
}

/// A document that everybody may read.
fn document(mount: &Arc<Mount>, make: impl Fn(&Mount) -> Answer + Clone + Send + Sync + 'static) -> Handler {
    let mount = Arc::clone(mount);
    readable().map(move || make(&mount)).boxed()
}

/// The last step of every filter: what no handler saw.
fn finish(mount: &Arc<Mount>, endpoint: Endpoint, handler: Handler) -> Handler {
    let mount = Arc::clone(mount);
    let recover = move |rejection| {
        let answer = rejected(&mount, endpoint, &rejection);
        async move { Ok::<_, Infallible>(answer) }
    };
    handler.recover(recover).unify().boxed()
}

/// The one place where a rejection becomes an answer: JSON where a program asks, a page where a
/// person looks.
fn rejected(mount: &Mount, endpoint: Endpoint, rejection: &Rejection) -> Answer {
    let (status, reason) = if let Some(error) = rejection.find::<BodyError>() {
        let status = match error {
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Interrupted | BodyError::WrongType(_) => StatusCode::BAD_REQUEST,
        };
        (status, error.to_string())
    } else if rejection.find::<MethodNotAllowed>().is_some() {
        (StatusCode::METHOD_NOT_ALLOWED, format!("only {} is possible here", allowed(endpoint)))
    } else {
        (StatusCode::BAD_REQUEST, "the request cannot be read".to_owned())
    };
    let mut answer = match endpoint {
        Endpoint::Authorize | Endpoint::Consent | Endpoint::Callback { .. } => {
            Problem::http(status, &reason).answer(mount, &HeaderMap::new())
        }
        Endpoint::Register => answer::oauth_error(status, "invalid_client_metadata", &reason),
        _ => answer::oauth_error(status, "invalid_request", &reason),
    };
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed(endpoint)));
    }
    answer
}

/// What `Allow` says (RFC 9110 section 10.2.1).
const fn allowed(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Authorize => "GET, HEAD, POST",
        Endpoint::Callback { .. } => "GET",
        Endpoint::Consent | Endpoint::Token | Endpoint::Register | Endpoint::Revoke => "POST",
        Endpoint::Jwks | Endpoint::ServerMetadata | Endpoint::ResourceMetadata { .. } => "GET, HEAD",
    }
}

fn readable() -> impl Filter<Extract = (), Error = Rejection> + Copy {
    warp::get().or(warp::head()).unify()
}

fn asked() -> impl Filter<Extract = (Asked,), Error = Rejection> + Clone {
    warp::header::headers_cloned()
        .and(warp::ext::get::<ClientAddress>())
        .map(|headers, ClientAddress(address)| Asked { headers, address })
}

/// The query's pairs; no query is an empty one.
fn query() -> impl Filter<Extract = (Parameters,), Error = Rejection> + Clone {
    warp::query::raw()
        .or_else(|_| async { Ok::<_, Rejection>((String::new(),)) })
        .map(|query: String| Parameters::parse(query.as_bytes()))
}

/// The form's pairs.
fn form() -> impl Filter<Extract = (Parameters,), Error = Rejection> + Clone {
    form::body(Format::Form).map(|bytes: Bytes| Parameters::parse(&bytes))
}

fn or(one: Handler, other: Handler) -> Handler {
    one.or(other).unify().boxed()
}

fn whole(answer: Answer) -> Response<Body> {
    answer.map(body::full)
}

#[cfg(test)]
mod tests;
