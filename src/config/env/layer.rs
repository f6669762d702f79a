//! Puts blocks of variables over a document, and notes where each value now comes from.

use std::collections::BTreeSet;

use super::{
    field::{FILE, Field, Kind, Shape, numbered},
    tables::{Leaf, Slot, Table},
    values::Values,
};
use crate::config::{
    diagnostic::{Diagnostic, Diagnostics},
    document::SecretSource,
    origin::{Origin, Origins, child, item},
};
use crate::secret::Secret;

/// The place in the document that is written to, and the prefix of the variables that say it.
pub(super) struct Layer<'a> {
    pub(super) variables: &'a Values,
    pub(super) origins: &'a mut Origins,
    pub(super) found: &'a mut Diagnostics,
    pub(super) prefix: String,
    pub(super) path: String,
}

// === impl Layer ===

impl Layer<'_> {
    /// Reads the block, and what lies below it.
    pub(super) fn read<T: Table>(&mut self, table: &mut T) {
        let leaves = T::fields().into_iter().filter(|field| matches!(field.shape, Shape::Leaf(_)));
        let pairs: Vec<_> =
            leaves.filter_map(|Field { name, .. }| self.variables.pair(&self.variable(&name))).collect();
        let read = |pairs: Vec<(String, String)>| envy::prefixed(self.prefix.as_str()).from_iter::<_, T>(pairs);
        if let Ok(over) = read(pairs.clone()) {
            return table.put(over, self);
        }
        // envy's message repeats the value, which may be a secret.
        let wrong = pairs.into_iter().filter(|pair| read(vec![pair.clone()]).is_err());
        let origins: Vec<_> = wrong.map(|(name, _)| self.variables.origin(&name)).collect();
        for origin in origins {
            let mut diagnostic = Diagnostic::error(self.path.as_str(), origin, "cannot be understood");
            diagnostic.help("docs/configuration.md says what the key may be");
            self.found.push(diagnostic);
        }
    }

    /// Sets a value, from the variable of its name or from the file that the variable with
    /// `_FILE` names.
    pub(super) fn set<T: Leaf>(&mut self, slot: &mut Option<T>, value: Option<T>, key: &'static str) {
        let name = self.variable(&key.to_ascii_uppercase());
        let path = child(&self.path, key);
        if T::KIND == Kind::Plain {
            self.take(slot, value, path, &name);
            return;
        }
        let file = format!("{name}{FILE}");
        let from_file = self.variables.get(&file).and_then(T::from_file);
        if value.is_some() && from_file.is_some() {
            self.twice(&file, &name);
        }
        if T::KIND == Kind::Secrets {
            let alone = value.as_ref().map(|_| name.as_str()).or(from_file.as_ref().map(|_| file.as_str()));
            self.set_many(slot, &path, &name, alone);
        }
        self.take(slot, value, path.clone(), &name);
        self.take(slot, from_file, path, &file);
    }

    /// Several secrets, from the same name with numbers.
    fn set_many<T: Leaf>(&mut self, slot: &mut Option<T>, path: &str, base: &str, alone: Option<&str>) {
        let mut secrets = Vec::new();
        let mut origins = Vec::new();
        for number in self.numbers(base) {
            let name = format!("{base}_{number}");
            let file = format!("{name}{FILE}");
            let text = self.variables.get(&name).map(|text| SecretSource::Text(Secret::new(text)));
            let from_file = self.variables.get(&file).and_then(SecretSource::from_file);
            if text.is_some() && from_file.is_some() {
                self.twice(&file, &name);
            }
            let name = if text.is_some() { name } else { file };
            if let Some(alone) = alone {
                self.twice(&name, alone);
            }
            if number != secrets.len() + 1 {
                self.gap(&name, number, secrets.len() + 1);
                return;
            }
            origins.push(self.variables.origin(&name));
            secrets.extend(text.or(from_file));
        }
        let Some(first) = origins.first() else { return };
        self.origins.replace(path.to_owned(), first.clone());
        for (index, origin) in origins.into_iter().enumerate() {
            self.origins.set(item(path, index), origin);
        }
        *slot = T::from_many(secrets);
    }

    /// The table at a key, if a variable says something about it.
    pub(super) fn table<S: Slot>(&mut self, slot: &mut S, key: &'static str) {
        let prefix = self.variable(&format!("{}_", key.to_ascii_uppercase()));
        if self.variables.any_below(&prefix) {
            let path = child(&self.path, key);
            slot.change(|table| self.inside(prefix, path, |layer| layer.read(table)));
        }
    }

    /// The numbered tables of a list: those that are there, and the next ones.
    pub(super) fn list<T: Table>(&mut self, items: &mut Vec<T>, key: &'static str) {
        let name = self.variable(&key.to_ascii_uppercase());
        for number in self.numbers(&name) {
            let prefix = format!("{name}_{number}_");
            if number > items.len() + 1 {
                let written = self.variables.first_below(&prefix).unwrap_or_default();
                self.gap(&written, number, items.len() + 1);
                return;
            }
            let path = item(&child(&self.path, key), number - 1);
            if number > items.len() {
                items.push(T::default());
                let origin = self.variables.first_below(&prefix).map(|first| self.variables.origin(&first));
                self.origins.set(path.clone(), origin.unwrap_or_default());
            }
            if let Some(item) = items.get_mut(number - 1) {
                self.inside(prefix, path, |layer| layer.read(item));
            }
        }
    }

    fn take<T>(&mut self, slot: &mut Option<T>, value: Option<T>, path: String, variable: &str) {
        if value.is_some() {
            *slot = value;
            self.origins.replace(path, self.variables.origin(variable));
        }
    }

    fn inside(&mut self, prefix: String, path: String, read: impl FnOnce(&mut Layer<'_>)) {
        let Self { variables, origins, found, .. } = self;
        read(&mut Layer { variables, origins, found, prefix, path });
    }

    fn variable(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The numbers that follow a name.
    fn numbers(&self, name: &str) -> BTreeSet<usize> {
        let below = self.variables.below(name);
        below.filter_map(|found| Some(numbered(found.strip_prefix(name)?)?.0)).collect()
    }

    fn twice(&mut self, name: &str, other: &str) {
        let other = self.variables.origin(other);
        let message = format!("is set as well as {other}");
        let mut diagnostic = Diagnostic::error("", self.variables.origin(name), message);
        diagnostic.help("keep one of the two");
        self.found.push(diagnostic);
    }

    fn gap(&mut self, name: &str, number: usize, expected: usize) {
        let origin = self.variables.origin(name);
        let written = if let Origin::Variable { name, .. } = &origin { name.as_str() } else { name };
        let number = format!("_{number}");
        let instead = match written.rfind(&number).and_then(|at| written.split_at_checked(at)) {
            Some((before, rest)) => format!("{before}_{expected}{}", rest.strip_prefix(&number).unwrap_or_default()),
            None => written.to_owned(),
        };
        let mut diagnostic = Diagnostic::error("", origin, "leaves out a number");
        diagnostic.help(format!("number them 1, 2, 3 …: write `{instead}`"));
        self.found.push(diagnostic);
    }
}
