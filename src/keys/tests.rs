mod interrupted;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Validation};
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::{
    metrics::Metrics,
    oauth::Issuer,
    private_key::PrivateKey,
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
        // One letter a root secret.
        let secrets: Vec<_> = secret.chars().map(|letter| Secret::new(letter.to_string().repeat(32))).collect();
        let sealer = Arc::new(Sealer::new(&secrets).unwrap());
        Records::new(Arc::clone(&self.store), sealer, Metrics::new().unwrap(), self.clock.clone())
    }

    async fn ring(&self, algorithm: SigningAlgorithm) -> KeyRing {
        self.ring_of(&plan(algorithm, &[])).await
    }

    async fn ring_of(&self, plan: &SigningPlan) -> KeyRing {
        KeyRing::load(&self.records("a"), plan, self.clock.clone()).await.unwrap()
    }
}

const SECOND: Duration = Duration::from_secs(1);
const LIFETIME: Duration = SigningPlan::LIFETIME;

fn plan(algorithm: SigningAlgorithm, keys: &[&PrivateKey]) -> SigningPlan {
    SigningPlan { algorithm, keys: keys.iter().copied().cloned().collect(), lifetime: LIFETIME }
}

fn own() -> PrivateKey {
    PrivateKey::generate(SigningAlgorithm::Es256).unwrap()
}

/// What every key does, by name.
fn states(ring: &KeyRing) -> Vec<(String, KeyState)> {
    ring.overview().into_iter().map(|key| (key.kid, key.state)).collect()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

fn sign(ring: &KeyRing) -> String {
    ring.sign("at+jwt", &claims()).unwrap()
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
    let key = Arc::clone(ring.ring.load().signing(NOW));
    let message = format!("{}.{}", encode_part(head), encode_part(payload));
    let encoding = key.encoding().unwrap();
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), encoding, key.algorithm().jose()).unwrap();
    format!("{message}.{signature}")
}

fn head(ring: &KeyRing, more: &str) -> String {
    let kid = ring.ring.load().signing(NOW).kid().to_owned();
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
        tokio::spawn(async move {
            KeyRing::load(&records, &plan(SigningAlgorithm::Es256, &[]), clock).await.unwrap().jwks()
        })
    });
    let sets = futures_util::future::join_all(starts).await;
    let first = sets[0].as_ref().unwrap();
    assert_eq!(first["keys"].as_array().unwrap().len(), 1);
    for set in &sets {
        assert_eq!(set.as_ref().unwrap(), first);
    }
}

#[tokio::test]
async fn a_new_key_is_published_before_it_signs_and_the_old_verifies_after() {
    let setup = Setup::new();
    let ring = setup.ring(SigningAlgorithm::Es256).await;
    let old = sign(&ring);
    setup.hand.advance(Duration::from_secs(5));
    let next = ring.rotate(LEAD).await.unwrap();
    assert_eq!(states(&ring), [(next.clone(), KeyState::Waits), (kid_of(&old), KeyState::Signs)], "newest first");
    assert_eq!(ring.jwks()["keys"][0]["kid"], *next);
    assert_eq!(kid_of(&sign(&ring)), kid_of(&old), "it does not sign yet");
    assert_eq!(ring.rotate(LEAD).await.unwrap(), next, "one that waits is enough");
    assert_eq!(states(&ring).len(), 2);
    assert_eq!(setup.ring(SigningAlgorithm::Es256).await.jwks(), ring.jwks(), "after a restart");

    setup.hand.advance(LEAD.saturating_sub(SECOND));
    assert_eq!(kid_of(&sign(&ring)), kid_of(&old), "the last second");
    setup.hand.advance(SECOND);
    // Nobody told the ring: it is the clock.
    assert_eq!(kid_of(&sign(&ring)), next);
    assert_eq!(states(&ring), [(next.clone(), KeyState::Signs), (kid_of(&old), KeyState::Verifies)]);
    let verify = |token: &str| ring.verify::<Value>(token, "at+jwt", &issuer(), AUDIENCE, setup.clock.now());
    let last = ring.jwks()["keys"].as_array().unwrap().len();
    assert_eq!(last, 2);

    // Longer than the longest token that it signed lives.
    setup.hand.advance(Duration::from_hours(24));
    assert_eq!(verify(&old), Err(VerifyError::Expired), "its key is still there");
    setup.hand.advance(OVERLAP.saturating_sub(Duration::from_hours(24)));
    ring.look_again().await.unwrap();
    assert_eq!(ring.losses(), 0, "nothing went before its time");
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 1);
    assert_eq!(verify(&old), Err(VerifyError::UnknownKid));
}

#[tokio::test]
async fn keys_are_rotated_by_themselves() {
    let setup = Setup::new();
    let (one, two) = (setup.ring(SigningAlgorithm::Es256).await, setup.ring(SigningAlgorithm::Es256).await);
    let first = kid_of(&sign(&one));
    setup.hand.advance(LIFETIME.saturating_sub(LEAD + SECOND));
    one.tend().await.unwrap();
    assert_eq!(states(&one), [(first.clone(), KeyState::Signs)], "a second too early");

    setup.hand.advance(SECOND);
    let (tended, also) = tokio::join!(one.tend(), two.tend());
    tended.unwrap();
    also.unwrap();
    assert_eq!(states(&one), states(&two), "two processes make one key");
    assert_eq!(states(&one).len(), 2);
    let second = states(&one)[0].0.clone();
    for _ in 0..3 {
        setup.hand.advance(LEAD / 4);
        one.tend().await.unwrap();
        assert_eq!(states(&one).len(), 2, "one is enough");
    }
    setup.hand.advance(LEAD / 4);
    assert_eq!(setup.clock.now(), NOW.plus(LIFETIME));
    assert_eq!((kid_of(&sign(&one)), kid_of(&sign(&two))), (second.clone(), second.clone()));

    // A process that slept over it rotates when it wakes, and signs with what it has until then.
    setup.hand.advance(LIFETIME * 2);
    assert_eq!(kid_of(&sign(&one)), second);
    one.tend().await.unwrap();
    assert_eq!(states(&one).iter().map(|(_, state)| *state).collect::<Vec<_>>(), [KeyState::Waits, KeyState::Signs]);
}

#[tokio::test]
async fn a_key_that_somebody_saw_is_replaced_and_revoked() {
    let setup = Setup::new();
    let ring = setup.ring(SigningAlgorithm::Es256).await;
    let old = sign(&ring);
    let old_kid = kid_of(&old);
    assert!(matches!(ring.revoke(&old_kid).await, Err(KeyError::Signs)));
    assert!(!ring.revoke("another").await.unwrap());
    // In the same second, and with another one waiting.
    ring.rotate(LEAD).await.unwrap();
    let new = ring.rotate(Duration::ZERO).await.unwrap();
    assert_eq!(kid_of(&sign(&ring)), new, "at once");
    assert!(check(&ring, &old).is_ok());
    let other = setup.ring(SigningAlgorithm::Es256).await;
    let losses = (ring.losses(), other.losses());
    assert!(ring.revoke(&old_kid).await.unwrap());
    assert_ne!(ring.losses(), losses.0);
    other.look_again().await.unwrap();
    assert_ne!(other.losses(), losses.1, "another process hears of it");
    assert_eq!(check(&ring, &old), Err(VerifyError::UnknownKid));
    let left = states(&setup.ring(SigningAlgorithm::Es256).await);
    assert!(left.contains(&(new.clone(), KeyState::Signs)) && !left.iter().any(|(kid, _)| *kid == old_kid), "{left:?}");
    setup.hand.advance(LEAD);
    assert_eq!(kid_of(&sign(&ring)), new, "the one that waited was overtaken");

    // The one that was to sign next: the next one after it is made at once.
    let waiting = ring.rotate(LEAD).await.unwrap();
    assert!(ring.revoke(&waiting).await.unwrap());
    assert!(!states(&ring).iter().any(|(kid, _)| *kid == waiting));
    let token = sign(&ring);
    assert!(ring.verifying(&kid_of(&token)).is_some());
}

#[tokio::test]
async fn an_own_key_signs_and_its_private_half_is_not_stored() {
    let setup = Setup::new();
    let generated = setup.ring(SigningAlgorithm::Es256).await;
    let before = sign(&generated);
    let key = own();
    let ring = setup.ring_of(&plan(SigningAlgorithm::Es256, &[&key])).await;
    ring.tend().await.unwrap();
    let token = sign(&ring);
    assert_eq!(kid_of(&token), key.kid());
    assert!(check(&ring, &before).is_ok(), "what was signed before");
    assert_eq!(
        states(&ring).into_iter().find(|(kid, _)| *kid == kid_of(&before)).unwrap().1,
        KeyState::Verifies,
        "the key that was made here has an end"
    );

    // Another process that has not heard of it: it asks the store.
    assert_eq!(check(&generated, &token), Err(VerifyError::UnknownKid));
    generated.look_again().await.unwrap();
    assert!(check(&generated, &token).is_ok());
    assert_eq!(kid_of(&sign(&generated)), kid_of(&before), "it cannot sign with it");
    for (_, sealed) in setup.records("a").list::<StoredKey>().await.unwrap() {
        let text = serde_json::to_string(&sealed.value).unwrap();
        assert!(!text.contains("\"d\""), "{text}");
    }

    assert!(matches!(ring.rotate(LEAD).await, Err(KeyError::Brought)));
    assert!(matches!(ring.revoke(key.kid()).await, Err(KeyError::Configured)));
}

#[tokio::test]
async fn an_own_key_is_replaced_with_overlap() {
    let setup = Setup::new();
    let (old, new) = (own(), PrivateKey::generate(SigningAlgorithm::EdDsa).unwrap());
    let ring = setup.ring_of(&plan(SigningAlgorithm::Es256, &[&old])).await;
    ring.tend().await.unwrap();
    let before = sign(&ring);
    // Known as long as it is configured, however long that is.
    for _ in 0..10 {
        setup.hand.advance(OVERLAP);
        ring.tend().await.unwrap();
        let other = setup.ring(SigningAlgorithm::Es256).await;
        assert!(other.verifying(old.kid()).is_some());
    }

    // Even if the file was simply overwritten, the store still knows the public half for a while.
    ring.change(&plan(SigningAlgorithm::EdDsa, &[&new])).await.unwrap();
    ring.tend().await.unwrap();
    assert_eq!(kid_of(&sign(&ring)), new.kid());
    assert!(ring.verifying(&kid_of(&before)).is_some());
    setup.hand.advance(OVERLAP * 2);
    assert!(ring.verifying(&kid_of(&before)).is_none());

    // Both configured: the second one verifies, and does not sign.
    ring.change(&plan(SigningAlgorithm::EdDsa, &[&new, &old])).await.unwrap();
    assert_eq!(kid_of(&sign(&ring)), new.kid());
    assert!(ring.verifying(old.kid()).is_some());

    // Back to keys that are made here.
    ring.change(&plan(SigningAlgorithm::Es256, &[])).await.unwrap();
    let made = kid_of(&sign(&ring));
    assert!(![old.kid(), new.kid()].contains(&made.as_str()));
    assert!(ring.verifying(&made).is_some());
}

/// Issue: an old root secret could not be removed without a new signing key, which refused every token.
#[tokio::test]
async fn keys_are_sealed_anew_and_the_old_root_secret_can_go() {
    let setup = Setup::new();
    let kid = kid_of(&sign(&setup.ring(SigningAlgorithm::Es256).await));
    let es256 = plan(SigningAlgorithm::Es256, &[]);
    let ring = async |secrets| KeyRing::load(&setup.records(secrets), &es256, setup.clock.clone()).await.unwrap();
    ring("ba").await.tend().await.unwrap();
    let after = ring("b").await;
    assert_eq!(states(&after), [(kid, KeyState::Signs)]);
    after.rotate(LEAD).await.unwrap();
    assert_eq!(states(&ring("b").await).len(), 2, "what was made last was known, too");
}

#[tokio::test]
async fn another_algorithm_makes_a_new_key_and_keeps_the_old_for_a_while() {
    let setup = Setup::new();
    let old = setup.ring(SigningAlgorithm::Es256).await.sign("at+jwt", &claims()).unwrap();
    let ring = setup.ring(SigningAlgorithm::EdDsa).await;
    assert!(check(&ring, &old).is_ok());
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 2);
    setup.hand.advance(OVERLAP);
    assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_root_secret_makes_a_new_key_instead_of_an_error() {
    let setup = Setup::new();
    let old = setup.ring(SigningAlgorithm::Es256).await.sign("at+jwt", &claims()).unwrap();
    let ring =
        KeyRing::load(&setup.records("b"), &plan(SigningAlgorithm::Es256, &[]), setup.clock.clone()).await.unwrap();
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
    let kid = ring.ring.load().signing(NOW).kid().to_owned();
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
    let kid = ring.ring.load().signing(NOW).kid().to_owned();
    let untyped = forge(&ring, &format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), &claims().to_string());
    assert_eq!(check(&ring, &untyped), Err(WrongType));
    let token = ring.sign("at+jwt", &claims()).unwrap();
    assert_eq!(ring.verify::<Value>(&token, "logout+jwt", &issuer(), AUDIENCE, NOW), Err(WrongType));
}
