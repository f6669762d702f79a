use std::{fs, path::PathBuf};

use super::*;

fn dotenv(text: &str) -> Result<Vec<(String, String)>, SourceError> {
    let variables = dotenv::parse(text, &".env".into())?;
    Ok(variables.into_iter().map(|(name, value, _)| (name, value)).collect())
}

#[test]
fn a_dotenv_file_is_read_as_written() {
    let text =
        "\u{feff}# comment\n\nA=1\nexport B = two words # note\nC='#x y'\nD=\"a\\nb\\\"\" # x\nE=\nF=a#b\nG=$HOME\r\n";
    let expected =
        [("A", "1"), ("B", "two words"), ("C", "#x y"), ("D", "a\nb\""), ("E", ""), ("F", "a#b"), ("G", "$HOME")];
    let variables = dotenv(text).unwrap();
    assert_eq!(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn a_broken_dotenv_line_is_named() {
    for (text, line) in
        [("A=1\nB", 2), ("A='x", 1), ("A=\"x", 1), ("A='x' y", 1), ("1A=x", 1), ("=x", 1), ("A=\"x\\", 1)]
    {
        assert!(matches!(dotenv(text), Err(SourceError::Line { line: found, .. }) if found == line), "{text}");
    }
}

#[test]
fn the_process_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.env");
    fs::write(&path, "A=file\nB=file\nC=file\n").unwrap();
    let environment = Environment::from_iter([("A", "process"), ("C", "")]);
    let sources = Sources { env_file: Some(path.clone()), environment, ..Sources::default() };
    let (environment, file) = sources.read_environment().unwrap();
    assert_eq!(
        (environment.get("A"), environment.get("B"), environment.get("C")),
        (Some("process"), Some("file"), Some("file"))
    );
    assert_eq!(file, Some(path));
    assert!(matches!(environment.origin("B"), Origin::Variable { place: Some(place), .. } if place.line == 2));
    assert!(matches!(environment.origin("A"), Origin::Variable { place: None, .. }));
}

#[test]
fn a_named_dotenv_file_has_to_exist() {
    let sources = Sources { env_file: Some(PathBuf::from("/nonexistent/x.env")), ..Sources::default() };
    assert!(matches!(sources.read_environment(), Err((_, SourceError::Unreadable(_)))));
}

#[test]
fn empty_variables_count_as_not_set() {
    let environment = Environment::from_iter([("A", ""), ("B", " ")]);
    assert_eq!(environment.get("A"), None);
    assert_eq!(environment.empty().collect::<Vec<_>>(), ["A", "B"]);
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_no_panic() {
    use std::os::unix::ffi::OsStringExt as _;

    let broken = OsString::from_vec(vec![0xff]);
    let environment = Environment::from_os([("A".into(), broken.clone()), (broken, "x".into())]);
    assert_eq!(environment.get("A"), None);
    assert_eq!(environment.unreadable().collect::<Vec<_>>(), ["A"]);
}

#[test]
fn files_are_bounded_and_secrets_lose_one_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    for (written, expected) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("a", "a"), ("", "")] {
        fs::write(&path, written).unwrap();
        assert_eq!(read_secret(&path).unwrap(), expected);
    }
    fs::write(&path, "12345").unwrap();
    assert!(read_text(&path, 5).is_ok());
    assert!(matches!(read_text(&path, 4), Err(SourceError::TooLarge { limit: 4 })));
    fs::write(&path, [0xff]).unwrap();
    assert!(matches!(read_text(&path, 4), Err(SourceError::NotText)));
}
