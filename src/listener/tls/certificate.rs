//! A certificate and its key, from two PEM files: read, matched and dated before anybody is shown
//! them.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};
use x509_cert::der::Decode as _;

use crate::{config::plan::TlsPlan, time::Timestamp};

/// Bytes of one PEM file: many times what the longest chain needs.
const MAX_FILE: u64 = 1024 * 1024;

/// A chain with its private key: they belong together, and were valid when they were loaded.
#[derive(Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    name: String,
    not_after: Timestamp,
}

/// Why a certificate cannot be used. Says which file, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The file is missing, or not ours to read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// More than a PEM file ever is.
    #[error("{} is larger than 1 MiB, which no certificate or key is: name another file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Half written, or damaged. What exactly is not told: it may be a part of a key.
    #[error("{} is not valid PEM, it looks cut short or damaged: write it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Perhaps the two files are exchanged.
    #[error(
        "{} holds no certificate: it must have a block that starts with `-----BEGIN CERTIFICATE-----`, the server's \
         certificate first and the rest of the chain after it",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Perhaps the two files are exchanged.
    #[error(
        "{} holds no private key: it must have a block that starts with `-----BEGIN PRIVATE KEY-----` (or EC PRIVATE \
         KEY, or RSA PRIVATE KEY)",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Nobody is there to type a password.
    #[error("the private key in {} is encrypted: decrypt it with `openssl pkey`", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// Damaged inside, or of a kind that TLS 1.2 and 1.3 do not use.
    #[error(
        "the private key in {} cannot be used: make one for ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048 bits \
         and more)",
        path.display()
    )]
    UnusableKey {
        /// The file.
        path: PathBuf,
    },
    /// Damaged inside, or older than X.509 version 3.
    #[error("the first certificate in {} cannot be used: it must be an intact X.509 version 3 certificate", path.display())]
    UnusableCertificate {
        /// The file.
        path: PathBuf,
    },
    /// Two pairs mixed, or the chain in the wrong order.
    #[error(
        "the private key in {} does not belong to the first certificate in {}: name files of one pair, with the \
         server's own certificate first",
        key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// No client would accept it.
    #[error("the certificate in {} expired on {not_after}: renew it", path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// Its last second.
        not_after: Timestamp,
    },
    /// No client would accept it yet.
    #[error(
        "the certificate in {} is valid from {not_before} on, and this machine's clock says {now}: correct the clock, \
         or wait",
        path.display()
    )]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// Its first second.
        not_before: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// The cryptography refused what we ask of it.
    #[error("TLS cannot be set up: {0}")]
    Settings(#[source] rustls::Error),
}

// === impl Certificate ===

impl Certificate {
    /// Reads both files and checks that a client could accept what is in them. Blocks for as long
    /// as two small files take.
    ///
    /// # Errors
    /// [`TlsError`], with the file's name.
    pub fn load(plan: &TlsPlan, now: Timestamp) -> Result<Self, TlsError> {
        let chain = read_chain(&plan.certificate)?;
        let key = read_key(&plan.key)?;
        let key = super::provider()
            .key_provider
            .load_private_key(key)
            .map_err(|_| TlsError::UnusableKey { path: plan.key.clone() })?;
        let not_after = check_validity(&chain, &plan.certificate, now)?;
        let key = CertifiedKey::new(chain, key);
        key.keys_match().map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: plan.certificate.clone(), key: plan.key.clone() }
            }
            _ => TlsError::UnusableCertificate { path: plan.certificate.clone() },
        })?;
        Ok(Self { key: Arc::new(key), name: plan.certificate.display().to_string(), not_after })
    }

    /// The file that it came from, as configured.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last second in which clients accept it.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// The same chain has the same key.
    pub(super) fn has_chain_of(&self, other: &CertifiedKey) -> bool {
        self.key.cert == other.cert
    }

    pub(super) fn into_key(self) -> Arc<CertifiedKey> {
        self.key
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Unreadable { path: path.to_path_buf(), source })?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(bytes)
    } else {
        Err(TlsError::TooLarge { path: path.to_path_buf() })
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| TlsError::Damaged { path: path.to_path_buf() })?;
    if chain.is_empty() { Err(TlsError::NoCertificate { path: path.to_path_buf() }) } else { Ok(chain) }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = read(path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let path = path.to_path_buf();
        match error {
            pem::Error::NoItemsFound if says_encrypted(&bytes) => TlsError::EncryptedKey { path },
            pem::Error::NoItemsFound => TlsError::NoKey { path },
            _ => TlsError::Damaged { path },
        }
    })
}

fn says_encrypted(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";
    pem.windows(BEGIN.len()).any(|window| window == BEGIN)
}

/// The end of the first certificate's validity. The others are the issuers' business: a chain may
/// carry an expired one on purpose, for old clients.
fn check_validity(chain: &[CertificateDer<'_>], path: &Path, now: Timestamp) -> Result<Timestamp, TlsError> {
    let path = path.to_path_buf();
    let Some(certificate) = chain.first().and_then(|first| x509_cert::Certificate::from_der(first).ok()) else {
        return Err(TlsError::UnusableCertificate { path });
    };
    let validity = certificate.tbs_certificate().validity();
    let not_before = Timestamp(validity.not_before.to_unix_duration().as_secs());
    let not_after = Timestamp(validity.not_after.to_unix_duration().as_secs());
    if now > not_after {
        Err(TlsError::Expired { path, not_after })
    } else if now < not_before {
        Err(TlsError::NotYetValid { path, not_before, now })
    } else {
        Ok(not_after)
    }
}

#[cfg(test)]
mod tests;
