//! A JSON object in which no name comes twice: what one reader takes from a doubled claim, another
//! does not (RFC 8725 section 2.6; S51).

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// The object.
#[derive(Debug)]
pub(super) struct Object(pub(super) Map<String, Value>);

// === impl Object ===

impl Object {
    pub(super) fn read(json: &[u8]) -> Option<Map<String, Value>> {
        serde_json::from_slice::<Self>(json).ok().map(|Self(members)| members)
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a doubled member"));
                    }
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}
