use std::time::Instant;

use super::*;
use crate::config::document::List;

const PROVIDER: &str = "providers:\n  a:\n    client_secret: hunter2\n";

fn read(text: &str, env: &[(&str, &str)]) -> (Option<(Document, Origins)>, Diagnostics) {
    let mut found = Diagnostics::default();
    let parsed = parse(text, &"f".into(), &env.iter().copied().collect(), &mut found);
    (parsed, found)
}

fn place(origin: &Origin) -> (usize, usize) {
    match origin {
        Origin::Place(place) => (place.line, place.column),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_value_has_its_place() {
    let text = "listen: 1\nproviders:\n  a:\n    routes:\n      - path: /x\n      - {path: /y, scopes: [p, q]}\n";
    let (parsed, found) = read(text, &[]);
    assert!(found.is_empty(), "{found}");
    let origins = parsed.unwrap().1;
    for (path, expected) in [
        ("listen", (1, 9)),
        ("providers.a.routes[0].path", (5, 15)),
        ("providers.a.routes[1].path", (6, 16)),
        ("providers.a.routes[1].scopes[1]", (6, 32)),
    ] {
        assert_eq!(place(&origins.of(path)), expected, "{path}");
    }
    assert_eq!(place(&origins.of_key("providers.a.client_id")), (3, 3));
}

#[test]
fn variables_are_replaced_inside_strings_only() {
    let text = "public_url: ${SCHEME:-https}://${HOST}/$${HOST}$x\nlisten: ${LISTEN}\nsecret: \"${S}\"\n";
    let env = [("HOST", "h"), ("LISTEN", "127.0.0.1:1"), ("S", "a\nlisten: b")];
    let (parsed, found) = read(text, &env);
    assert!(found.is_empty(), "{found}");
    let document = parsed.unwrap().0;
    assert_eq!(document.public_url.as_deref(), Some("https://h/${HOST}$x"));
    assert_eq!(document.listen.unwrap().as_str(), "127.0.0.1:1");
}

#[test]
fn anchors_merge_keys_and_extensions_work() {
    let text = "x-common: &common {timeout_seconds: 5s, audience: x}\nproviders:\n  a: {<<: *common, audience: y}\n  b: *common\n";
    let (parsed, found) = read(text, &[]);
    assert!(found.is_empty(), "{found}");
    let (document, origins) = parsed.unwrap();
    assert_eq!(document.providers["a"].audience, Some(List::Text("y".to_owned())));
    assert_eq!(document.providers["b"].timeout_seconds.as_ref().unwrap().as_str(), "5s");
    // What came through a merge is shown where it was merged.
    assert_eq!(place(&origins.of("providers.a.timeout_seconds")).0, 3);
}

#[test]
fn several_mistakes_of_shape_are_found_at_once() {
    let (parsed, found) = read("listen: [1]\ncolour: blue\nproviders:\n  a: {routes: [x, {path: /a}]}\n", &[]);
    assert_eq!(found.iter().count(), 3);
    let document = parsed.unwrap().0;
    assert_eq!(document.providers["a"].routes[1].path.as_deref(), Some("/a"));
}

/// Whatever a file is, it is answered soon, without a panic.
#[test]
fn hostile_files_are_refused_quickly() {
    let laughs = (1..40).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let items = vec![format!("*a{}", level - 1); 9].join(",");
        format!("{text}a{level}: &a{level} [{items}]\n")
    });
    let texts = [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        (0..1000).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n"),
        laughs,
        "a: b\n".repeat(100_000),
        (0..100_000).fold(String::new(), |text, key| text + "k" + &key.to_string() + ": v\n"),
        format!("{}: v", "k".repeat(500_000)),
        "\"".repeat(500_000),
        "&a ".repeat(100_000),
        "!x ".repeat(100_000),
        "a: &a *a".to_owned(),
        "a: *b".to_owned(),
        "&a a: *a".to_owned(),
        "? [a]\n: b".to_owned(),
        "\u{0}".to_owned(),
        "%YAML 9.9\n---\na: b".to_owned(),
        "<<: 5\n".to_owned(),
        "providers: {1: {}, [a]: b}\n".to_owned(),
    ];
    for text in texts {
        let begin = Instant::now();
        let (_, found) = read(&text, &[]);
        let start: String = text.chars().take(30).collect();
        assert!(found.has_errors(), "{start}");
        assert!(begin.elapsed().as_secs() < 5, "{start}: {:?}", begin.elapsed());
    }
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_key() {
    let (parsed, found) = read("\u{feff}listen: x\n", &[]);
    assert!(found.is_empty(), "{found}");
    assert_eq!(place(&parsed.unwrap().1.of("listen")), (1, 9));
}

/// Lines are shown to people: nothing secret may be in them.
#[test]
fn s62_shown_lines_hold_no_secrets() {
    let text = format!(
        "# old: hunter2\nsecret: [hunter2, \"hunter2\"]\nsecert: hunter2 # was hunter2\nx-shared: &s hunter2\n{PROVIDER}    \
         config_url: https://u:hunter2@h/\n    audience: https://h/?k=hunter2\n    extra_token_params: {{audience: hunter2}}\n    \
         mount: /a#b\n    client_id: |\n      hunter2\n"
    );
    let index = Index::build(&text).ok().unwrap();
    let masked = mask::masked(&text, &index);
    assert_eq!(masked.matches("hunter2").count(), 1, "{masked}");
    assert_eq!(masked.lines().count(), text.lines().count());
    assert!(masked.contains("mount: /a#b"), "{masked}");
    // The one that is left is an application's identifier, which is public.
    assert!(masked.ends_with("client_id: |\n      hunter2\n"), "{masked}");
}

proptest::proptest! {
    /// No text makes the parser panic; what it finds can always be shown.
    #[test]
    fn any_text_is_answered(text in "[a-z_:{}\\[\\]\n \"'$&*#!|>%@?,.0-9-]{0,200}") {
        let (_, found) = read(&text, &[]);
        let _ = found.render(crate::config::Look::Graphical { colour: false });
    }
}
