//! Collects mistakes while values are read.

use super::value::Refusal;
use crate::{
    config::{
        diagnostic::{Diagnostic, Severity},
        document::{Scalar, SecretSource, keys},
        origin::{Origin, Origins, child, last_key},
        secrets::{SecretError, Secrets},
    },
    private_key::{PrivateKey, PrivateKeyError},
    secret::Secret,
};

/// What was found so far, and where everything was written.
pub(super) struct Report<'a> {
    origins: &'a Origins,
    secrets: &'a Secrets,
    found: Vec<Diagnostic>,
}

// === impl Report ===

impl<'a> Report<'a> {
    pub(super) fn new(origins: &'a Origins, secrets: &'a Secrets) -> Self {
        Self { origins, secrets, found: Vec::new() }
    }

    pub(super) fn into_found(self) -> Vec<Diagnostic> {
        self.found
    }

    /// How many things were found so far.
    pub(super) fn mistakes(&self) -> usize {
        self.found.len()
    }

    /// An error in the value at `path`.
    pub(super) fn error(&mut self, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Error, path, self.origins.of(path), message.into())
    }

    /// An error in the key at `path` itself.
    pub(super) fn key_error(&mut self, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Error, path, self.origins.of_key(path), message.into())
    }

    pub(super) fn warning(&mut self, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Warning, path, self.origins.of(path), message.into())
    }

    pub(super) fn note(&mut self, path: &str, message: impl Into<String>) -> &mut Diagnostic {
        self.add(Severity::Note, path, self.origins.of(path), message.into())
    }

    /// A key that has to be there and is not; `example` is a value for it.
    pub(super) fn missing(&mut self, path: &str, example: &str) {
        let variable = keys::variable(path);
        let key = last_key(path).to_owned();
        let origin = self.origins.of_key(path);
        let help = match (&origin, variable) {
            (Origin::Variable { .. } | Origin::Nowhere, Some(variable)) => format!("set {variable}={example}"),
            (_, Some(variable)) => format!("add `{key}: {example}`, or set {variable}"),
            (_, None) => format!("add `{key}: {example}`"),
        };
        self.add(Severity::Error, path, origin, "is missing".to_owned()).help(help);
    }

    /// Whether somebody wrote a value at `path`.
    pub(super) fn is_written(&self, path: &str) -> bool {
        self.origins.written(path).is_some()
    }

    /// The value of a text, or an error.
    pub(super) fn read<T>(
        &mut self,
        path: &str,
        text: &str,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<T> {
        match read(text) {
            Ok(value) => Some(value),
            Err(refusal) => {
                self.refuse(path, text, refusal);
                None
            }
        }
    }

    /// The value of a scalar; the default if it is not there, or wrong (which is an error).
    pub(super) fn scalar<T>(
        &mut self,
        path: &str,
        scalar: Option<&Scalar>,
        default: T,
        read: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> T {
        scalar.and_then(|scalar| self.read(path, scalar.as_str().trim(), read)).unwrap_or(default)
    }

    /// An error about a text that could not be understood.
    pub(super) fn refuse(&mut self, path: &str, text: &str, refusal: Refusal) {
        let diagnostic = self.error(path, refusal.message);
        diagnostic.offending(text);
        if let Some(help) = refusal.help {
            diagnostic.help(help);
        }
    }

    /// The text of a secret.
    pub(super) fn secret(&mut self, path: &str, source: &SecretSource) -> Option<Secret> {
        let resolved = self.secrets.resolve(source);
        self.resolved(path, source, resolved)
    }

    /// A private key: PEM or a JWK. `None` without an error if it is not read this time.
    pub(super) fn private_key(&mut self, path: &str, source: &SecretSource) -> Option<PrivateKey> {
        let resolved = self.secrets.resolve_text(source);
        let text = self.resolved(path, source, resolved)?;
        if self.secrets.is_assumed(&text) {
            return None;
        }
        let error = match PrivateKey::read(&text) {
            Ok(key) => return Some(key),
            Err(error) => error,
        };
        let help = match error {
            PrivateKeyError::NoKey => {
                "write `{ file: PATH }` for a file, also in a list; a key is made with `openssl genpkey -algorithm EC -pkeyopt \
                 ec_paramgen_curve:P-256 -out signing.pem`"
            }
            PrivateKeyError::PublicOnly => "write the private key that belongs to it",
            PrivateKeyError::Encrypted => {
                "take the password off with `openssl pkey -in KEY -out signing.pem`, and let nobody else read the file"
            }
            PrivateKeyError::Set => "write one JWK of them; several keys are a list in `signing_key`",
            PrivateKeyError::Use => "write a JWK with `kty` EC, OKP or RSA, without `use` or with `\"use\": \"sig\"`",
            _ => {
                "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out signing.pem`; Ed25519, \
                 and RSA from 2048 bits, can be used, too"
            }
        };
        let place = place(path, source);
        let origin = self.origins.of(&place);
        self.add(Severity::Error, path, origin, error.to_string()).help(help);
        None
    }

    fn resolved(
        &mut self,
        path: &str,
        source: &SecretSource,
        resolved: Result<Secret, SecretError<'_>>,
    ) -> Option<Secret> {
        let error = match resolved {
            Ok(secret) => return Some(secret),
            Err(error) => error,
        };
        let help = match &error {
            SecretError::NoVariable(name) => format!("set {name}"),
            SecretError::NoName => "write `{env: AUTH0_CLIENT_SECRET}`, or the secret itself without `env:`".to_owned(),
            SecretError::File(..) => "create the file with the secret in it, readable for this process".to_owned(),
            SecretError::Empty => format!("write the secret, or remove `{}`", last_key(path)),
            SecretError::ControlCharacter => "keep the secret alone, on one line".to_owned(),
        };
        let place = place(path, source);
        let origin = self.origins.of(&place);
        self.add(Severity::Error, path, origin, error.to_string()).help(help);
        None
    }

    fn add(&mut self, severity: Severity, path: &str, origin: Origin, message: String) -> &mut Diagnostic {
        let mut diagnostic = Diagnostic::error(path, origin, message);
        diagnostic.severity = severity;
        self.found.push_mut(diagnostic)
    }
}

/// Where a secret is written.
fn place(path: &str, source: &SecretSource) -> String {
    match source {
        SecretSource::Text(_) => path.to_owned(),
        SecretSource::Env(_) => child(path, "env"),
        SecretSource::File(_) => child(path, "file"),
    }
}
