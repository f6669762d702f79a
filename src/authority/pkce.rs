//! Proof key for code exchange (RFC 7636): S256, for everybody, nothing else (AS-40, S03).

use super::{error::RequestError, parameters::Parameters, transaction::base64url};
use crate::{seal::sha256, secret::equal};

/// The challenge of an authorization request.
///
/// # Errors
/// [`RequestError::PkceMissing`], [`RequestError::PkceMethod`] for `plain` (also by default), or
/// [`RequestError::PkceMalformed`].
pub(super) fn challenge(parameters: &Parameters) -> Result<&str, RequestError> {
    let challenge = parameters.get("code_challenge")?.ok_or(RequestError::PkceMissing)?;
    if parameters.get("code_challenge_method")? != Some("S256") {
        return Err(RequestError::PkceMethod);
    }
    let is_digest = challenge.len() == 43 && challenge.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if is_digest { Ok(challenge) } else { Err(RequestError::PkceMalformed) }
}

/// Whether a verifier (43 to 128 unreserved characters) fits a challenge.
pub(super) fn fits(verifier: &str, challenge: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(unreserved)
        && equal(base64url(&sha256(verifier.as_bytes())).as_bytes(), challenge.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// S03: only the verifier that the challenge was made from, of a legal length.
    #[test]
    fn s03_verifiers() {
        assert!(fits(VERIFIER, CHALLENGE));
        assert!(!fits(&VERIFIER.to_lowercase(), CHALLENGE));
        assert!(!fits(CHALLENGE, CHALLENGE), "plain");
        let of = |verifier: &str| base64url(&sha256(verifier.as_bytes()));
        for (verifier, legal) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            ("é".repeat(30), false),
            (format!("{}+", "a".repeat(43)), false),
            (String::new(), false),
        ] {
            assert_eq!(fits(&verifier, &of(&verifier)), legal, "{verifier}");
        }
    }

    /// AS-40, S03: the method is S256 and said to be.
    #[test]
    fn as40_challenges() {
        let read = |text: &str| challenge(&Parameters::parse(text.as_bytes())).map(str::to_owned);
        assert_eq!(read(&format!("code_challenge={CHALLENGE}&code_challenge_method=S256")), Ok(CHALLENGE.into()));
        assert_eq!(read("code_challenge_method=S256"), Err(RequestError::PkceMissing));
        assert_eq!(read(&format!("code_challenge={CHALLENGE}")), Err(RequestError::PkceMethod));
        assert_eq!(
            read(&format!("code_challenge={CHALLENGE}&code_challenge_method=plain")),
            Err(RequestError::PkceMethod)
        );
        assert_eq!(read("code_challenge=short&code_challenge_method=S256"), Err(RequestError::PkceMalformed));
    }
}
