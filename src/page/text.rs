//! Texts that strangers chose, made fit to be shown: short, on one line, in their own direction.
//!
//! Escaping is the templates' business.

use std::time::Duration;

/// As many characters of a client's name as a page shows.
const NAME_LENGTH: usize = 64;
/// As many characters of a technical text as a page shows.
const DETAIL_LENGTH: usize = 400;

/// A client's name: signs that turn the writing direction or are invisible are gone, white space
/// is single, and what is too long is cut (a sentence is no name).
pub fn name(text: &str) -> String {
    let name = tidy(text, NAME_LENGTH);
    if name.is_empty() { "A program without a name".to_owned() } else { name }
}

/// A technical text.
pub fn detail(text: &str) -> String {
    tidy(text, DETAIL_LENGTH)
}

/// A span of time in its largest whole unit: "30 days".
pub fn span(time: Duration) -> String {
    const UNITS: [(u64, &str); 3] = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let seconds = time.as_secs().max(1);
    let whole = UNITS.iter().find(|(unit, _)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, name) = whole.copied().unwrap_or((1, "second"));
    let count = seconds / unit;
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

fn tidy(text: &str, length: usize) -> String {
    let visible: String =
        text.chars().map(|char| if char.is_whitespace() { ' ' } else { char }).filter(|char| is_shown(*char)).collect();
    let single = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if single.chars().count() <= length {
        return single;
    }
    let cut: String = single.chars().take(length.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Not control characters, directional marks and overrides, zero-width signs, tags.
fn is_shown(char: char) -> bool {
    !char.is_control()
        && !matches!(
            u32::from(char),
            0x00ad
                | 0x034f
                | 0x061c
                | 0x115f..=0x1160
                | 0x17b4..=0x17b5
                | 0x180b..=0x180f
                | 0x200b..=0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0x3164
                | 0xfe00..=0xfe0f
                | 0xfeff
                | 0xffa0
                | 0xfff0..=0xfffb
                | 0xe0000..=0xe0fff
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_in_words() {
        for (seconds, words) in
            [(30 * 86_400, "30 days"), (3_600, "1 hour"), (90, "90 seconds"), (5_400, "90 minutes"), (0, "1 second")]
        {
            assert_eq!(span(Duration::from_secs(seconds)), words);
        }
    }

    /// D-15, S61: a name cannot turn the page around or fill it.
    #[test]
    fn s61_names_are_short_single_lines_without_tricks() {
        assert_eq!(name("Claude\u{202e}\n\t  Code\u{0}"), "Claude Code");
        assert_eq!(name(" \u{200b} "), "A program without a name");
        assert_eq!(name("Caf\u{e9} \u{65e5}\u{672c} 🦀"), "Café 日本 🦀");
        let long = name(&"word ".repeat(100));
        assert!(long.chars().count() <= NAME_LENGTH && long.ends_with('…'), "{long}");
    }
}
