use super::*;
use crate::config::origin::Place;

fn place(line: usize, column: usize, length: usize) -> Origin {
    Origin::Place(Place { file: "vestibule.yaml".into(), line, column, length })
}

#[test]
fn plain_text_is_what_editors_understand() {
    let mut diagnostic = Diagnostic::error("listen", place(3, 9, 5), "is no address");
    diagnostic.offending(":8000").help("write `127.0.0.1:8000`");
    assert_eq!(
        diagnostic.to_string(),
        "vestibule.yaml:3:9: error: listen: `:8000` is no address\n  help: write `127.0.0.1:8000`"
    );
}

#[test]
fn a_drawing_points_at_the_character() {
    let mut found = Diagnostics::default();
    found.keep_text("vestibule.yaml".into(), "# über\nlisten: \"é:8000\"\n".to_owned());
    let mut diagnostic = Diagnostic::error("listen", place(2, 9, 8), "is no address");
    diagnostic.offending("é:8000").help("write `127.0.0.1:8000`");
    found.push(diagnostic);
    insta::assert_snapshot!(found.render(Look::Graphical { colour: false }));
}

#[test]
fn a_variable_has_no_line() {
    let mut found = Diagnostics::default();
    let origin = Origin::Variable { name: "VESTIBULE_LISTEN".to_owned(), place: None };
    found.push(Diagnostic::error("listen", origin, "is no address"));
    assert_eq!(found.to_string(), "VESTIBULE_LISTEN: error: listen: is no address");
    assert!(found.render(Look::Graphical { colour: false }).contains("VESTIBULE_LISTEN"));
}

#[test]
fn what_follows_from_a_known_mistake_is_not_said() {
    let mut found = Diagnostics::default();
    let mut unknown = Diagnostic::error("providers.a.clinet_id", place(1, 1, 1), "is not a key");
    unknown.meant = Some("providers.a.client_id".to_owned());
    found.push(unknown);
    found.extend_unless_known(vec![
        Diagnostic::error("providers.a.client_id", place(1, 1, 1), "is missing"),
        Diagnostic::error("providers.b.client_id", place(1, 1, 1), "is missing"),
    ]);
    assert_eq!(found.iter().count(), 2);
}

/// S62: what was written may hold control characters, passwords, megabytes.
#[test]
fn s62_offending_text_is_made_harmless() {
    let mut diagnostic = Diagnostic::error("", Origin::Nowhere, "");
    assert_eq!(diagnostic.offending("a\u{1b}[31m\n").offending.as_deref(), Some("a\\u{1b}[31m\\n"));
    let shown = |text: &str| Diagnostic::error("", Origin::Nowhere, "").offending(text).offending.clone().unwrap();
    assert_eq!(shown("http://user:hunter2@host:1/p?x"), "http://…@host:1/p?…");
    assert_eq!(shown("http://host/p@x"), "http://host/p@x");
    assert_eq!(shown(&"x".repeat(500)).chars().count(), SHOWN + 1);
}

#[test]
fn a_suggestion_has_to_be_close() {
    let known = ["client_id", "client_secret", "config_url"];
    assert_eq!(closest("clinet_id", known), Some("client_id"));
    assert_eq!(closest("CONFIG_URI", known), Some("config_url"));
    assert_eq!(closest("colour", known), None);
    assert_eq!(one_of(known), "`client_id`, `client_secret` or `config_url`");
}
