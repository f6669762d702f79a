//! The text of a configuration as it may be shown: every value hidden but those of keys that are
//! known and hold no secret. A misspelled `client_secert: …` is hidden too.

use std::collections::HashMap;

use super::index::{Index, Span};
use crate::{
    config::{document::keys, origin::last_key},
    printable::is_harmful,
};

/// What stands in for a hidden character; lines and columns stay as they are.
const HIDDEN: char = '*';

/// The text with the same lines and columns, and no secrets.
pub(super) fn masked(text: &str, index: &Index) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let mut public: HashMap<&str, bool> = HashMap::new();
    for (path, span) in index.values.iter().filter(|(_, span)| span.is_leaf) {
        let key = last_key(path);
        let known = *public.entry(key).or_insert_with(|| keys::is_public(key));
        let inside_secret = path.split('.').any(|segment| keys::SECRET.contains(&last_key(segment)));
        if !known || inside_secret || may_hold_key(&letters, *span) {
            hide(&mut letters, *span);
        }
    }
    hide_comments(&mut letters, index);
    disarm(&mut letters);
    letters.into_iter().collect()
}

fn hide(letters: &mut [char], span: Span) {
    for letter in letters.iter_mut().take(span.end).skip(span.start) {
        if !letter.is_whitespace() {
            *letter = HIDDEN;
        }
    }
}

/// `scheme://user:password@host` or `scheme://host?key=…`
fn may_hold_key(letters: &[char], span: Span) -> bool {
    let written = letters.get(span.start..span.end).unwrap_or_default();
    written.contains(&'/') && (written.contains(&'@') || written.contains(&'?'))
}

/// Lines are drawn on terminals: every line break is one of theirs, and nothing else speaks to them.
fn disarm(letters: &mut [char]) {
    let mut after = '\0';
    for letter in letters.iter_mut().rev() {
        let before = *letter;
        match before {
            '\n' | '\t' => {}
            '\r' => *letter = if after == '\n' { ' ' } else { '\n' },
            other if is_harmful(other) => *letter = char::REPLACEMENT_CHARACTER,
            _ => {}
        }
        after = before;
    }
}

/// People comment a secret out and leave it there.
fn hide_comments(letters: &mut [char], index: &Index) {
    let spans = || index.values.values().chain(index.keys.values());
    let mut inside = vec![false; letters.len()];
    for span in spans() {
        for cell in inside.iter_mut().take(span.end).skip(span.start) {
            *cell = true;
        }
    }
    let mut comment = false;
    let mut before = '\n';
    for (letter, inside) in letters.iter_mut().zip(inside) {
        match *letter {
            '\n' => comment = false,
            '#' if !inside && before.is_whitespace() => comment = true,
            other if comment && !other.is_whitespace() => *letter = HIDDEN,
            _ => {}
        }
        before = *letter;
    }
}
