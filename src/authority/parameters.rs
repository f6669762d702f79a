//! The parameters of an OAuth request: what came in, read by one rule.
//!
//! A parameter without a value counts as absent, unknown ones are ignored, and one that is read
//! may be there only once (RFC 6749 section 3.1, OAuth 2.1 section 3.1).

use std::fmt;

/// The pairs of a query or of a form, in the order in which they came.
///
/// `Debug` shows names only: among the values are codes, tokens and secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// A parameter that is there more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {0} is there more than once")]
pub struct Duplicate(pub &'static str);

// === impl Parameters ===

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` bytes: a query, or a form's body. The caller
    /// bounds their length.
    pub fn parse(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The value of a parameter that may be there once; empty is absent.
    ///
    /// # Errors
    /// [`Duplicate`] if it has a value more than once.
    pub fn get(&self, name: &'static str) -> Result<Option<&str>, Duplicate> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { Err(Duplicate(name)) } else { Ok(first) }
    }

    /// Every value of a parameter that may be repeated (`resource`); empty ones are absent.
    pub fn all(&self, name: &'static str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

impl FromIterator<(String, String)> for Parameters {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// AS-49, S54: repeated is an error, empty is absent, unknown is nobody's business.
    #[test]
    fn as49_repeated_and_empty_parameters() {
        let parameters = Parameters::parse(b"a=1&b=&c=1&c=1&d=&d=2&x=1&x=2");
        assert_eq!(parameters.get("a"), Ok(Some("1")));
        assert_eq!(parameters.get("b"), Ok(None));
        assert_eq!(parameters.get("c"), Err(Duplicate("c")));
        assert_eq!(parameters.get("d"), Ok(Some("2")));
        assert_eq!(parameters.get("e"), Ok(None));
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", Parameters::parse(b"code=hunter2"));
        assert!(shown.contains("code") && !shown.contains("hunter2"), "{shown}");
    }

    proptest! {
        /// S71: whatever bytes come, reading them neither fails nor invents values.
        #[test]
        fn s71_any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let parameters = Parameters::parse(&bytes);
            let count = parameters.all("state").count();
            prop_assert_eq!(parameters.get("state").is_err(), count > 1);
        }

        /// U6: a value comes out as it was encoded, whatever it is.
        #[test]
        fn u6_values_survive_the_encoding(value in "\\PC{1,80}") {
            let text = form_urlencoded::Serializer::new(String::new()).append_pair("state", &value).finish();
            let parameters = Parameters::parse(text.as_bytes());
            prop_assert_eq!(parameters.get("state"), Ok(Some(value.as_str())));
        }
    }
}
