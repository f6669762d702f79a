//! Asks a running instance through its admin listener: one request, one bounded answer. The only
//! HTTP client besides `egress`, which it does not need: an operator names the address, and the
//! listener speaks plain http.

use std::{error::Error, fmt, net::SocketAddr, str::FromStr, time::Duration};

use reqwest::{Client, Method, redirect};
use serde::Serialize;
use url::Url;

/// Largest answer that is read, in bytes: a configuration of 1,000 providers has 4 MiB.
const MOST: usize = 64 * 1024 * 1024;

/// Where an admin listener is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAddress(Url);

/// Why a text is no admin address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminAddressError {
    /// `VESTIBULE_ADMIN_LISTEN=off`.
    #[error("the admin listener is switched off")]
    Off,
    /// Something else.
    #[error("write `http://127.0.0.1:9464` or `127.0.0.1:9464`")]
    Unknown,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// At most 64 MiB.
    pub body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The system has no runtime or no client for us.
    #[error("cannot send requests: {0}")]
    Setup(#[source] Box<dyn Error + Send + Sync>),
    /// Nobody answers, or the answer broke off.
    #[error("no answer from {address}: {cause}")]
    Unreachable {
        /// Who was asked.
        address: AdminAddress,
        /// The deepest reason.
        cause: String,
    },
    /// More than an instance of ours would say.
    #[error("the answer of {0} is too large")]
    TooLarge(AdminAddress),
}

// === impl AdminAddress ===

impl AdminAddress {
    /// Asks for a path, within a deadline for the whole answer. Blocks.
    ///
    /// # Errors
    /// [`AskError`]; every status is an answer.
    pub fn get(&self, path: &str, deadline: Duration) -> Result<Answer, AskError> {
        self.ask(&Method::GET, path, &(), deadline)
    }

    /// Like [`AdminAddress::get`], with what `query` says behind the path.
    ///
    /// # Errors
    /// [`AskError`]; every status is an answer.
    pub fn get_with(&self, path: &str, query: &impl Serialize, deadline: Duration) -> Result<Answer, AskError> {
        self.ask(&Method::GET, path, query, deadline)
    }

    /// Like [`AdminAddress::get`], to have something done.
    ///
    /// # Errors
    /// [`AskError`]; every status is an answer.
    pub fn post(&self, path: &str, deadline: Duration) -> Result<Answer, AskError> {
        self.ask(&Method::POST, path, &(), deadline)
    }

    /// Like [`AdminAddress::post`], with what `query` says behind the path.
    ///
    /// # Errors
    /// [`AskError`]; every status is an answer.
    pub fn post_with(&self, path: &str, query: &impl Serialize, deadline: Duration) -> Result<Answer, AskError> {
        self.ask(&Method::POST, path, query, deadline)
    }

    fn ask(&self, method: &Method, path: &str, query: &impl Serialize, deadline: Duration) -> Result<Answer, AskError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| AskError::Setup(error.into()))?;
        let client = Client::builder()
            .user_agent(concat!("vestibule/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            // Neither a proxy nor a root certificate is needed, and an image may have none.
            .no_proxy()
            .tls_certs_only(std::iter::empty())
            .timeout(deadline)
            .build()
            .map_err(|error| AskError::Setup(error.into()))?;
        let mut url = self.0.clone();
        url.set_path(path);
        let broken = |error: reqwest::Error| self.unreachable(&error);
        runtime.block_on(async {
            let mut response = client.request(method.clone(), url).query(query).send().await.map_err(broken)?;
            let status = response.status().as_u16();
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(broken)? {
                if body.len() + chunk.len() > MOST {
                    return Err(AskError::TooLarge(self.clone()));
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, body })
        })
    }

    fn unreachable(&self, error: &reqwest::Error) -> AskError {
        let cause = if error.is_timeout() {
            "it took too long".to_owned()
        } else {
            let mut cause: &dyn Error = error;
            while let Some(deeper) = cause.source() {
                cause = deeper;
            }
            cause.to_string()
        };
        AskError::Unreachable { address: self.clone(), cause }
    }
}

impl FromStr for AdminAddress {
    type Err = AdminAddressError;

    /// A URL, or an address with its port as in `admin_listen`; of all addresses, this machine's.
    fn from_str(text: &str) -> Result<Self, AdminAddressError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Err(AdminAddressError::Off);
        }
        if let Ok(mut address) = text.parse::<SocketAddr>() {
            if address.ip().is_unspecified() {
                let loopback =
                    if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
                address.set_ip(loopback);
            }
            return Url::parse(&format!("http://{address}")).map(Self).map_err(|_| AdminAddressError::Unknown);
        }
        let url = Url::parse(text).map_err(|_| AdminAddressError::Unknown)?;
        let plain = url.scheme() == "http" && url.has_host() && url.username().is_empty() && url.password().is_none();
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if plain && bare { Ok(Self(url)) } else { Err(AdminAddressError::Unknown) }
    }
}

impl fmt::Display for AdminAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

// === impl Answer ===

impl Answer {
    /// The body as text on one line for a message, cut after 300 characters.
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.trim().chars().take(300).flat_map(char::escape_default).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_in_both_ways() {
        for (text, expected) in [
            ("http://127.0.0.1:9464", Ok("http://127.0.0.1:9464")),
            ("http://localhost:9464/", Ok("http://localhost:9464")),
            ("127.0.0.1:1", Ok("http://127.0.0.1:1")),
            ("0.0.0.0:9464", Ok("http://127.0.0.1:9464")),
            ("[::]:9464", Ok("http://[::1]:9464")),
            ("off", Err(AdminAddressError::Off)),
            ("https://127.0.0.1", Err(AdminAddressError::Unknown)),
            ("http://a:b@127.0.0.1", Err(AdminAddressError::Unknown)),
            ("http://127.0.0.1/x", Err(AdminAddressError::Unknown)),
            ("9464", Err(AdminAddressError::Unknown)),
        ] {
            let read = text.parse::<AdminAddress>().map(|address| address.to_string());
            assert_eq!(read.as_deref().map_err(|error| *error), expected, "{text}");
        }
    }
}
