//! What the provider remembers: grants, and the codes and tokens that hang off them. Memory only,
//! every table bounded.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::{
    seal::random_text,
    time::{Clock, Timestamp},
};

use super::person::Person;

/// Entries of one table; the oldest go first.
const MAX_ENTRIES: usize = 10_000;

/// What one person gave the application at one sign-in.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) person: Person,
    pub(super) scopes: Vec<String>,
    pub(super) audience: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) auth_time: Timestamp,
}

/// A grant's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GrantKey(String);

/// An authorization code that is being redeemed.
#[derive(Clone, Debug)]
pub(super) struct Code {
    grant: GrantKey,
    pub(super) redirect_uri: String,
    pub(super) challenge: String,
    expires_at: Timestamp,
    spent: bool,
}

#[derive(Clone, Debug)]
struct AccessToken {
    grant: GrantKey,
    expires_at: Timestamp,
}

#[derive(Clone, Debug)]
struct RefreshToken {
    grant: GrantKey,
    expires_at: Timestamp,
    spent: bool,
}

/// All tables.
#[derive(Debug)]
pub(super) struct Grants {
    clock: Clock,
    live: Bounded<Grant>,
    codes: Bounded<Code>,
    access_tokens: Bounded<AccessToken>,
    refresh_tokens: Bounded<RefreshToken>,
}

/// A map that forgets its oldest entries.
#[derive(Debug)]
struct Bounded<V> {
    entries: HashMap<String, V>,
    order: VecDeque<String>,
}

// === impl Bounded ===

impl<V> Bounded<V> {
    fn new() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }

    fn insert(&mut self, key: String, value: V) {
        if self.order.len() >= MAX_ENTRIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.entries.insert(key, value);
    }
}

// === impl Grants ===

impl Grants {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            live: Bounded::new(),
            codes: Bounded::new(),
            access_tokens: Bounded::new(),
            refresh_tokens: Bounded::new(),
        }
    }

    /// Remembers a sign-in and makes its code.
    pub(super) fn issue_code(
        &mut self,
        grant: Grant,
        redirect_uri: &str,
        challenge: &str,
        lifetime: Duration,
    ) -> String {
        let key = GrantKey(random_text::<16>());
        let code = random_text::<24>();
        let expires_at = self.clock.now().plus(lifetime);
        self.live.insert(key.0.clone(), grant);
        let (redirect_uri, challenge) = (redirect_uri.to_owned(), challenge.to_owned());
        self.codes.insert(code.clone(), Code { grant: key, redirect_uri, challenge, expires_at, spent: false });
        code
    }

    /// A code that was issued; a spent one ends its grant (OAuth 2.1 section 4.1.3).
    pub(super) fn code(&mut self, code: &str) -> Option<Code> {
        let found = self.codes.entries.get(code)?.clone();
        if found.spent {
            self.end(&found.grant);
            return None;
        }
        (self.clock.now() < found.expires_at).then_some(found)
    }

    /// The code has been redeemed.
    pub(super) fn spend_code(&mut self, code: &str) -> Option<(GrantKey, Grant)> {
        let entry = self.codes.entries.get_mut(code)?;
        entry.spent = true;
        let key = entry.grant.clone();
        self.grant(&key).map(|grant| (key, grant))
    }

    /// The grant of a refresh token that may be used; with `rotate` it is spent by this. A spent
    /// one ends its grant (OAuth 2.1 section 4.3.1).
    pub(super) fn take_refresh_token(&mut self, token: &str, rotate: bool) -> Option<(GrantKey, Grant)> {
        let entry = self.refresh_tokens.entries.get_mut(token)?;
        let (key, spent) = (entry.grant.clone(), entry.spent);
        entry.spent = rotate;
        if spent {
            self.end(&key);
            return None;
        }
        if entry.expires_at <= self.clock.now() {
            return None;
        }
        self.grant(&key).map(|grant| (key, grant))
    }

    /// Remembers an access token.
    pub(super) fn put_access_token(&mut self, token: &str, grant: &GrantKey, lifetime: Duration) {
        let expires_at = self.clock.now().plus(lifetime);
        self.access_tokens.insert(token.to_owned(), AccessToken { grant: grant.clone(), expires_at });
    }

    /// Makes a refresh token.
    pub(super) fn issue_refresh_token(&mut self, grant: &GrantKey, lifetime: Duration) -> String {
        let token = format!("demo-refresh-{}", random_text::<24>());
        let expires_at = self.clock.now().plus(lifetime);
        self.refresh_tokens.insert(token.clone(), RefreshToken { grant: grant.clone(), expires_at, spent: false });
        token
    }

    /// Who an access token stands for.
    pub(super) fn by_access_token(&self, token: &str) -> Option<Grant> {
        self.access_token(token).map(|(grant, _)| grant)
    }

    /// The same, and when it ends.
    pub(super) fn access_token(&self, token: &str) -> Option<(Grant, Timestamp)> {
        let entry = self.access_tokens.entries.get(token)?;
        let holds = self.clock.now() < entry.expires_at;
        self.grant(&entry.grant).filter(|_| holds).map(|grant| (grant, entry.expires_at))
    }

    /// Remembers a grant that nobody signed in for.
    pub(super) fn put(&mut self, grant: Grant) -> GrantKey {
        let key = GrantKey(random_text::<16>());
        self.live.insert(key.0.clone(), grant);
        key
    }

    /// RFC 7009 section 2.1: a refresh token takes its grant along, an access token only itself.
    pub(super) fn revoke(&mut self, token: &str) {
        if let Some(entry) = self.refresh_tokens.entries.get(token) {
            let key = entry.grant.clone();
            self.end(&key);
        }
        self.access_tokens.entries.remove(token);
    }

    /// Ends every grant, as an administrator of the provider would.
    pub(super) fn end_all(&mut self) {
        self.live = Bounded::new();
    }

    /// How many grants have not ended.
    pub(super) fn count(&self) -> usize {
        self.live.entries.len()
    }

    fn grant(&self, key: &GrantKey) -> Option<Grant> {
        self.live.entries.get(&key.0).cloned()
    }

    fn end(&mut self, key: &GrantKey) {
        self.live.entries.remove(&key.0);
    }
}
