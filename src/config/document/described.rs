//! What a doc comment of a key says: its meaning, and its default by one convention.
//!
//! The comment is shown by editors, and becomes the key's row in `docs/configuration.md`:
//!
//! ```text
//! An access token; default `15m`. It is shorter when …    "; default" and a value, up to the full stop
//! What people read; default: the provider's name.         a colon, and words
//! The application's identifier. Required.                 a sentence that begins with "Required"
//! ```

/// A doc comment, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Everything else.
    pub meaning: String,
    /// What is said about the default.
    pub default: Option<String>,
    /// The default, if it is a value that one could write.
    pub value: Option<String>,
    /// What follows the word "Required", up to the end of its sentence.
    pub required: Option<String>,
}

// === impl Described ===

impl Described {
    /// Reads a comment on one line.
    pub fn read(text: &str) -> Self {
        let (text, default) = match cut(text, "; default") {
            Some((before, default, after)) => (format!("{before}.{after}"), Some(default)),
            None => (text.to_owned(), None),
        };
        let value = default.and_then(|text| text.strip_prefix(" `")?.split_once('`'));
        let value = value.filter(|(_, words)| words.is_empty() || words.starts_with(','));
        let (meaning, required) = match cut(&text, "Required") {
            Some((before, words, after)) => (format!("{}{after}", before.trim_end()), Some(words.to_owned())),
            None => (text.clone(), None),
        };
        Self {
            meaning,
            default: default.map(|text| text.trim_start_matches(':').trim().to_owned()),
            value: value.map(|(value, _)| value.to_owned()),
            required,
        }
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
        assert_eq!((read.default.as_deref(), read.value.as_deref()), (Some("`1.5 m`"), Some("1.5 m")));
        let read = Described::read("What it is; default `auto`, text on a terminal.");
        assert_eq!(read.value.as_deref(), Some("auto"));
        assert_eq!(read.default.as_deref(), Some("`auto`, text on a terminal"));
    }

    #[test]
    fn a_default_may_be_words() {
        for text in ["A path; default: `/` for one, `/<name>` for several.", "A path; default `/` and more."] {
            assert_eq!(Described::read(text).value, None);
        }
        let read = Described::read("What people read; default: the preset's.");
        assert_eq!(read.meaning, "What people read.");
        assert_eq!(read.default.as_deref(), Some("the preset's"));
    }

    #[test]
    fn what_is_required_is_found() {
        let read = Described::read("The origin. Required. No path.");
        assert_eq!((read.meaning.as_str(), read.required.as_deref()), ("The origin. No path.", Some("")));
        let read = Described::read("Sent along. Required for `auth0`.");
        assert_eq!(read.required.as_deref(), Some(" for `auth0`"));
        assert_eq!(Described::read("Nothing. Said").required, None);
    }
}
