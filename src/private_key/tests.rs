use aws_lc_rs::{
    encoding::{AsBigEndian, AsDer, EcPrivateKeyBin, EcPrivateKeyRfc5915Der},
    signature::KeyPair as _,
};
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

fn text(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn read(text: impl Into<String>) -> Result<PrivateKey, PrivateKeyError> {
    PrivateKey::read(&Secret::new(text))
}

fn public(key: &PrivateKey) -> Value {
    serde_json::to_value(key.signer().unwrap().1).unwrap()
}

/// A JWK of the public half with more members.
fn jwk(key: &PrivateKey, more: &Value) -> Value {
    let mut jwk = public(key);
    jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    jwk
}

fn ec() -> (PrivateKey, EcdsaKeyPair) {
    let key = PrivateKey::generate(SigningAlgorithm::Es256).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.to_pkcs8()).unwrap();
    (key, pair)
}

fn ec_jwk() -> (PrivateKey, Value) {
    let (key, pair) = ec();
    let d = AsBigEndian::<EcPrivateKeyBin<'_>>::as_be_bytes(&pair.private_key()).unwrap();
    let private = jwk(&key, &json!({ "d": URL_SAFE_NO_PAD.encode(d.as_ref()) }));
    (key, private)
}

#[test]
fn pem_of_every_kind_is_read() {
    for algorithm in SigningAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        assert_eq!(read(text("PRIVATE KEY", &key.to_pkcs8())).unwrap(), key, "{algorithm:?}");
        assert_eq!(PrivateKey::from_pkcs8(algorithm, &key.to_pkcs8()).unwrap(), key);
    }
    let (key, pair) = ec();
    let sec1 = AsDer::<EcPrivateKeyRfc5915Der<'_>>::as_der(&pair.private_key()).unwrap();
    // `openssl ecparam -genkey` writes the curve in front.
    let parameters = text("EC PARAMETERS", &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]);
    assert_eq!(read(parameters + &text("EC PRIVATE KEY", sec1.as_ref())).unwrap(), key);
    // Inside PKCS#8, behind a header that is always as long for keys of this size.
    let key = PrivateKey::generate(SigningAlgorithm::Rs256).unwrap();
    assert_eq!(read(text("RSA PRIVATE KEY", &key.to_pkcs8()[26..])).unwrap(), key);
}

#[test]
fn jwks_are_read() {
    let (key, private) = ec_jwk();
    assert_eq!(read(private.to_string()).unwrap(), key);
    let more = json!({ "use": "sig", "kid": "mine", "alg": "ES256", "key_ops": ["sign"] });
    let mut described = private;
    described.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(read(format!(" {described} ")).unwrap(), key);

    let key = PrivateKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(&key.to_pkcs8()).unwrap();
    let seed = pair.seed().unwrap();
    let d = URL_SAFE_NO_PAD.encode(seed.as_be_bytes().unwrap().as_ref());
    assert_eq!(read(jwk(&key, &json!({ "d": d })).to_string()).unwrap(), key);
    assert_eq!(public(&key)["x"], *URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()));
}

#[test]
fn what_cannot_sign_here_is_refused_and_says_why() {
    use PrivateKeyError::{Encrypted, NoKey, PublicOnly, Set, Unsuitable, Use};
    let (key, private) = ec_jwk();
    let (_, other) = ec_jwk();
    let with = |name: &str, value: Value| {
        let mut jwk = private.clone();
        jwk[name] = value;
        jwk.to_string()
    };
    let whole = text("PRIVATE KEY", &key.to_pkcs8());
    let p384 = EcdsaKeyPair::generate(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    for (text, expected) in [
        (String::new(), NoKey),
        ("a text".to_owned(), NoKey),
        (text("CERTIFICATE", b"x"), PublicOnly),
        (text("PUBLIC KEY", b"x"), PublicOnly),
        (text("ENCRYPTED PRIVATE KEY", b"x"), Encrypted),
        ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n".to_owned(), Encrypted),
        (text("PRIVATE KEY", b"x"), Unsuitable),
        (text("PRIVATE KEY", &key.to_pkcs8()[1..]), Unsuitable),
        (text("PRIVATE KEY", p384.to_pkcs8v1().unwrap().as_ref()), Unsuitable),
        (text("RSA PRIVATE KEY", &key.to_pkcs8()), Unsuitable),
        (whole.replace("END", "FIN"), Unsuitable),
        ("{".to_owned(), Unsuitable),
        (json!({ "kty": "oct", "k": "AAAA" }).to_string(), Use),
        (with("use", json!("enc")), Use),
        (json!({ "keys": [private] }).to_string(), Set),
        (public(&key).to_string(), PublicOnly),
        (with("d", json!("AA")), Unsuitable),
        (with("d", json!("no base64url!")), Unsuitable),
        (with("d", other["d"].clone()), Unsuitable),
        (with("crv", json!("P-384")), Unsuitable),
        (with("kty", json!("RSA")), Unsuitable),
    ] {
        assert_eq!(read(text.clone()).err(), Some(expected), "{text:.60}");
    }
}

#[test]
fn nothing_private_is_printed() {
    let (key, private) = ec_jwk();
    let printed = format!("{key:?} {:?}", Secret::new(private.to_string()));
    assert!(printed.contains(key.kid()));
    assert!(!printed.contains(private["d"].as_str().unwrap()) && !printed.contains(key.pkcs8.expose()));
}
