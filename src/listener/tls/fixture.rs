//! A certificate authority for tests, and folders with what it signed.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use crate::config::plan::TlsPlan;

/// An authority that signs for 127.0.0.1 and localhost.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// `tls.crt` and `tls.key` in a folder of their own.
pub(super) struct Pair {
    pub(super) folder: TempDir,
    pub(super) plan: TlsPlan,
}

/// What stands in the two files.
pub(super) struct Pem {
    pub(super) certificate: String,
    pub(super) key: String,
}

// === impl Authority ===

impl Authority {
    pub(super) fn new() -> Self {
        Self::named("An authority")
    }

    pub(super) fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate with its key; `adjust` may change it before it is signed.
    pub(super) fn issue(&self, adjust: impl FnOnce(&mut CertificateParams)) -> Pem {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        Pem { certificate: params.signed_by(&key, &self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    /// A good pair in files.
    pub(super) fn pair(&self) -> Pair {
        let pair = Pair::new();
        pair.write(&self.issue(|_| {}));
        pair
    }
}

// === impl Pair ===

impl Pair {
    /// Names two files that are not there.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| -> PathBuf { folder.path().join(name) };
        let plan = TlsPlan { certificate: path("tls.crt"), key: path("tls.key") };
        Self { folder, plan }
    }

    pub(super) fn write(&self, pem: &Pem) {
        fs::write(&self.plan.certificate, &pem.certificate).unwrap();
        fs::write(&self.plan.key, &pem.key).unwrap();
    }
}
