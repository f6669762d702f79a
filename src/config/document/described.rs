//! What a doc comment of a key says: its meaning, and its default by one convention.
//!
//! The comment of every key is shown by editors and becomes its row in `docs/configuration.md`:
//!
//! ```text
//! /// An access token; default `15m`. It is shorter when …      meaning; default …. more meaning
//! /// The application's identifier. Required.                   a sentence that begins with "Required"
//! ```

/// A doc comment, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Everything else.
    pub meaning: String,
    /// `` `15m` ``, or words; `None` if nothing is said.
    pub default: Option<String>,
    /// What follows the word "Required", up to the end of its sentence.
    pub required: Option<String>,
}

// === impl Described ===

impl Described {
    /// Reads a comment on one line.
    pub fn read(text: &str) -> Self {
        let (text, default) = cut(text, "; default").map_or((text.to_owned(), None), |(before, inside, after)| {
            (format!("{before}.{after}"), Some(inside.trim_start_matches(':').trim().to_owned()))
        });
        let (meaning, required) = match cut(&text, "Required") {
            Some((before, inside, after)) => (format!("{before}{after}"), Some(inside.trim().to_owned())),
            None => (text, None),
        };
        Self { meaning: meaning.trim().replace("  ", " "), default, required }
    }

    /// The default, if it is a value that one could write.
    pub fn literal_default(&self) -> Option<&str> {
        let inside = self.default.as_deref()?.strip_prefix('`')?.strip_suffix('`')?;
        (!inside.contains('`')).then_some(inside)
    }
}

/// The text before a mark, what follows it in its sentence, and the text after that sentence.
fn cut<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (before, rest) = text.split_once(mark)?;
    let mut quoted = false;
    let end = rest.char_indices().find_map(|(at, letter)| {
        quoted ^= letter == '`';
        let ends = || rest.get(at + 1..).is_some_and(|after| after.is_empty() || after.starts_with(' '));
        (letter == '.' && !quoted && ends()).then_some(at)
    });
    let (inside, after) = rest.split_at_checked(end?)?;
    Some((before, inside, after.strip_prefix('.')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_is_found_in_its_sentence() {
        let read = Described::read("An access token; default `1.5 m`. It is shorter.");
        assert_eq!(read.meaning, "An access token. It is shorter.");
        assert_eq!(read.literal_default(), Some("1.5 m"));
        let read = Described::read("What people read; default: the preset's, else `x`.");
        assert_eq!(
            (read.meaning.as_str(), read.default.as_deref()),
            ("What people read.", Some("the preset's, else `x`"))
        );
        assert_eq!(read.literal_default(), None);
    }

    #[test]
    fn what_is_required_is_found() {
        let read = Described::read("The origin. Required. No path.");
        assert_eq!((read.meaning.as_str(), read.required.as_deref()), ("The origin. No path.", Some("")));
        let read = Described::read("Sent along. Required for `auth0`.");
        assert_eq!(read.required.as_deref(), Some("for `auth0`"));
        assert_eq!(Described::read("Nothing. Said").required, None);
    }
}
