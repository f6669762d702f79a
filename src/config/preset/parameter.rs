//! What the values of parameters look like. They become parts of URLs: nothing may change where those lead.

use url::{Host, Url};

/// What a parameter looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `example.eu.auth0.com`, perhaps with a port.
    Host,
    /// `https://keycloak.example.com/auth`.
    Url,
    /// One part of a path.
    Segment,
    /// The id of one Entra tenant.
    Tenant,
    /// `<region>_<id>`.
    UserPool,
    /// An URI that is not looked up, or `off`.
    Identifier,
}

/// Why a value is not what it should be; continues a sentence that begins with the value.
pub(super) struct Mistake {
    pub(super) message: &'static str,
    /// What to write; without one, the example.
    pub(super) help: Option<String>,
}

/// Entra's names for "any tenant".
const ANY_TENANT: [&str; 3] = ["common", "organizations", "consumers"];

// === impl Kind ===

impl Kind {
    /// The value as it is used.
    pub(super) fn read(self, text: &str) -> Result<String, Mistake> {
        let text = text.trim();
        match self {
            Self::Host => host(text),
            Self::Url => web_url(text),
            Self::Segment if is_segment(text) => Ok(text.to_owned()),
            Self::Segment => Err(Mistake::new("is not one plain name")),
            Self::Tenant => tenant(text),
            Self::UserPool => match text.split_once('_') {
                Some((region, id)) if is_segment(text) && !region.is_empty() && !id.is_empty() => Ok(text.to_owned()),
                _ => Err(Mistake::new("is not the id of a user pool, which begins with its region")),
            },
            Self::Identifier if text.eq_ignore_ascii_case("off") => Ok(String::new()),
            Self::Identifier => match Url::parse(text.trim_end_matches('/')) {
                Ok(_) if !text.contains([' ', '"', '\\']) => Ok(text.trim_end_matches('/').to_owned()),
                _ => Err(Mistake::new("is no URI")),
            },
        }
    }
}

// === impl Mistake ===

impl Mistake {
    fn new(message: &'static str) -> Self {
        Self { message, help: None }
    }
}

fn host(text: &str) -> Result<String, Mistake> {
    if text.contains("://") {
        let host = Url::parse(text).ok().and_then(|url| Some(url.host_str()?.to_owned()));
        return Err(Mistake { message: "is an URL, not a host", help: host.map(|host| format!("write `{host}`")) });
    }
    let parsed = Url::parse(&format!("https://{text}"));
    let plain = |url: &Url| {
        matches!(url.host(), Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)))
            && url.path() == "/"
            && !text.contains(['/', '?', '#', '@', '\\'])
    };
    match parsed {
        Ok(url) if plain(&url) => Ok(text.to_ascii_lowercase()),
        _ => Err(Mistake::new("is no host")),
    }
}

fn web_url(text: &str) -> Result<String, Mistake> {
    match Url::parse(text) {
        Ok(url)
            if matches!(url.scheme(), "https" | "http")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
                && !url.path().contains("/.well-known") =>
        {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(Mistake::new("is no plain address such as `https://host`")),
    }
}

/// The id of one tenant, in lower case.
pub(in crate::config) fn tenant_id(text: &str) -> Option<String> {
    let is_id = text.len() == 36
        && text.char_indices().all(|(at, letter)| {
            if matches!(at, 8 | 13 | 18 | 23) { letter == '-' } else { letter.is_ascii_hexdigit() }
        });
    is_id.then(|| text.to_ascii_lowercase())
}

/// A tenant's domain would do for Microsoft, but its document names the id, so that the two differ.
fn tenant(text: &str) -> Result<String, Mistake> {
    if ANY_TENANT.contains(&text) {
        let message = "is no tenant: with it, anybody's tenant could say who signs in";
        let help = match text {
            "consumers" => {
                "for personal accounts write their tenant, `9188040d-6c67-4c5b-b112-36a304b66dad`".to_owned()
            }
            _ => "name the one tenant, or list those whose people may sign in: `allowed_tenants: [id, id]`".to_owned(),
        };
        return Err(Mistake { message, help: Some(help) });
    }
    tenant_id(text).ok_or_else(|| Mistake::new("is not the id of a tenant"))
}

fn is_segment(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '~');
    !text.is_empty() && text != "." && text != ".." && text.chars().all(plain)
}
