use std::{fs, time::SystemTime};

use rcgen::{KeyPair, date_time_ymd};

use super::{
    super::fixture::{Authority, Pair, Pem},
    *,
};
use crate::time::Clock;

/// 2030-01-01T00:00:00Z.
const NEW_YEAR_2030: Timestamp = Timestamp(1_893_456_000);

fn load(pair: &Pair) -> Result<Certificate, TlsError> {
    Certificate::load(&pair.plan, Clock::system().now())
}

fn refusal(pair: &Pair) -> String {
    load(pair).map(drop).unwrap_err().to_string()
}

#[test]
fn a_good_pair_is_loaded_with_its_end() {
    let authority = Authority::new();
    let pair = Pair::new();
    pair.write(&authority.issue(|params| params.not_after = date_time_ymd(2040, 1, 1)));
    let certificate = load(&pair).unwrap();
    assert_eq!(certificate.not_after(), Timestamp(2_208_988_800));
    assert_eq!(certificate.name(), pair.plan.certificate.to_str().unwrap());
}

#[test]
fn key_and_chain_may_stand_in_one_file_with_text_around_them() {
    let authority = Authority::new();
    let Pem { certificate, key } = authority.issue(|_| {});
    let mut pair = Pair::new();
    let text = format!("Bag Attributes\n  friendlyName: vestibule\n{key}\n{certificate}\n{}\n# end\n", authority.pem());
    fs::write(&pair.plan.certificate, text).unwrap();
    pair.plan.key.clone_from(&pair.plan.certificate);
    assert_eq!(load(&pair).unwrap().into_key().cert.len(), 2);
}

#[test]
fn every_kind_of_key_in_use_is_loaded() {
    for kind in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(kind).unwrap();
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let pair = Pair::new();
        pair.write(&Pem { certificate: certificate.pem(), key: key.serialize_pem() });
        load(&pair).unwrap();
    }
}

#[test]
fn the_validity_counts_from_its_first_second_to_its_last() {
    let authority = Authority::new();
    let pair = Pair::new();
    pair.write(&authority.issue(|params| {
        params.not_before = date_time_ymd(2030, 1, 1);
        params.not_after = date_time_ymd(2030, 1, 2);
    }));
    let last = Timestamp(NEW_YEAR_2030.0 + 86_400);
    for (now, expected) in [
        (Timestamp(NEW_YEAR_2030.0 - 1), "valid from 2030-01-01T00:00:00Z on"),
        (NEW_YEAR_2030, ""),
        (last, ""),
        (Timestamp(last.0 + 1), "expired on 2030-01-02T00:00:00Z: renew it"),
    ] {
        match Certificate::load(&pair.plan, now) {
            Ok(_) => assert_eq!(expected, "", "{now}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!expected.is_empty() && error.contains(expected), "{now}: {error}");
                assert!(error.contains("tls.crt"), "{error}");
            }
        }
    }
}

/// An issuer's certificate that has expired is left to the clients: some chains carry one on purpose.
#[test]
fn only_the_first_certificate_is_dated() {
    let authority = Authority::new();
    let mut pem = authority.issue(|_| {});
    pem.certificate.push_str(&authority.issue(|params| params.not_after = date_time_ymd(2001, 1, 1)).certificate);
    let pair = Pair::new();
    pair.write(&pem);
    load(&pair).unwrap();
}

/// S81: each way in which two files can be wrong has a text that names the file and the way out.
#[test]
fn s81_every_broken_pair_is_refused_with_a_reason() {
    let authority = Authority::new();
    let good = authority.issue(|_| {});
    let other = authority.issue(|_| {});
    let half = |text: &str| text.chars().take(text.len() / 2).collect::<String>();
    let swap = |text: &str, from: &str, to: &str| text.replace(from, to);
    let cases = [
        (String::new(), good.key.clone(), "tls.crt holds no certificate"),
        (good.key.clone(), good.certificate.clone(), "tls.crt holds no certificate"),
        (good.certificate.clone(), String::new(), "tls.key holds no private key"),
        (good.certificate.clone(), good.certificate.clone(), "tls.key holds no private key"),
        (half(&good.certificate), good.key.clone(), "tls.crt is not valid PEM"),
        (good.certificate.clone(), half(&good.key), "tls.key is not valid PEM"),
        (swap(&good.certificate, "MII", "M!I"), good.key.clone(), "tls.crt is not valid PEM"),
        (swap(&good.certificate, "MII", "MIA"), good.key.clone(), "the first certificate in"),
        (good.certificate.clone(), swap(&good.key, "MIG", "MIA"), "tls.key cannot be used"),
        (
            good.certificate.clone(),
            swap(&good.key, "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            "tls.key is encrypted: decrypt it",
        ),
        (good.certificate.clone(), other.key.clone(), "does not belong to the first certificate in"),
        (authority.pem() + &good.certificate, good.key.clone(), "does not belong to the first certificate in"),
        ("x".repeat(1024 * 1024 + 1), good.key.clone(), "tls.crt is larger than 1 MiB"),
    ];
    for (certificate, key, expected) in cases {
        let pair = Pair::new();
        let secrets: Vec<String> = key.lines().filter(|line| !line.starts_with("---")).map(str::to_owned).collect();
        pair.write(&Pem { certificate, key });
        let refusal = refusal(&pair);
        assert!(refusal.contains(expected), "{expected}: {refusal}");
        assert!(refusal.contains(pair.folder.path().to_str().unwrap()), "{refusal}");
        assert!(secrets.iter().all(|line| !refusal.contains(line.as_str())), "a line of the key: {refusal}");
    }
}

#[test]
fn s81_a_missing_file_is_named() {
    let pair = Authority::new().pair();
    fs::remove_file(&pair.plan.key).unwrap();
    let refusal = refusal(&pair);
    assert!(refusal.starts_with("cannot read ") && refusal.contains("tls.key: No such file"), "{refusal}");
}

/// A file that never ends costs 1 MiB of memory, not all of it.
#[cfg(unix)]
#[test]
fn an_endless_file_is_refused() {
    let mut pair = Authority::new().pair();
    pair.plan.certificate = "/dev/zero".into();
    let begun = SystemTime::now();
    assert!(refusal(&pair).contains("larger than 1 MiB"));
    assert!(begun.elapsed().unwrap().as_secs() < 10);
}
