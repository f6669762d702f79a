//! What others wrote, made harmless for a terminal (S62): nothing in it moves the cursor, changes
//! colours, begins a line or turns the direction of reading.

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
    fn nothing_speaks_to_the_terminal() {
        assert_eq!(printable("a\x1b[2J\n\u{202e}b\u{9b}ü"), "a\\u{1b}[2J\\n\\u{202e}b\\u{9b}ü");
        assert!((0..=0x1f).chain(0x7f..=0x9f).all(|code| is_harmful(char::from(code))));
    }
}
