use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    metrics::Metrics,
    oauth::Issuer,
    seal::Sealer,
    secret::Secret,
    store::{Store, memory::MemoryStore},
    time::Hand,
};

const NOW: Timestamp = Timestamp(1_700_000_000);
const AUDIENCE: &str = "https://g.example/mcp";

struct Setup {
    store: Arc<dyn Store>,
    clock: Clock,
    hand: Hand,
}

impl Setup {
    fn new() -> Self {
        let (clock, hand) = Clock::manual(NOW);
        Self { store: Arc::new(MemoryStore::new(clock.clone())), clock, hand }
    }

    fn records(&self, secret: &str) -> Records {
        let sealer = Arc::new(Sealer::new(&[Secret::new(secret.repeat(32))]).unwrap());
        Records::new(Arc::clone(&self.store), sealer, Metrics::new().unwrap(), self.clock.clone())
    }

    async fn ring(&self, algorithm: SigningAlgorithm) -> KeyRing {
        KeyRing::load(&self.records("a"), algorithm, self.clock.clone()).await.unwrap()
    }
}

fn issuer() -> Issuer {
    Issuer::new(&Url::parse("https://g.example/").unwrap(), "/")
}

fn claims() -> Value {
    json!({ "iss": issuer().as_str(), "aud": AUDIENCE, "sub": "me", "iat": NOW.0, "exp": NOW.0 + 300 })
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn check(ring: &KeyRing, token: &str) -> Result<Value, VerifyError> {
    ring.verify(token, "at+jwt", &issuer(), AUDIENCE, NOW)
}

fn encode_part(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of any header and payload text, really signed with the ring's key.
fn forge(ring: &KeyRing, head: &str, payload: &str) -> String {
    let key = Arc::clone(&ring.ring.load().signing);
    let message = format!("{}.{}", encode_part(head), encode_part(payload));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key.encoding(), key.jwt_algorithm()).unwrap();
    format!("{message}.{signature}")
}

fn head(ring: &KeyRing, more: &str) -> String {
    let kid = ring.ring.load().signing.kid().to_owned();
    format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"{more}}}"#)
}

#[tokio::test]
async fn every_algorithm_signs_and_is_published() {
    for (algorithm, alg, kty) in [
        (SigningAlgorithm::Es256, "ES256", "EC"),
        (SigningAlgorithm::EdDsa, "EdDSA", "OKP"),
        (SigningAlgorithm::Rs256, "RS256", "RSA"),
    ] {
        let setup = Setup::new();
        let ring = setup.ring(algorithm).await;
        let token = ring.sign("at+jwt", &claims()).unwrap();
        assert_eq!(check(&ring, &token).unwrap(), claims());

        let jwks = ring.jwks();
        let key = &jwks["keys"][0];
        assert_eq!((&key["alg"], &key["kty"], &key["use"]), (&json!(alg), &json!(kty), &json!("sig")));
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key.get(private).is_none(), "{private}");
        }
        // Anybody verifies with what is published alone.
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(key.clone()).unwrap();
        assert_eq!(jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap(), key["kid"].as_str().unwrap());
        let mut validation = Validation::new(alg.parse().unwrap());
        validation.set_audience(&[AUDIENCE]);
        validation.validate_exp = false;
        let decoded =
            jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(&jwk).unwrap(), &validation).unwrap();
        assert_eq!(decoded.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(decoded.header.kid.as_deref(), key["kid"].as_str());
        assert!(ring.verifying(decoded.header.kid.as_deref().unwrap()).is_some());
        assert!(ring.verifying("other").is_none());
    }
}

#[tokio::test]
async fn a_restart_finds_the_same_key() {
    let setup = Setup::new();
    let token = setup.ring(SigningAlgorithm::Es256).await.sign("at+jwt", &claims()).unwrap();
    let ring = setup.ring(SigningAlgorithm::Es256).await;
    assert!(check(&ring, &token).is_ok());
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_start_at_once_end_with_one_key() {
    let setup = Setup::new();
    let starts = (0..8).map(|_| {
        let (records, clock) = (setup.records("a"), setup.clock.clone());
        tokio::spawn(async move { KeyRing::load(&records, SigningAlgorithm::Es256, clock).await.unwrap().jwks() })
    });
    let sets = futures_util::future::join_all(starts).await;
    let first = sets[0].as_ref().unwrap();
    assert_eq!(first["keys"].as_array().unwrap().len(), 1);
    for set in &sets {
        assert_eq!(set.as_ref().unwrap(), first);
    }
}

#[tokio::test]
async fn after_a_rotation_both_keys_verify_until_the_overlap_ends() {
    let setup = Setup::new();
    let ring = setup.ring(SigningAlgorithm::Es256).await;
    let old = ring.sign("at+jwt", &claims()).unwrap();
    let old_kid = ring.jwks()["keys"][0]["kid"].clone();
    setup.hand.advance(Duration::from_secs(5));
    ring.rotate(Duration::from_mins(1)).await.unwrap();
    assert_eq!(ring.signing_since(), setup.clock.now());
    let new = ring.sign("at+jwt", &claims()).unwrap();
    assert!(check(&ring, &old).is_ok() && check(&ring, &new).is_ok());
    let jwks = ring.jwks();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 2);
    assert_eq!(jwks["keys"][1]["kid"], old_kid, "newest first");

    let restarted = setup.ring(SigningAlgorithm::Es256).await;
    assert_eq!(restarted.jwks(), jwks);

    setup.hand.advance(Duration::from_mins(1));
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 1);
    assert!(ring.verifying(old_kid.as_str().unwrap()).is_none());
    let later = setup.clock.now();
    let verify = |token: &str| ring.verify::<Value>(token, "at+jwt", &issuer(), AUDIENCE, later);
    assert_eq!(verify(&old), Err(VerifyError::UnknownKid));
    assert!(verify(&new).is_ok());
}

#[tokio::test]
async fn another_algorithm_makes_a_new_key_and_keeps_the_old_for_a_day() {
    let setup = Setup::new();
    let old = setup.ring(SigningAlgorithm::Es256).await.sign("at+jwt", &claims()).unwrap();
    let ring = setup.ring(SigningAlgorithm::EdDsa).await;
    assert!(check(&ring, &old).is_ok());
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 2);
    setup.hand.advance(REPLACED_OVERLAP);
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_root_secret_makes_a_new_key_instead_of_an_error() {
    let setup = Setup::new();
    let old = setup.ring(SigningAlgorithm::Es256).await.sign("at+jwt", &claims()).unwrap();
    let ring = KeyRing::load(&setup.records("b"), SigningAlgorithm::Es256, setup.clock.clone()).await.unwrap();
    assert_eq!(check(&ring, &old), Err(VerifyError::UnknownKid));
}

/// S50: `aud`, `iss`, `exp`, `nbf`, `iat` and `typ` are enforced, and a missing one refuses.
#[tokio::test]
async fn s50_registered_claims_are_demanded_and_checked() {
    use VerifyError::{AudienceMismatch, Expired, IssuerMismatch, Malformed, NotYetValid};
    let ring = Setup::new().ring(SigningAlgorithm::Es256).await;
    let refused = |claims: &Value| check(&ring, &ring.sign("at+jwt", claims).unwrap()).err();
    for name in ["iss", "aud", "exp", "iat"] {
        assert_eq!(refused(&without(name)), Some(Malformed), "without {name}");
        assert_eq!(refused(&with(name, Value::Null)), Some(Malformed), "{name}: null");
    }
    let other = "https://g.example/other";
    for (name, value, expected) in [
        ("exp", json!(NOW.0 - 1), Some(Expired)),
        ("exp", json!(NOW.0), Some(Expired)),
        ("exp", json!(NOW.0 + 1), None),
        ("exp", json!(0), Some(Expired)),
        ("nbf", json!(NOW.0 + 61), Some(NotYetValid)),
        ("nbf", json!(NOW.0 + 60), None),
        ("iat", json!(NOW.0 + 61), Some(NotYetValid)),
        ("iss", json!(other), Some(IssuerMismatch)),
        ("iss", json!(format!("{}/", issuer())), Some(IssuerMismatch)),
        ("aud", json!(other), Some(AudienceMismatch)),
        ("aud", json!(format!("{AUDIENCE}/")), Some(AudienceMismatch)),
        ("aud", json!(""), Some(AudienceMismatch)),
        ("aud", json!([AUDIENCE, other]), Some(Malformed)),
        ("aud", json!([]), Some(Malformed)),
    ] {
        assert_eq!(refused(&with(name, value.clone())), expected, "{name}: {value}");
    }
}

/// S51: no other algorithm, no key that the token brings, no extension that must be understood.
#[tokio::test]
async fn s51_headers_cannot_choose_algorithm_or_key() {
    use VerifyError::{AlgNotAllowed, BadSignature, Malformed, UnknownKid};
    let ring = Setup::new().ring(SigningAlgorithm::Es256).await;
    let payload = claims().to_string();
    let kid = ring.ring.load().signing.kid().to_owned();
    let refused = |head: &str| check(&ring, &forge(&ring, head, &payload)).err();

    for alg in ["none", "None", "HS256", "ES384", "es256", ""] {
        let head = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
        assert_eq!(refused(&head), Some(AlgNotAllowed), "{alg}");
    }
    for alg in ["EdDSA", "RS256"] {
        let head = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
        assert_eq!(refused(&head), Some(AlgNotAllowed), "{alg} is not this key's");
    }
    assert_eq!(refused(r#"{"alg":"ES256","typ":"at+jwt"}"#), Some(UnknownKid));
    assert_eq!(refused(r#"{"alg":"ES256","typ":"at+jwt","kid":"../../etc/passwd"}"#), Some(UnknownKid));
    assert_eq!(refused(r#"{"alg":"ES256","typ":"at+jwt","kid":7}"#), Some(Malformed));
    for crit in [r#"["exp"]"#, "[]", "null", r#"["b64"]"#] {
        assert_eq!(refused(&head(&ring, &format!(r#","crit":{crit}"#))), Some(Malformed), "{crit}");
    }
    assert_eq!(refused(&head(&ring, r#","alg":"none""#)), Some(Malformed), "a doubled header parameter");

    // A key that the token brings changes nothing: ours verifies, theirs does not.
    let stranger = Setup::new().ring(SigningAlgorithm::Es256).await;
    let jwk = stranger.jwks()["keys"][0].to_string();
    let brought = format!(r#","jku":"https://evil.example/jwks","x5u":"https://evil.example/","jwk":{jwk}"#);
    assert_eq!(refused(&head(&ring, &brought)), None);
    let foreign = forge(&stranger, &head(&ring, &brought), &payload);
    assert_eq!(check(&ring, &foreign), Err(BadSignature));

    // HS256 with our public key as the secret.
    let public = ring.jwks()["keys"][0].to_string();
    let head = format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#);
    let message = format!("{}.{}", encode_part(&head), encode_part(&payload));
    let secret = EncodingKey::from_secret(public.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &secret, Algorithm::HS256).unwrap();
    assert_eq!(check(&ring, &format!("{message}.{signature}")), Err(AlgNotAllowed));
}

/// S51: doubled keys, absurd numbers, huge tokens, JWE shapes and garbage are refused, never a
/// panic.
#[tokio::test]
async fn s51_hostile_tokens_are_refused() {
    use VerifyError::{BadSignature, Malformed, TooLarge};
    let ring = Setup::new().ring(SigningAlgorithm::Es256).await;
    let head = head(&ring, "");
    let good = claims().to_string();
    let inside = good.strip_suffix('}').unwrap();
    for payload in [
        format!(r#"{inside},"aud":"{AUDIENCE}"}}"#),
        format!(r#"{inside},"exp":9999999999}}"#),
        with("exp", 0).to_string().replace("\"exp\":0", "\"exp\":1e300"),
        with("exp", 0).to_string().replace("\"exp\":0", "\"exp\":-1"),
        with("exp", 0).to_string().replace("\"exp\":0", "\"exp\":99999999999999999999999"),
        with("exp", "soon").to_string(),
        "[]".to_owned(),
        "\"text\"".to_owned(),
        String::new(),
        "[".repeat(8000),
    ] {
        assert_eq!(check(&ring, &forge(&ring, &head, &payload)), Err(Malformed), "{payload:.80}");
    }
    let token = ring.sign("at+jwt", &claims()).unwrap();
    let large = ring.sign("at+jwt", &with("pad", "x".repeat(16 * 1024))).unwrap();
    assert_eq!(check(&ring, &large), Err(TooLarge));
    let jwe = format!("{token}.a.b");
    for text in ["", ".", "..", "...", "a.b.c", "é.é.é", &jwe, &format!("{token}="), &format!(" {token}")] {
        assert!(matches!(check(&ring, text), Err(Malformed | BadSignature)), "{text:.40}");
    }
    let (message, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(check(&ring, &format!("{message}.")), Err(BadSignature));
    for index in 0..message.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        assert!(check(&ring, std::str::from_utf8(&bytes).unwrap()).is_err(), "byte {index}");
    }
    assert!(check(&ring, &format!("{message}.{}", signature.replace(|_| true, "A"))).is_err());
}

/// S52: what we sign for another use is not an access token, and the other way round.
#[tokio::test]
async fn s52_the_type_is_demanded_exactly() {
    use VerifyError::WrongType;
    let ring = Setup::new().ring(SigningAlgorithm::Es256).await;
    for typ in ["JWT", "logout+jwt", "id_token+jwt", "vestibule-assertion+jwt", "at+jwt ", "application/", ""] {
        assert_eq!(check(&ring, &ring.sign(typ, &claims()).unwrap()), Err(WrongType), "{typ}");
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
        assert!(check(&ring, &ring.sign(typ, &claims()).unwrap()).is_ok(), "{typ}");
    }
    let kid = ring.ring.load().signing.kid().to_owned();
    let untyped = forge(&ring, &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), &claims().to_string());
    assert_eq!(check(&ring, &untyped), Err(WrongType));
    let token = ring.sign("at+jwt", &claims()).unwrap();
    assert_eq!(ring.verify::<Value>(&token, "logout+jwt", &issuer(), AUDIENCE, NOW), Err(WrongType));
}
