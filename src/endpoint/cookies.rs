//! Our cookies: their names, how they are read, set and taken back.
//!
//! Three kinds. The *browser* cookie holds 256 random bits and says nothing but "the same browser":
//! an authorization request is bound to its digest. The *login* cookie holds a sealed sign-in
//! under way at the provider. Both carry the start of a digest in their name, so requests in
//! several tabs never overwrite each other's cookie, and a value under another name is not found. The
//! *consent* cookie holds the sealed approvals that this browser remembers of one issuer.

use std::time::Duration;

use cookie::{Cookie, SameSite, time::Duration as CookieDuration};
use http::{HeaderMap, HeaderValue, header};

use crate::{authority::BrowserBinding, seal::sha256};

/// Bytes of one cookie's value; with name and attributes it stays below the 4096 of RFC 6265
/// section 6.1.
const CHUNK: usize = 3800;
/// Cookies that one sealed sign-in may take.
const CHUNKS: usize = 3;
/// Sign-ins under way in one browser; the oldest are taken back, so that the `Cookie` header
/// stays within what servers accept.
const MAX_LOGINS: usize = 6;
/// Bytes of all their values together. A page that sends a browser here again and again must not
/// fill its `Cookie` header (64 KiB by default), or the person is locked out of this host.
const MAX_LOGIN_BYTES: usize = 24 * 1024;
/// Characters of a digest in a cookie's name.
const NAME_DIGITS: usize = 16;
/// Cookies of one request that are looked at; browsers keep fewer for one site.
const MAX_COOKIES: usize = 256;
/// Browser cookies that are looked at.
const MAX_BROWSERS: usize = 8;

/// How cookies are named and marked: by the scheme that clients reach us with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CookieStyle {
    /// With https: `__Host-` (RFC 6265bis section 4.1.3.2) and `Secure`. Browsers keep neither on
    /// plain http, which is allowed on loopback only.
    pub(super) https: bool,
}

/// The cookies of one request. Hostile: anything may be in there.
#[derive(Clone, Default)]
pub(super) struct Jar {
    pairs: Vec<(String, String)>,
}

/// A value that does not fit into cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sign-in does not fit into {CHUNKS} cookies of {CHUNK} bytes")]
pub(super) struct TooLong;

// === impl Jar ===

impl Jar {
    /// All `Cookie` headers (HTTP/2 splits them). What is no cookie is left out.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let pairs = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                Cookie::split_parse(text).flatten().collect::<Vec<_>>()
            })
            .map(|cookie| (cookie.name().to_owned(), cookie.value().to_owned()))
            .take(MAX_COOKIES)
            .collect();
        Self { pairs }
    }

    /// The value under a name. A name that is there twice was planted by somebody (another path,
    /// a parent domain): neither value is believed.
    fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.pairs.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let first = values.next()?;
        values.next().is_none().then_some(first)
    }

    fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, _)| own == name)
    }

    /// Names with a prefix, in the order in which the browser sent them: oldest first (RFC 6265
    /// section 5.4).
    fn names(&self, prefix: &str) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.pairs.iter().filter(|(name, _)| name.starts_with(prefix)) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}

impl std::fmt::Debug for Jar {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Jar({} cookies)", self.pairs.len())
    }
}

// === impl CookieStyle ===

impl CookieStyle {
    /// The values of all browser cookies that are ours by form and name; several when the first
    /// requests of several tabs crossed. At most [`MAX_BROWSERS`].
    pub(super) fn browsers(self, jar: &Jar) -> Vec<BrowserBinding> {
        let prefix = self.name("browser-");
        jar.names(&prefix)
            .into_iter()
            .filter_map(|name| {
                let value = jar.get(name)?;
                (self.browser_name(value) == name).then(|| BrowserBinding::from_cookie(value)).flatten()
            })
            .take(MAX_BROWSERS)
            .collect()
    }

    /// Sets (or prolongs) a browser cookie for as long as a request bound to it may wait.
    pub(super) fn set_browser(self, browser: &BrowserBinding, lifetime: Duration) -> Option<HeaderValue> {
        self.set(self.browser_name(browser.expose()), browser.expose(), lifetime)
    }

    /// The approvals that this browser remembers of an issuer, sealed.
    pub(super) fn consents<'a>(self, jar: &'a Jar, issuer: &str) -> Option<&'a str> {
        jar.get(&self.consents_name(issuer))
    }

    /// Sets them. `None` if they do not fit into a cookie, which so few never do.
    pub(super) fn set_consents(self, issuer: &str, sealed: &str, lifetime: Duration) -> Option<HeaderValue> {
        if sealed.len() > CHUNK { None } else { self.set(self.consents_name(issuer), sealed, lifetime) }
    }

    /// The sealed sign-in of a `state`.
    pub(super) fn login(self, jar: &Jar, state: &str) -> Option<String> {
        let name = self.login_name(state);
        let chunks: Vec<&str> = (0..CHUNKS).map_while(|index| jar.get(&chunk_name(&name, index))).collect();
        (!chunks.is_empty()).then(|| chunks.concat())
    }

    /// Sets the sealed sign-in of a `state`, and takes back the oldest ones if there are many.
    ///
    /// # Errors
    /// [`TooLong`].
    pub(super) fn set_login(
        self,
        jar: &Jar,
        state: &str,
        sealed: &str,
        lifetime: Duration,
    ) -> Result<Vec<HeaderValue>, TooLong> {
        if sealed.len() > CHUNK * CHUNKS || !sealed.is_ascii() {
            return Err(TooLong);
        }
        let name = self.login_name(state);
        let mut headers: Vec<HeaderValue> = sealed
            .as_bytes()
            .chunks(CHUNK)
            .enumerate()
            .filter_map(|(index, chunk)| self.set(chunk_name(&name, index), &String::from_utf8_lossy(chunk), lifetime))
            .collect();
        headers.extend(self.clear_old_logins(jar, sealed.len()));
        Ok(headers)
    }

    /// Takes back every cookie of a `state` that the browser has.
    pub(super) fn clear_login(self, jar: &Jar, state: &str) -> Vec<HeaderValue> {
        self.clear_chunks(jar, &self.login_name(state))
    }

    /// The context a sealed sign-in is bound to: its place and its name, so that it opens nowhere
    /// else (S06).
    pub(super) fn login_context(self, issuer: &str, state: &str) -> Vec<u8> {
        format!("{issuer}\n{}", self.login_name(state)).into_bytes()
    }

    /// What has no place next to a sign-in of this length.
    fn clear_old_logins(self, jar: &Jar, length: usize) -> Vec<HeaderValue> {
        let prefix = self.name("login-");
        let mut logins: Vec<&str> = Vec::new();
        for name in jar.names(&prefix) {
            let login = name.get(..prefix.len() + NAME_DIGITS).unwrap_or_default();
            if !login.is_empty() && !logins.contains(&login) {
                logins.push(login);
            }
        }
        let mut bytes = length;
        // From the newest to the oldest; there is one place less for the one that begins now.
        let mut kept = 0;
        for login in logins.iter().rev() {
            bytes += jar
                .pairs
                .iter()
                .filter(|(name, _)| name.starts_with(login))
                .map(|(_, value)| value.len())
                .sum::<usize>();
            if kept >= MAX_LOGINS - 1 || bytes > MAX_LOGIN_BYTES {
                break;
            }
            kept += 1;
        }
        let surplus = logins.len() - kept;
        logins.into_iter().take(surplus).flat_map(|login| self.clear_chunks(jar, login)).collect()
    }

    fn clear_chunks(self, jar: &Jar, login: &str) -> Vec<HeaderValue> {
        (0..CHUNKS)
            .map(|index| chunk_name(login, index))
            .filter(|name| jar.has(name))
            .filter_map(|name| self.header(Cookie::build((name, "")).max_age(CookieDuration::ZERO).build()))
            .collect()
    }

    fn name(self, rest: &str) -> String {
        format!("{}vestibule-{rest}", if self.https { "__Host-" } else { "" })
    }

    fn browser_name(self, value: &str) -> String {
        self.name(&format!("browser-{}", digits(value)))
    }

    fn consents_name(self, issuer: &str) -> String {
        self.name(&format!("consent-{}", digits(issuer)))
    }

    fn login_name(self, state: &str) -> String {
        self.name(&format!("login-{}", digits(state)))
    }

    fn set(self, name: String, value: &str, lifetime: Duration) -> Option<HeaderValue> {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        self.header(Cookie::build((name, value.to_owned())).max_age(CookieDuration::seconds(seconds)).build())
    }

    /// `None` only for text that no header can hold, which none of ours is.
    fn header(self, mut cookie: Cookie<'_>) -> Option<HeaderValue> {
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        if self.https {
            cookie.set_secure(true);
        }
        HeaderValue::from_str(&cookie.to_string()).ok()
    }
}

fn chunk_name(login: &str, index: usize) -> String {
    format!("{login}-{index}")
}

/// The start of the text's SHA-256, in hexadecimal.
fn digits(text: &str) -> String {
    let digest = u64::from_be_bytes(sha256(text.as_bytes()).first_chunk().copied().unwrap_or_default());
    format!("{digest:0NAME_DIGITS$x}")
}

#[cfg(test)]
mod tests;
