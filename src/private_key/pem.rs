//! Private keys as PEM (RFC 7468).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use rustls::pki_types::{
    PrivateKeyDer,
    pem::{Error, PemObject as _},
};

use super::{Pair, PrivateKeyError};

pub(super) fn read(text: &str) -> Result<Pair, PrivateKeyError> {
    // Both the form of PKCS#8 and the one that OpenSSL had before it.
    if text.contains("-----BEGIN ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PrivateKeyError::Encrypted);
    }
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| match error {
        Error::NoItemsFound if text.contains("-----BEGIN ") => PrivateKeyError::PublicOnly,
        Error::NoItemsFound => PrivateKeyError::NoKey,
        _ => PrivateKeyError::Unsuitable,
    })?;
    match &key {
        PrivateKeyDer::Pkcs8(der) => pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Sec1(der) => {
            let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_sec1_der());
            pair.map(Pair::Ec).ok()
        }
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Pair::Rsa).ok(),
        _ => None,
    }
    .ok_or(PrivateKeyError::Unsuitable)
}

/// The structure names the kind; each reader refuses every other one.
fn pkcs8(der: &[u8]) -> Option<Pair> {
    let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Pair::Ec);
    let ed = || Ed25519KeyPair::from_pkcs8(der).map(Pair::Ed);
    let rsa = || RsaKeyPair::from_pkcs8(der).map(Pair::Rsa);
    ec.or_else(|_| ed()).or_else(|_| rsa()).ok()
}
