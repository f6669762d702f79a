//! Files that somebody made to hurt, and files that are no configuration at all: each is answered
//! with little work, a bounded number of lines, and nothing that a terminal obeys.

use std::{fs, ops::Range, path::Path};

use vestibule::config::{self, Diagnostics, Look, Sources};

/// The most that is told about one file, in bytes.
const MOST_TOLD: usize = 256 * 1024;

/// What is said about a text, after everything about its being said was checked.
fn refused(text: &str) -> Diagnostics {
    let found = config::from_yaml(text, &[]).unwrap_err();
    is_harmless(&found);
    found
}

fn is_harmless(found: &Diagnostics) {
    assert!(found.iter().count() <= 100);
    for look in [Look::Plain, Look::Graphical { colour: false }] {
        let told = found.render(look);
        assert!(told.len() < MOST_TOLD, "{} bytes", told.len());
        let obeyed = told.chars().find(|letter| letter.is_control() && *letter != '\n');
        assert_eq!(obeyed, None, "{told}");
        assert!(!told.contains(['\u{202e}', '\u{2066}', '\u{200b}']), "{told}");
    }
    for diagnostic in found.iter() {
        assert!(diagnostic.help.as_ref().is_some_and(|help| !help.is_empty()), "no help: {diagnostic}");
    }
}

fn says(text: &str, message: &str) {
    let found = refused(text);
    let head: String = text.chars().take(40).collect();
    assert!(found.iter().any(|diagnostic| diagnostic.message.contains(message)), "{head}: {found}");
}

/// One line for each number.
fn lines(numbers: Range<usize>, line: impl Fn(usize) -> String) -> String {
    numbers.map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// Ten lines that mean gigabytes, in every way that YAML has for it.
#[test]
fn aliases_that_multiply_are_refused_before_they_do() {
    const REFUSAL: &str = "means more than 4 MiB";
    let nested = lines(0..9, |level| format!("x-{0}: &a{0} [{1}]", level + 1, vec![format!("*a{level}"); 9].join(",")));
    says(&format!("x-0: &a0 [x,x,x,x,x,x,x,x,x]\n{nested}"), REFUSAL);
    let many = |what: &str| format!("x-a: &a {what}\nx-b: [{}]\n", vec!["*a"; 20_000].join(","));
    says(&many(&format!("'{}'", "y".repeat(500_000))), REFUSAL);
    says(&many(&format!("[{}]", vec!["y"; 20_000].join(","))), REFUSAL);
    let keys: Vec<_> = (0..15_000).map(|key| format!("k{key}: 1")).collect();
    let merged = lines(0..2_000, |name| format!("  p{name}: {{<<: *a}}"));
    says(&format!("x-a: &a {{{}}}\nproviders:\n{merged}", keys.join(", ")), REFUSAL);
    says("x-a: &a\n  <<: *a\n", "cannot be read");
}

/// Recursive parsers run out of stack, or of time: nesting is counted before any of them sees it.
#[test]
fn nesting_without_end_is_refused() {
    for (what, times) in [("[", 100_000), ("{a: ", 100_000), ("- ", 100_000)] {
        says(&what.repeat(times), "levels of nesting");
    }
    says(&lines(0..1_000, |depth| format!("{}a:", "  ".repeat(depth))), "levels of nesting");
}

/// A megabyte of one thing.
#[test]
fn a_megabyte_of_anything_is_answered() {
    for what in [
        "*",
        "\t",
        "&a ",
        "!!str ",
        "a ",
        "a: ",
        "%YAML 1.2\n",
        "---\n",
        "key: 1\n",
        "\\",
        "| \n",
        "? : ",
        "]",
        "\"",
        "'",
    ] {
        refused(&what.repeat(1_000_000 / what.len()));
    }
    for (before, what, after) in [
        ("public_url: \"", "x", ""),
        ("public_url: '", "x", "'"),
        ("public_url: \"", "\\x41", "\""),
        ("public_url: |\n", " x\n", ""),
        ("public_url: \"", "${A}", "\""),
        ("public_url: \"", "${A:-", "\""),
        ("public_url: \"", "${", "\""),
        ("", "a", ": 1"),
        ("providers: {'", "a", "': {}}"),
    ] {
        refused(&format!("{before}{}{after}", what.repeat(1_000_000 / what.len() - 10)));
    }
}

/// One mistake many times is told a hundred times and counted.
#[test]
fn mistakes_without_end_are_counted() {
    let found =
        refused(&format!("public_url: https://a.example\ntrusted_proxies: [{}]\n", vec!["x"; 20_000].join(",")));
    assert_eq!(found.iter().count(), 100);
    assert_eq!(found.errors(), 20_001, "one of them: there is no provider");
    assert!(found.render(Look::Plain).ends_with("… and 19901 more errors\n"));

    let provider = "public_url: https://a.example\nproviders:\n  a:\n    config_url: https://a.example/.well-known/openid-configuration\n    client_id: x\n    routes:\n";
    let routes = "      - {path: /a, backend: 'http://a.example'}\n".repeat(5_000);
    assert_eq!(refused(&format!("{provider}{routes}")).errors(), 4_999);
    refused(&lines(0..20_000, |key| format!("key{key}: 1")));
    refused(&format!("providers:\n{}", lines(0..5_000, |name| format!("  p{name}: {{routes: [{{}}]}}"))));
}

/// Only a piece of a long line is drawn, and the mark is in it.
#[test]
fn a_long_line_is_cut_around_the_mark() {
    let found = refused(&format!(
        "public_url: https://a.example\ntrusted_proxies: [{}'x', 10.0.0.1]\n",
        "10.0.0.0/8, ".repeat(5_000)
    ));
    let drawn = found.render(Look::Graphical { colour: false });
    assert!(drawn.contains("[vestibule.yaml:2:60019]"), "{drawn}");
    assert!(drawn.lines().all(|line| line.chars().count() < 130), "{drawn}");
    let lines: Vec<&str> = drawn.lines().collect();
    let at = lines.iter().position(|line| line.contains("'x'")).unwrap_or_else(|| panic!("{drawn}"));
    let [line, mark] = [lines[at], lines[at + 1]].map(|line| line.chars().collect::<Vec<_>>());
    let column = line.windows(3).position(|three| three == ['\'', 'x', '\'']).unwrap();
    assert!("─┬".contains(mark[column]), "{drawn}");
}

/// What speaks to terminals, in keys, values and the lines that are drawn.
#[test]
fn nothing_in_a_file_speaks_to_the_terminal() {
    for text in [
        "public_url: \"\u{1b}[31mred\u{1b}[0m\"\n",
        "\"\\e[2Jx\": 1\npublic_url: \"\\e]0;title\\a\"\n",
        "public_url: \u{202e}abc\nb\u{202e}da: 1\n",
        "providers: { \"\\e[2J\": { client_id: \u{2066} } }\n",
        "listen: x # \u{1b}[2J\n",
        "listen: \u{9b}31m\n",
        "public_url: 5\rlisten: x\r",
        "public_url: 5\r\nlisten: x\r\n",
    ] {
        refused(text);
    }
    let environment = [("VESTIBULE_\u{1b}[2J", "x"), ("VESTIBULE_LISTEN", "\u{1b}[2J\u{202e}")].into_iter().collect();
    is_harmless(&config::load(&Sources { environment, ..Sources::default() }).unwrap_err());
    let name = "\u{1b}[2J\n.yaml";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, "listen: x\n").unwrap();
    is_harmless(&load(&path));
}

fn load(path: &Path) -> Diagnostics {
    config::load(&Sources { config: Some(path.to_owned()), ..Sources::default() }).unwrap_err()
}

/// What is no configuration is told as what it is.
#[test]
fn what_is_no_configuration_is_told_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.yaml");
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend("public_url: x".encode_utf16().flat_map(u16::to_le_bytes));
    for (bytes, message) in [
        (b"public_url: \xff\n".to_vec(), "is not UTF-8 text"),
        (utf16, "is not UTF-8 text"),
        (b"public_url: \"a\x00b\"\n".to_vec(), ":1:15: error: a control character, U+0000, is in this file"),
        (b"\x7fELF\x02\x01\x01\x00".to_vec(), "a control character"),
        (vec![0; 1000], "a control character"),
        (b"a: b\n".repeat(2 * 1024 * 1024), "is larger than 1048576 bytes"),
        (Vec::new(), "is empty"),
        (b"\xef\xbb\xbf".to_vec(), "is empty"),
        (b"- a\n- b\n".to_vec(), "is not a mapping of keys to values"),
        (b"just words\n".to_vec(), "is not a mapping of keys to values"),
        (b"5: 1\n".to_vec(), ":1:1: error: the key `5` is no text"),
        (b"~: 1\n".to_vec(), "the key `~` is no text"),
        (b"{a: 1}: 2\n".to_vec(), "a key has to be a plain text"),
        (b"a: *nope\n".to_vec(), "this is no YAML"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let found = load(&path);
        is_harmless(&found);
        assert!(found.to_string().contains(message), "{message}: {found}");
    }
    assert!(load(folder.path()).to_string().contains("Is a directory"), "{}", load(folder.path()));
    let nowhere = load(&folder.path().join("nowhere.yaml")).to_string();
    assert!(nowhere.contains("help: is the path right?"), "{nowhere}");
}

/// A byte order mark and Windows' line ends change nothing, places included.
#[test]
fn a_byte_order_mark_and_carriage_returns_change_nothing() {
    let plain = refused("public_url: 5\nlisten: x\n").to_string();
    assert_eq!(refused("\u{feff}public_url: 5\nlisten: x\n").to_string(), plain);
    assert_eq!(refused("public_url: 5\r\nlisten: x\r\n").to_string(), plain);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(150))]

    /// Whatever the pieces of YAML are put together to.
    #[test]
    fn any_pieces_of_yaml_are_answered(pieces in proptest::collection::vec(PIECES, 0..40)) {
        if let Err(found) = config::from_yaml(&pieces.concat(), &[]) {
            is_harmless(&found);
        }
    }
}

const PIECES: &str = "( |\n|\r\n|\t|  |- |\\? |: |, |\\[|\\]|\\{|\\}|&a |\\*a|<<: |!!str |!x |\\| ?\n|> ?\n|'|\"|#|---\n|\\.\\.\\.\n|~|null|providers:|\
                       a:|routes:|x-y:|public_url:|client_secret:|listen:|\\$\\{|\\}|\\\\|\u{1b}\\[2J|\u{202e}|\u{feff}|é|0x1|1e9|\\.nan|true|[a-z]{1,5})";
