//! The names of all keys, read from the types themselves, so that no second list can be wrong.

use serde::{
    Deserialize, Deserializer,
    de::{Visitor, value::Error},
    forward_to_deserialize_any,
};

use super::{
    Client, Document, IdentityHeaders, IdentityMembers, Introspection, Lifetimes, Limits, LogTable, Policy, Provider,
    Route, StorageTable, Tls,
};

/// Keys whose values are never shown, wherever they stand. `key` is a path, unless somebody wrote
/// the private key itself there.
pub const SECRET: [&str; 7] =
    ["secret", "client_secret", "password", "key", "extra_authorize_params", "extra_token_params", "set_headers"];

/// The field names of a struct, as its `Deserialize` asks for them.
pub fn of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_unit()
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _name: &'static str,
            fields: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, Error> {
            *self.0 = fields;
            visitor.visit_unit()
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut fields: &'static [&'static str] = &[];
    // Always an error, a unit is no struct: only the question matters.
    let _unit = T::deserialize(Ask(&mut fields)).is_ok();
    fields
}

/// Every key as a path; `<name>` stands for a provider's name, `[]` for a list's item.
pub fn all() -> Vec<String> {
    const PROVIDER: &str = "providers.<name>";
    let tables: [(&str, &[&str]); 14] = [
        ("", of::<Document>()),
        ("tls", of::<Tls>()),
        ("storage", of::<StorageTable>()),
        ("limits", of::<Limits>()),
        ("log", of::<LogTable>()),
        (PROVIDER, of::<Provider>()),
        ("providers.<name>.identity", of::<IdentityMembers>()),
        ("providers.<name>.introspection", of::<Introspection>()),
        ("providers.<name>.clients[]", of::<Client>()),
        ("providers.<name>.lifetimes", of::<Lifetimes>()),
        ("providers.<name>.policy", of::<Policy>()),
        ("providers.<name>.routes[].policy", of::<Policy>()),
        ("providers.<name>.routes[]", of::<Route>()),
        ("providers.<name>.routes[].identity_headers", of::<IdentityHeaders>()),
    ];
    let under = |table: &str, key: &str| if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
    tables.iter().flat_map(|(table, keys)| keys.iter().map(move |key| under(table, key))).collect()
}

/// Tables with a variable: a single value can stand for the first two, names for the third.
const SHORT: [&str; 3] = ["storage", "log", "providers"];

/// Tables whose keys are anybody's, and which are one value of a variable.
pub const BY_NAME: [&str; 4] = ["extra_authorize_params", "extra_token_params", "policy.claims", "set_headers"];

/// The environment variable that sets the key at a path (of [`all`], or of a real configuration):
/// the path in capitals, with `_` between its parts, items of lists numbered from 1, and without
/// `providers`. `None` for tables, which have none.
pub fn variable(path: &str) -> Option<String> {
    let pattern = pattern(path);
    let below = [format!("{pattern}."), format!("{pattern}[].")];
    let is_table = all().iter().any(|key| below.iter().any(|below| key.starts_with(below)));
    if is_table && !SHORT.contains(&path) {
        return None;
    }
    // Names of claims and parameters may hold what a variable's may not: they are in the value.
    let path =
        BY_NAME.iter().find_map(|key| path.get(..path.find(&format!(".{key}."))? + 1 + key.len())).unwrap_or(path);
    let parts = path.split('.').enumerate().filter(|(depth, part)| match (path.starts_with("providers."), depth) {
        (true, 0) => false,
        (true, 1) => *part != ONLY_PROVIDER,
        _ => true,
    });
    let names = parts.map(|(_, part)| {
        let (key, index) = part.split_once('[').map_or((part, None), |(key, index)| (key, index.strip_suffix(']')));
        let number = match index.map(str::parse::<usize>) {
            None => String::new(),
            Some(Ok(index)) => format!("_{}", index + 1),
            Some(Err(_)) => "_<N>".to_owned(),
        };
        format!("_{}{number}", key.replace('-', "_").to_ascii_uppercase())
    });
    Some(format!("VESTIBULE{}", names.collect::<String>()))
}

/// The path of [`all`] that a real path is one of.
fn pattern(path: &str) -> String {
    let parts = path.split('.').enumerate().map(|(depth, part)| match part.split_once('[') {
        Some((key, _)) => format!("{key}[]"),
        None if depth == 1 && path.starts_with("providers.") => "<name>".to_owned(),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(".")
}

/// Name of a provider that needs none, because it is the only one.
pub const ONLY_PROVIDER: &str = "default";

/// Whether a value below this key may be shown to a person: the key is known and no secret.
pub fn is_public(key: &str) -> bool {
    !SECRET.contains(&key) && all().iter().any(|path| path.rsplit('.').next() == Some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_the_types() {
        let keys = all();
        for key in ["public_url", "storage.path", "providers.<name>.client_id", "providers.<name>.routes[].max_body"] {
            assert!(keys.iter().any(|known| known == key), "{key}");
        }
        assert!(keys.len() > 60);
    }

    #[test]
    fn secrets_and_unknown_keys_are_not_public() {
        assert!(is_public("config_url"));
        for key in ["client_secret", "secret", "client_secert", "extra_token_params", ""] {
            assert!(!is_public(key), "{key}");
        }
    }
}
