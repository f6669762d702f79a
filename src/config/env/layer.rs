//! Puts single variables over a document and notes where each value now comes from.

use crate::config::{
    diagnostic::{Diagnostic, Diagnostics},
    document::SecretSource,
    origin::{Origin, Origins, child},
    source::Environment,
};

/// One block of variables, and the part of the document that it describes.
pub(super) struct Layer<'a> {
    prefix: &'a str,
    path: &'a str,
    environment: &'a Environment,
    origins: &'a mut Origins,
}

// === impl Layer ===

impl<'a> Layer<'a> {
    pub(super) fn new(prefix: &'a str, path: &'a str, environment: &'a Environment, origins: &'a mut Origins) -> Self {
        Self { prefix, path, environment, origins }
    }

    /// Sets `key` (`limits.connections`) from the variable of the same name (`LIMITS_CONNECTIONS`).
    pub(super) fn set<T>(&mut self, slot: &mut Option<T>, value: Option<T>, key: &str) {
        let variable = key.replace('.', "_").to_ascii_uppercase();
        self.set_as(slot, value, key, &variable);
    }

    /// The same where the names differ.
    pub(super) fn set_as<T>(&mut self, slot: &mut Option<T>, value: Option<T>, key: &str, variable: &str) {
        let Some(value) = value else { return };
        *slot = Some(value);
        let origin = self.origin(variable);
        self.origins.replace(child(self.path, key), origin);
    }

    /// A secret from `<KEY>`, or from the file that `<KEY>_FILE` names.
    pub(super) fn secret(
        &mut self,
        slot: &mut Option<SecretSource>,
        text: Option<SecretSource>,
        file: Option<String>,
        key: &str,
        found: &mut Diagnostics,
    ) {
        let variable = key.replace('.', "_").to_ascii_uppercase();
        let file_variable = format!("{variable}_FILE");
        if text.is_some() && file.is_some() {
            let message = format!("is set as well as {}{variable}", self.prefix);
            let mut diagnostic = Diagnostic::error("", self.origin(&file_variable), message);
            diagnostic.help("keep one of the two");
            found.push(diagnostic);
        }
        self.set_as(slot, text, key, &variable);
        self.set_as(slot, file.map(SecretSource::File), key, &file_variable);
    }

    /// The variable with this name in the block.
    pub(super) fn origin(&self, variable: &str) -> Origin {
        self.environment.origin(&format!("{}{variable}", self.prefix))
    }
}
