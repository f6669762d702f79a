//! What every reader of signed tokens asks first: is the algorithm one that may be used at all, and
//! is the token of the kind that is meant?

use jsonwebtoken::Algorithm;

/// A digital signature of RFC 7518 section 3.1 or RFC 8037: nothing symmetric, and not `none`. With
/// an HMAC, a public key would be enough to forge a token (S51).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names of the standard")]
pub enum JwsAlgorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

// === impl JwsAlgorithm ===

impl JwsAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The algorithm that a JWT's header names.
    pub fn from_name(name: &str) -> Option<Self> {
        // RFC 9864 names the curve.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The name in a JWT's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl From<JwsAlgorithm> for Algorithm {
    fn from(algorithm: JwsAlgorithm) -> Self {
        match algorithm {
            JwsAlgorithm::Rs256 => Self::RS256,
            JwsAlgorithm::Rs384 => Self::RS384,
            JwsAlgorithm::Rs512 => Self::RS512,
            JwsAlgorithm::Ps256 => Self::PS256,
            JwsAlgorithm::Ps384 => Self::PS384,
            JwsAlgorithm::Ps512 => Self::PS512,
            JwsAlgorithm::Es256 => Self::ES256,
            JwsAlgorithm::Es384 => Self::ES384,
            JwsAlgorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// Whether a header's `typ` is the one demanded. Media types compare without case, and
/// `application/` may be left out (RFC 7515 section 4.1.9).
pub fn is_type(own: &str, demanded: &str) -> bool {
    const PREFIX: &str = "application/";
    let own = match own.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => own,
    };
    own.eq_ignore_ascii_case(demanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        for algorithm in JwsAlgorithm::ALL {
            assert_eq!(JwsAlgorithm::from_name(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(JwsAlgorithm::from_name("Ed25519"), Some(JwsAlgorithm::EdDsa));
    }

    /// S51: what is no digital signature has no value of this type.
    #[test]
    fn s51_nothing_symmetric() {
        for name in ["HS256", "HS384", "HS512", "none", "None", "", "rs256", "Ed448"] {
            assert_eq!(JwsAlgorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn types_have_no_case_and_a_prefix_that_may_be_left_out() {
        for own in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            assert!(is_type(own, "at+jwt"), "{own}");
        }
        for own in ["JWT", "application/", "", "xapplication/at+jwt", "applicatioñ/at+jwt"] {
            assert!(!is_type(own, "at+jwt"), "{own}");
        }
    }
}
