//! What a table of the document has, as names of variables: which names there are, and which key a
//! name stands for.

/// One key of a table.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// As in the document.
    pub(super) key: &'static str,
    /// In a variable.
    pub(super) name: String,
    pub(super) shape: Shape,
}

/// What a key holds.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// One value.
    Leaf(Kind),
    /// Keys of its own, and perhaps one of them that the name alone stands for.
    Table(Vec<Field>, Option<&'static str>),
    /// Numbered tables.
    List(Vec<Field>),
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// May come from a file.
    Secret,
    /// The same, and there may be several with numbers.
    Secrets,
}

/// What a variable's name, without its prefix, stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The name by the rule, if this is a short form of it.
    pub(super) canonical: String,
    pub(super) is_secret: bool,
    /// It names the only route without a number.
    pub(super) is_only_route: bool,
}

/// What follows the name of a secret's variable if it names a file.
pub(super) const FILE: &str = "_FILE";
/// The list whose only item needs no number, how its variables begin then, and the one key that
/// needs not even that.
const ROUTES: (&str, &str, &str) = ("routes", "ROUTE_", "BACKEND");
/// Nobody has more items than that in variables.
const MOST_DIGITS: usize = 3;

// === impl Field ===

impl Field {
    pub(super) fn new(key: &'static str, shape: Shape) -> Self {
        Self { key, name: key.to_ascii_uppercase(), shape }
    }

    /// Every name, with `<N>` for a number; a secret's only without `_FILE`.
    fn names(&self) -> Vec<String> {
        let below = |fields: &[Self], number: &str| -> Vec<String> {
            names(fields).iter().map(|below| format!("{}{number}_{below}", self.name)).collect()
        };
        match &self.shape {
            Shape::Leaf(_) => vec![self.name.clone()],
            Shape::Table(fields, short) => short.iter().map(|_| self.name.clone()).chain(below(fields, "")).collect(),
            Shape::List(fields) => below(fields, "_<N>"),
        }
    }

    fn find(&self, written: &str) -> Option<Name> {
        if let (Shape::List(fields), (routes, singular, only)) = (&self.shape, ROUTES)
            && self.key == routes
        {
            let below = written.strip_prefix(singular).or((written == only).then_some(only));
            if let Some(name) = below.and_then(|below| find(fields, below)) {
                return Some(Name { is_only_route: true, ..name.below(&format!("{}_1_", self.name)) });
            }
        }
        let rest = written.strip_prefix(self.name.as_str())?;
        match &self.shape {
            Shape::Leaf(kind) => kind.is_suffix(rest).then(|| Name::new(written, *kind != Kind::Plain)),
            Shape::Table(_, Some(short)) if rest.is_empty() => {
                Some(Name::new(&format!("{}_{}", self.name, short.to_ascii_uppercase()), false))
            }
            Shape::Table(fields, _) => Some(find(fields, rest.strip_prefix('_')?)?.below(&format!("{}_", self.name))),
            Shape::List(fields) => {
                let (number, rest) = numbered(rest)?;
                Some(find(fields, rest.strip_prefix('_')?)?.below(&format!("{}_{number}_", self.name)))
            }
        }
    }
}

/// The names of all fields, with `<N>` for a number.
pub(super) fn names(fields: &[Field]) -> Vec<String> {
    fields.iter().flat_map(Field::names).collect()
}

/// What a name stands for among these fields.
pub(super) fn find(fields: &[Field], name: &str) -> Option<Name> {
    fields.iter().find_map(|field| field.find(name))
}

/// `_12_PATH` is 12 and `_PATH`.
pub(super) fn numbered(rest: &str) -> Option<(usize, &str)> {
    let rest = rest.strip_prefix('_')?;
    let (digits, rest) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len()));
    let is_number = !digits.starts_with('0') && digits.len() <= MOST_DIGITS;
    is_number.then(|| digits.parse().ok().map(|number| (number, rest)))?
}

// === impl Kind ===

impl Kind {
    /// Whether this may follow the key in a variable's name.
    fn is_suffix(self, rest: &str) -> bool {
        match self {
            Self::Plain => rest.is_empty(),
            Self::Secret => rest.is_empty() || rest == FILE,
            Self::Secrets => Self::Secret.is_suffix(numbered(rest).map_or(rest, |(_, rest)| rest)),
        }
    }
}

// === impl Name ===

impl Name {
    fn new(canonical: &str, is_secret: bool) -> Self {
        Self { canonical: canonical.to_owned(), is_secret, is_only_route: false }
    }

    fn below(self, prefix: &str) -> Self {
        Self { canonical: format!("{prefix}{}", self.canonical), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_begin_at_one_and_are_written_in_one_way() {
        assert_eq!(numbered("_12_PATH"), Some((12, "_PATH")));
        assert_eq!(numbered("_1"), Some((1, "")));
        for text in ["_0_PATH", "_01_PATH", "_PATH", "1_PATH", "_1000_PATH", "_", ""] {
            assert_eq!(numbered(text), None, "{text}");
        }
    }
}
