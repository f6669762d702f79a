//! How often one address may ask (S75, D6), and what it is told when that is too often.
//!
//! Two bounds for each kind of request: what one client does from one address, and what all
//! clients of one address do together, which may be an office with thousands of people. An
//! address is its IPv4 address or its IPv6 /64. Registering the same metadata again costs
//! nothing and counts little: programs do it at every start.

use std::{
    fmt,
    hash::Hash,
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock as _, clock::DefaultClock};
use moka::sync::Cache;

use crate::{config::plan::LimitsPlan, seal::sha256};

/// How many times the quota of one client all clients of an address may use together.
const TOGETHER: u32 = 10;
/// After so many checks, addresses that have been quiet are forgotten.
const FORGET_EVERY: usize = 1024;
/// Addresses remembered at most. Beyond that nobody is counted until quiet ones are forgotten: a
/// limiter that refuses everybody because very many came would be the attack.
const MAX_REMEMBERED: usize = 100_000;
/// How often the audit log hears of one address that asks too often.
const NEWS: Duration = Duration::from_mins(1);
/// Newcomers remembered at most; a forgotten one counts again.
const MAX_SEEN: u64 = 100_000;

/// The limiters of the public endpoints. One set for all mounts; it outlives a reload.
#[derive(Debug)]
pub struct Limiters {
    pub(super) registrations: Limiter,
    pub(super) authorizations: Limiter,
    pub(super) token_requests: Limiter,
}

/// Too many requests; try again after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests")]
pub(super) struct Limited {
    pub(super) retry_after: Duration,
}

/// One kind of request.
pub(super) struct Limiter {
    each: Keyed<(Prefix, [u8; 16])>,
    together: Keyed<Prefix>,
    /// Who was seen lately, for [`Limiter::newcomer`].
    seen: Cache<(Prefix, [u8; 16]), ()>,
    /// Who was refused lately, for [`Limiter::is_news`].
    refused: Cache<Prefix, ()>,
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Prefix(u128);

#[derive(Debug)]
struct Keyed<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    checks: AtomicUsize,
}

// === impl Limiters ===

impl Limiters {
    /// From the plan's numbers.
    pub fn new(plan: &LimitsPlan) -> Self {
        let hour = Duration::from_hours(1);
        let minute = Duration::from_mins(1);
        Self {
            registrations: Limiter::new(plan.registrations_per_hour, hour),
            authorizations: Limiter::new(plan.authorizations_per_minute, minute),
            token_requests: Limiter::new(plan.token_requests_per_minute, minute),
        }
    }
}

// === impl Limiter ===

impl Limiter {
    fn new(quota: u32, period: Duration) -> Self {
        Self {
            each: Keyed::new(quota, period),
            together: Keyed::new(quota.saturating_mul(TOGETHER), period),
            seen: Cache::builder().max_capacity(MAX_SEEN).time_to_live(period).build(),
            refused: Cache::builder().max_capacity(MAX_SEEN).time_to_live(NEWS).build(),
        }
    }

    /// Counts a request of an address, before anything is known of the client.
    ///
    /// # Errors
    /// [`Limited`].
    pub(super) fn address(&self, address: IpAddr) -> Result<(), Limited> {
        self.together.check(&Prefix::of(address))
    }

    /// Counts a request that speaks for this client (or registers this metadata).
    ///
    /// # Errors
    /// [`Limited`].
    pub(super) fn client(&self, address: IpAddr, client: &[u8]) -> Result<(), Limited> {
        self.each.check(&key(address, client))
    }

    /// Counts a client that was not seen from this address in the period; one that was is free.
    ///
    /// # Errors
    /// [`Limited`].
    pub(super) fn newcomer(&self, address: IpAddr, client: &[u8]) -> Result<(), Limited> {
        let key = key(address, client);
        if self.seen.contains_key(&key) {
            return Ok(());
        }
        self.unknown(address)?;
        self.seen.insert(key, ());
        Ok(())
    }

    /// Whether a refusal is the first of this address for a while: whoever asks too often does not fill the
    /// audit log, too.
    pub(super) fn is_news(&self, address: IpAddr) -> bool {
        self.refused.entry(Prefix::of(address)).or_insert(()).is_fresh()
    }

    /// Counts a request of nobody that is known, all of them together: what fails must not be
    /// tried under ever new names.
    ///
    /// # Errors
    /// [`Limited`].
    pub(super) fn unknown(&self, address: IpAddr) -> Result<(), Limited> {
        self.each.check(&(Prefix::of(address), [0; 16]))
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Limiter")
    }
}

// === impl Prefix ===

impl Prefix {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() & u128::MAX << 64),
        }
    }
}

// === impl Keyed ===

impl<K: Hash + Eq + Clone> Keyed<K> {
    /// A quota of 0 counts as 1: a switch that is off is another setting.
    fn new(quota: u32, period: Duration) -> Self {
        let burst = NonZeroU32::new(quota).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period / burst.get())
            .map_or_else(|| Quota::per_second(burst), |quota| quota.allow_burst(burst));
        Self { limiter: RateLimiter::keyed(quota), checks: AtomicUsize::new(0) }
    }

    fn check(&self, key: &K) -> Result<(), Limited> {
        if self.checks.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.limiter.shrink_to_fit();
        }
        if self.limiter.len() >= MAX_REMEMBERED {
            return Ok(());
        }
        self.limiter.check_key(key).map_err(|until| {
            // In whole seconds, as `Retry-After` has them; never zero.
            let wait = until.wait_time_from(DefaultClock::default().now());
            Limited { retry_after: Duration::from_secs(wait.as_secs() + 1) }
        })
    }
}

fn key(address: IpAddr, client: &[u8]) -> (Prefix, [u8; 16]) {
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(sha256(client)) {
        *to = from;
    }
    (Prefix::of(address), key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(quota: u32) -> Limiter {
        Limiter::new(quota, Duration::from_hours(1))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// D6: many clients behind one address do not use up each other's quota.
    #[test]
    fn d6_clients_behind_one_address_have_their_own_quota() {
        let limiter = limiter(2);
        let office = address("203.0.113.7");
        for client in ["a", "b", "c"] {
            assert!(limiter.client(office, client.as_bytes()).is_ok());
            assert!(limiter.client(office, client.as_bytes()).is_ok());
            let refusal = limiter.client(office, client.as_bytes()).unwrap_err();
            assert!(refusal.retry_after >= Duration::from_secs(1) && refusal.retry_after <= Duration::from_hours(1));
        }
    }

    /// S75: an address cannot make itself new ones, and not ask for ever by new names.
    #[test]
    fn s75_counted_by_prefix_and_not_by_spelling() {
        let limiter = limiter(1);
        assert!(limiter.unknown(address("2001:db8:1:2::1")).is_ok());
        assert!(limiter.unknown(address("2001:db8:1:2:ffff::9")).is_err());
        assert!(limiter.unknown(address("2001:db8:1:3::1")).is_ok());
        assert!(limiter.unknown(address("192.0.2.1")).is_ok());
        assert!(limiter.unknown(address("::ffff:192.0.2.1")).is_err());
        for _ in 0..TOGETHER {
            assert!(limiter.address(address("192.0.2.1")).is_ok());
        }
        assert!(limiter.address(address("192.0.2.1")).is_err());
        assert!(limiter.address(address("::1")).is_ok());
    }

    /// D5, D6: programs that register at every start use up nobody's quota.
    #[test]
    fn d5_d6_the_same_registration_counts_once() {
        let limiter = limiter(2);
        let office = address("203.0.113.7");
        for _ in 0..100 {
            assert!(limiter.newcomer(office, b"claude").is_ok());
        }
        assert!(limiter.newcomer(office, b"cursor").is_ok());
        assert!(limiter.newcomer(office, b"third").is_err());
        assert!(limiter.newcomer(office, b"claude").is_ok());
    }

    #[test]
    fn a_quota_of_zero_is_one() {
        let limiter = limiter(0);
        assert!(limiter.unknown(address("192.0.2.1")).is_ok());
        assert!(limiter.unknown(address("192.0.2.1")).is_err());
    }
}
