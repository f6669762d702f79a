//! The authorization endpoint (OpenID Connect Core section 3.1.2) and the sign-in page's form.
//!
//! Nothing is kept between the two: the page carries the authorization request, and the form's
//! answer is checked from the start.

use http::{Response, StatusCode};
use url::Url;

use crate::{body::Body, oauth::redirect_uri::is_loopback, seal::random_text};

use super::{
    Provider, answer,
    fault::{CallbackFault, lock},
    form::{Parameters, Repeated},
    grant::Grant,
    page,
    person::Person,
};

/// A checked authorization request.
#[derive(Clone, Debug)]
struct AuthorizationRequest {
    scopes: Vec<String>,
    nonce: Option<String>,
    challenge: String,
    audience: Option<String>,
    login_hint: Option<String>,
}

/// Where the browser goes in the end; a client and a redirect URI that belong together.
#[derive(Clone, Debug)]
struct Back {
    redirect_uri: String,
    url: Url,
    state: Option<String>,
}

/// What the client is told (RFC 6749 section 4.1.2.1).
#[derive(Clone, Debug)]
struct Refusal {
    error: &'static str,
    description: String,
}

/// GET or POST `/authorize`: the sign-in page.
pub(super) fn page(provider: &Provider, parameters: &Parameters) -> Response<Body> {
    let back = match back(provider, parameters) {
        Ok(back) => back,
        Err(text) => return page::error(StatusCode::BAD_REQUEST, text),
    };
    match read(provider, parameters) {
        Ok(request) => {
            let name = request.login_hint.as_deref().unwrap_or_default();
            page::sign_in(provider, back.url.authority(), name, &parameters.to_query())
        }
        Err(refusal) => refuse(provider, back, refusal),
    }
}

/// POST `/sign-in`: somebody chose who to be.
pub(super) fn sign_in(provider: &Provider, form: &Parameters) -> Response<Body> {
    let carried = match form.get("request") {
        Ok(Some(query)) => Parameters::parse(query.as_bytes()),
        _ => return page::error(StatusCode::BAD_REQUEST, "This form does not come from the sign-in page."),
    };
    let back = match back(provider, &carried) {
        Ok(back) => back,
        Err(text) => return page::error(StatusCode::BAD_REQUEST, text),
    };
    let request = match read(provider, &carried) {
        Ok(request) => request,
        Err(refusal) => return refuse(provider, back, refusal),
    };
    match person(provider, form) {
        Ok(Some(person)) => issue(provider, back, request, person),
        Ok(None) => refuse(provider, back, Refusal::new("access_denied", "the person cancelled")),
        Err(text) => page::error(StatusCode::BAD_REQUEST, text),
    }
}

// === impl Refusal ===

impl Refusal {
    fn new(error: &'static str, description: &str) -> Self {
        Self { error, description: description.to_owned() }
    }
}

impl From<Repeated> for Refusal {
    fn from(repeated: Repeated) -> Self {
        Self::new("invalid_request", &repeated.to_string())
    }
}

/// Everything that must be right before a browser may be sent back; else a text for its page.
fn back(provider: &Provider, parameters: &Parameters) -> Result<Back, &'static str> {
    let get = |name| parameters.get(name).map_err(|_| "A parameter was given more than once.");
    if get("client_id")? != Some(provider.options.client_id.as_str()) {
        return Err("This application is not known here (client_id).");
    }
    let text = get("redirect_uri")?.ok_or("The application did not say where to go back (redirect_uri).")?;
    let unknown = "The application may not go back there: the redirect_uri is not registered.";
    let url = Url::parse(text).map_err(|_| unknown)?;
    let registered = &provider.options.redirect_uris;
    let known = if registered.is_empty() {
        url.scheme() == "http" && is_loopback(&url) && url.fragment().is_none()
    } else {
        registered.iter().any(|own| own == text)
    };
    let state = get("state")?.map(str::to_owned);
    if known { Ok(Back { redirect_uri: text.to_owned(), url, state }) } else { Err(unknown) }
}

fn read(provider: &Provider, parameters: &Parameters) -> Result<AuthorizationRequest, Refusal> {
    let get = |name| parameters.get(name);
    for unsupported in ["request", "request_uri"] {
        if get(unsupported)?.is_some() {
            return Err(Refusal::new("request_not_supported", "request objects are not supported"));
        }
    }
    match get("response_type")? {
        Some("code") => {}
        Some(_) => return Err(Refusal::new("unsupported_response_type", "only `code` is supported")),
        None => return Err(Refusal::new("invalid_request", "`response_type` is missing")),
    }
    if !matches!(get("response_mode")?, None | Some("query")) {
        return Err(Refusal::new("invalid_request", "only the response mode `query` is supported"));
    }
    if get("code_challenge_method")? != Some("S256") {
        return Err(Refusal::new("invalid_request", "PKCE with S256 is required"));
    }
    let challenge = get("code_challenge")?.unwrap_or_default().to_owned();
    if challenge.len() != 43 {
        return Err(Refusal::new("invalid_request", "`code_challenge` is not an S256 challenge"));
    }
    if get("prompt")? == Some("none") {
        return Err(Refusal::new("login_required", "nobody is signed in; the demo remembers no one"));
    }
    Ok(AuthorizationRequest {
        scopes: known_scopes(provider, get("scope")?.unwrap_or_default()),
        nonce: get("nonce")?.map(str::to_owned),
        challenge,
        // RFC 8707 has the better name, Auth0 had the other one first.
        audience: get("audience")?.or(get("resource")?).map(str::to_owned),
        login_hint: get("login_hint")?.map(str::to_owned),
    })
}

/// Scopes that nobody knows are left out (OpenID Connect Core section 3.1.2.1).
fn known_scopes(provider: &Provider, asked: &str) -> Vec<String> {
    const STANDARD: [&str; 4] = ["openid", "profile", "email", "offline_access"];
    let known = |scope: &str| STANDARD.contains(&scope) || provider.options.scopes.iter().any(|own| own == scope);
    asked.split_ascii_whitespace().filter(|scope| known(scope)).map(str::to_owned).collect()
}

/// Who signs in; `None` if the person cancelled.
fn person(provider: &Provider, form: &Parameters) -> Result<Option<Person>, &'static str> {
    let get = |name| form.get(name).map_err(|_| "A form field was sent more than once.");
    if get("cancel")?.is_some() {
        return Ok(None);
    }
    if let Some(key) = get("person")? {
        let known = provider.options.people.iter().find(|person| person.key == key);
        return known.cloned().map(Some).ok_or("Nobody here has that name.");
    }
    let typed = get("name")?.ok_or("Choose somebody, or type a name.")?;
    Person::named(typed).map(Some).ok_or("That is no name.")
}

fn issue(provider: &Provider, back: Back, request: AuthorizationRequest, person: Person) -> Response<Body> {
    let AuthorizationRequest { scopes, nonce, challenge, audience, .. } = request;
    let auth_time = provider.clock.now();
    let grant = Grant { person, scopes, audience, nonce, auth_time };
    let lifetime = provider.lifetimes().code;
    let code = lock(&provider.grants).issue_code(grant, &back.redirect_uri, &challenge, lifetime);
    send_back(provider, back, vec![("code", code)])
}

fn refuse(provider: &Provider, back: Back, refusal: Refusal) -> Response<Body> {
    let Refusal { error, description } = refusal;
    send_back(provider, back, vec![("error", error.to_owned()), ("error_description", description)])
}

/// 303 to the redirect URI, with `state` and `iss` (RFC 9207).
fn send_back(provider: &Provider, back: Back, mut pairs: Vec<(&'static str, String)>) -> Response<Body> {
    let fault = provider.faults.callback();
    match fault {
        Some(CallbackFault::Error(error)) => pairs = vec![("error", error.to_owned())],
        Some(CallbackFault::UnknownCode) => pairs = vec![("code", random_text::<24>())],
        _ => {}
    }
    match (fault, back.state) {
        (Some(CallbackFault::NoState), _) | (_, None) => {}
        (Some(CallbackFault::WrongState), Some(_)) => pairs.push(("state", random_text::<16>())),
        (_, Some(state)) => pairs.push(("state", state)),
    }
    match fault {
        Some(CallbackFault::NoIssuer) => {}
        Some(CallbackFault::WrongIssuer) => pairs.push(("iss", "https://issuer.invalid".to_owned())),
        _ if provider.options.dialect.is_openid() => pairs.push(("iss", provider.issuer.clone())),
        _ => {}
    }
    let mut url = back.url;
    url.query_pairs_mut().extend_pairs(pairs);
    answer::see_other(url.as_str())
}
