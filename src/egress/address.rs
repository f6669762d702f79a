//! Which addresses may be dialled for a URL that a stranger chose (SSRF).
//!
//! Two doors lead to an address and both are guarded: a literal in the URL, which the HTTP client
//! never hands to a resolver, and a name, whose addresses are filtered by the resolver that the
//! connection itself uses, so that no second look-up can answer differently.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use iprfc::RFC6890;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;
use url::{Host, Url};

/// Why a URL or an address may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// Another scheme than https.
    #[error("only https is allowed")]
    NotHttps,
    /// No host, or a user name or password in the URL.
    #[error("the URL has no host, or has credentials in it")]
    NotPlain,
    /// A private, local or otherwise special address, as a literal or behind the name.
    #[error("the address is private, local or reserved")]
    SpecialAddress,
}

/// A [`Blocked`] on its way through the HTTP client's error chain.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Guarded(pub(super) Blocked);

/// The system's resolver with everything taken out that is not globally reachable.
#[derive(Debug)]
pub(super) struct PublicOnly {
    look_ups: Arc<Semaphore>,
}

/// Look-ups under way. Each holds a thread of the pool that all other look-ups need too (those of
/// backends and providers), and a stranger's name server decides for how long.
const LOOK_UPS: usize = 16;

// === impl PublicOnly ===

impl PublicOnly {
    pub(super) fn new() -> Self {
        Self { look_ups: Arc::new(Semaphore::new(LOOK_UPS)) }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let look_ups = Arc::clone(&self.look_ups);
        Box::pin(async move {
            let turn = look_ups.acquire_owned().await?;
            // A look-up cannot be stopped. Who asked may give up; the place is taken until the
            // thread is free again.
            let found = tokio::spawn(async move {
                let found = tokio::net::lookup_host((name.as_str(), 0)).await.map(Vec::from_iter);
                drop(turn);
                found
            });
            let public = only_public(found.await??.into_iter())?;
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

fn only_public(found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Guarded> {
    let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() { Err(Guarded(Blocked::SpecialAddress)) } else { Ok(public) }
}

/// Whether a URL may be asked for at all. Names pass: their addresses are judged when they are
/// resolved.
pub(super) fn check(url: &Url) -> Result<(), Blocked> {
    if url.scheme() != "https" {
        return Err(Blocked::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Blocked::NotPlain);
    }
    let literal: IpAddr = match url.host() {
        None => return Err(Blocked::NotPlain),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
    };
    if is_public(literal) { Ok(()) } else { Err(Blocked::SpecialAddress) }
}

/// Whether an address is globally reachable unicast and in no special-purpose block of IANA's
/// registries. What embeds an IPv4 address is judged by that address.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| is_public_v6(v6), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !RFC6890.contains(&address) && !iprfc::is_multicast_ipv4_addr(address)
}

/// Only `2000::/3` is assigned for global unicast: everything else (site-local, translated,
/// multicast, unassigned) is refused without being listed.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xe000 == 0x2000 && !RFC6890.contains(&address)
}

/// The IPv4 address inside `::ffff:0:0/96` (mapped) or `64:ff9b::/96` (NAT64, RFC 6052).
/// 6to4 and Teredo addresses are special as a whole.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let embeds = matches!(address.segments(), [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..]);
    let octets = address.octets();
    let last: [u8; 4] = octets.last_chunk().copied().filter(|_| embeds)?;
    Some(last.into())
}

#[cfg(test)]
mod tests;
