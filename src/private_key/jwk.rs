//! Private keys as JWKs (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use std::fmt;

use aws_lc_rs::{
    rsa::KeyPairComponents,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, RsaPublicKeyComponents},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Pair, PrivateKeyError};

/// Bytes of a coordinate of P-256.
const COORDINATE: usize = 32;

#[derive(Deserialize)]
struct PrivateJwk {
    #[serde(rename = "use")]
    used_for: Option<String>,
    d: Option<Part>,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(tag = "kty")]
enum Kind {
    #[serde(rename = "EC")]
    Ec { crv: String, x: Part, y: Part },
    #[serde(rename = "OKP")]
    Okp { crv: String, x: Part },
    #[serde(rename = "RSA")]
    Rsa(Box<Rsa>),
    #[serde(rename = "oct")]
    Oct,
}

#[derive(Deserialize)]
struct Rsa {
    n: Part,
    e: Part,
    p: Option<Part>,
    q: Option<Part>,
    dp: Option<Part>,
    dq: Option<Part>,
    qi: Option<Part>,
}

/// A number, or a point's coordinate.
struct Part(Vec<u8>);

// === impl Part ===

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        URL_SAFE_NO_PAD.decode(text).map(Self).map_err(|_| D::Error::custom("no base64url"))
    }
}

pub(super) fn read(text: &str) -> Result<Pair, PrivateKeyError> {
    #[derive(Deserialize)]
    struct Set {
        #[serde(rename = "keys")]
        _keys: serde::de::IgnoredAny,
    }

    let Ok(jwk) = serde_json::from_str::<PrivateJwk>(text) else {
        let is_set = serde_json::from_str::<Set>(text).is_ok();
        return Err(if is_set { PrivateKeyError::Set } else { PrivateKeyError::Unsuitable });
    };
    if matches!(jwk.kind, Kind::Oct) || jwk.used_for.is_some_and(|used_for| used_for != "sig") {
        return Err(PrivateKeyError::Use);
    }
    let d = jwk.d.ok_or(PrivateKeyError::PublicOnly)?;
    match &jwk.kind {
        Kind::Ec { crv, x, y } if crv == "P-256" => ec(&d, x, y),
        Kind::Okp { crv, x } if crv == "Ed25519" => {
            Ed25519KeyPair::from_seed_and_public_key(d.as_ref(), x.as_ref()).map(Pair::Ed).ok()
        }
        Kind::Rsa(rsa) => self::rsa(&d, rsa),
        Kind::Ec { .. } | Kind::Okp { .. } | Kind::Oct => None,
    }
    .ok_or(PrivateKeyError::Unsuitable)
}

fn ec(d: &Part, x: &Part, y: &Part) -> Option<Pair> {
    if [d, x, y].iter().any(|part| part.0.len() != COORDINATE) {
        return None;
    }
    // SEC 1, section 2.3.3: an uncompressed point.
    let point = [&[4], x.as_ref(), y.as_ref()].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, d.as_ref(), &point);
    pair.map(Pair::Ec).ok()
}

/// RFC 7518 section 6.3.2: whoever writes the factors writes all of them.
fn rsa(d: &Part, rsa: &Rsa) -> Option<Pair> {
    let components = KeyPairComponents {
        public_key: RsaPublicKeyComponents { n: rsa.n.as_ref(), e: rsa.e.as_ref() },
        d: d.as_ref(),
        p: rsa.p.as_ref()?.as_ref(),
        q: rsa.q.as_ref()?.as_ref(),
        dP: rsa.dp.as_ref()?.as_ref(),
        dQ: rsa.dq.as_ref()?.as_ref(),
        qInv: rsa.qi.as_ref()?.as_ref(),
    };
    RsaKeyPair::from_components(&components).map(Pair::Rsa).ok()
}
