//! What others wrote, made harmless (S62): of bounded length, and for a terminal: nothing in it moves the
//! cursor, changes colours, begins a line or turns the direction of reading.

/// Characters of one text from a stranger that are kept.
const MOST_TEXT: usize = 400;

/// The beginning of a text: not endless.
pub fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(MOST_TEXT).map(|(end, _)| end);
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The beginning of a text, on one line.
pub fn bounded(text: &str) -> String {
    cut(text).chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}

/// The text on one line, with everything harmful escaped.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_harmful(letter) { printable.extend(letter.escape_default()) } else { printable.push(letter) }
    }
    printable
}

/// Controls of ECMA-48 and Unicode's separators, marks and overrides of direction, which make text
/// look like another one.
pub const fn is_harmful(letter: char) -> bool {
    matches!(
        letter,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ü".repeat(400)).chars().count(), 400);
        assert_eq!(cut(&"ü".repeat(9_000)), "ü".repeat(400));
        assert_eq!(bounded(&format!("a\nb{}", "x".repeat(9_000))), format!("a b{}", "x".repeat(397)));
    }

    #[test]
    fn nothing_speaks_to_the_terminal() {
        assert_eq!(printable("a\x1b[2J\n\u{202e}b\u{9b}ü"), "a\\u{1b}[2J\\n\\u{202e}b\\u{9b}ü");
        assert!((0..=0x1f).chain(0x7f..=0x9f).all(|code| is_harmful(char::from(code))));
    }
}
