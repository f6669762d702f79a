//! Who the client is, when the connection comes from a proxy that is trusted to say so.
//!
//! The hops are walked from the nearest to the farthest, and only as far as each one is trusted:
//! what stands further left was written by somebody we do not know (S43).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use ipnet::IpNet;

use crate::listener::Peer;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// No chain of real proxies is longer.
const MAX_HOPS: usize = 32;

/// Where a request comes from, as far as it can be believed.
#[derive(Clone, Debug)]
pub(super) struct ClientAddress {
    /// The farthest believable address.
    pub(super) ip: IpAddr,
    /// Whether the connection itself comes from a trusted proxy.
    pub(super) by_trusted_proxy: bool,
    /// What the backend gets as `X-Forwarded-For`: the believable part of the chain.
    pub(super) forwarded_for: HeaderValue,
}

// === impl ClientAddress ===

impl ClientAddress {
    pub(super) fn of(peer: &Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Self {
        let direct = peer.ip();
        if !is_trusted(direct, trusted) {
            return Self { ip: direct, by_trusted_proxy: false, forwarded_for: peer.text().clone() };
        }
        let chain = believable(direct, headers, trusted);
        let ip = chain.first().copied().unwrap_or(direct);
        let text = chain.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
        let forwarded_for = HeaderValue::try_from(text).unwrap_or_else(|_| peer.text().clone());
        Self { ip, by_trusted_proxy: true, forwarded_for }
    }

    /// The `for` parameter of `Forwarded` (RFC 7239 section 6).
    pub(super) fn forwarded(&self, rest: &str) -> HeaderValue {
        let text = match self.ip {
            IpAddr::V4(ip) => format!("for={ip}{rest}"),
            IpAddr::V6(ip) => format!("for=\"[{ip}]\"{rest}"),
        };
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("for=unknown"))
    }
}

/// The chain from the farthest believable address to the direct peer.
fn believable(direct: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Vec<IpAddr> {
    let by_old = walk(direct, x_forwarded_for(headers), trusted);
    let by_new = walk(direct, forwarded(headers), trusted);
    match (headers.contains_key(X_FORWARDED_FOR), headers.contains_key(FORWARDED)) {
        (true, false) => by_old,
        (false, true) => by_new,
        // A proxy writes one of them; the other one may be a client's forgery that passed
        // through. If they differ, neither is believed.
        (true, true) if by_old == by_new => by_old,
        _ => vec![direct],
    }
}

/// Walks the hops, nearest first, as long as who names the next one is trusted.
fn walk(direct: IpAddr, hops: impl Iterator<Item = Option<IpAddr>>, trusted: &[IpNet]) -> Vec<IpAddr> {
    let mut chain = vec![direct];
    for hop in hops.take(MAX_HOPS) {
        // Junk ends the walk: nothing behind it can be attributed.
        let Some(hop) = hop else { break };
        chain.push(hop);
        if !is_trusted(hop, trusted) {
            break;
        }
    }
    chain.reverse();
    chain
}

fn is_trusted(ip: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&ip))
}

/// The hops of `X-Forwarded-For`, nearest first.
fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    elements(headers, X_FORWARDED_FOR).map(|element| element.and_then(address))
}

/// The hops of `Forwarded`, nearest first.
fn forwarded(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    elements(headers, FORWARDED).map(|element| {
        let node = element?.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case("for").then_some(value)
        })?;
        address(node.trim().trim_matches('"'))
    })
}

/// The elements of a list header over all its lines, last first. `None` stands for a line that is
/// no text.
fn elements(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(|line| {
        let text = line.to_str().ok();
        let unreadable = text.is_none().then_some(None);
        unreadable.into_iter().chain(text.into_iter().flat_map(|text| text.rsplit(',').map(|part| Some(part.trim()))))
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let ip = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(bracketed)?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(direct: &str, lines: &[(&'static str, &str)]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().map(|net| net.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let direct: IpAddr = direct.parse().unwrap();
        let chain = if is_trusted(direct, &trusted) { believable(direct, &headers, &trusted) } else { vec![direct] };
        chain.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
    }

    /// S43: what a stranger writes is never believed, what a trusted proxy writes is, and what is
    /// behind a stranger is not.
    #[test]
    fn s43_the_walk_stops_at_the_first_stranger() {
        for (direct, value, expected) in [
            ("192.0.2.9", "1.2.3.4", "192.0.2.9"),
            ("10.0.0.1", "1.2.3.4", "1.2.3.4 10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4", "1.2.3.4 10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4 10.0.0.2 10.0.0.1"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3 10.0.0.2 10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, junk", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, junk, 10.0.0.2", "10.0.0.2 10.0.0.1"),
            ("10.0.0.1", "1.2.3.4,", "10.0.0.1"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "unknown", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4 10.0.0.1"),
            ("10.0.0.1", "2001:db8::1", "2001:db8::1 10.0.0.1"),
            ("10.0.0.1", "[2001:db8::1]:443, [fd00::2]", "2001:db8::1 fd00::2 10.0.0.1"),
            ("10.0.0.1", "1.2.3.4, ::ffff:10.0.0.2", "1.2.3.4 10.0.0.2 10.0.0.1"),
            ("fd00::1", "\u{e9}", "fd00::1"),
        ] {
            assert_eq!(chain(direct, &[("x-forwarded-for", value)]), expected, "{direct} {value}");
        }
        assert_eq!(chain("10.0.0.1", &[]), "10.0.0.1");
    }

    /// S43: several lines are one list.
    #[test]
    fn s43_several_lines_are_one_list() {
        let lines = [("x-forwarded-for", "6.6.6.6, 1.2.3.4"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(chain("10.0.0.1", &lines), "1.2.3.4 10.0.0.2 10.0.0.1");
    }

    #[test]
    fn s43_forwarded_is_read_too() {
        for (value, expected) in [
            ("for=1.2.3.4;proto=https", "1.2.3.4 10.0.0.1"),
            ("For=\"[2001:db8::1]:80\"", "2001:db8::1 10.0.0.1"),
            ("for=6.6.6.6, by=10.0.0.9;for=1.2.3.4, for=10.0.0.2", "1.2.3.4 10.0.0.2 10.0.0.1"),
            ("for=_hidden", "10.0.0.1"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(chain("10.0.0.1", &[("forwarded", value)]), expected, "{value}");
        }
    }

    /// S43: a header that the proxy did not write cannot outvote the one it did.
    #[test]
    fn s43_two_headers_that_disagree_are_not_believed() {
        let differ = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=6.6.6.6")];
        assert_eq!(chain("10.0.0.1", &differ), "10.0.0.1");
        let agree = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")];
        assert_eq!(chain("10.0.0.1", &agree), "1.2.3.4 10.0.0.1");
    }

    #[test]
    fn s43_endless_chains_are_cut() {
        let long = vec!["10.0.0.2"; 10_000].join(",");
        assert_eq!(chain("10.0.0.1", &[("x-forwarded-for", &long)]).split(' ').count(), MAX_HOPS + 1);
    }

    #[test]
    fn forwarded_is_written_as_the_standard_says() {
        let mut client = ClientAddress {
            ip: "192.0.2.1".parse().unwrap(),
            by_trusted_proxy: false,
            forwarded_for: HeaderValue::from_static("192.0.2.1"),
        };
        assert_eq!(client.forwarded(";proto=https"), "for=192.0.2.1;proto=https");
        client.ip = "2001:db8::1".parse().unwrap();
        assert_eq!(client.forwarded(";proto=https"), "for=\"[2001:db8::1]\";proto=https");
    }
}
