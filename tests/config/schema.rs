//! The JSON Schema of the file is current, says what the types and `compile` say, and refuses what
//! has the wrong shape. An independent validator judges.

use std::{
    fs,
    path::{Path, PathBuf},
};

use jsonschema::Validator;
use serde_json::Value;
use vestibule::config::{self, schema};

use crate::{
    keys::{self, Kind},
    page,
};

const SCHEMA: &str = "docs/vestibule.schema.json";

fn validator() -> Validator {
    let validator = jsonschema::draft202012::options().build(&schema::schema().to_value()).unwrap();
    assert!(jsonschema::meta::is_valid(&schema::schema().to_value()));
    validator
}

/// A YAML file as the JSON that a validator sees.
fn json(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).unwrap();
    let mut value: serde_yaml::Value = serde_yaml::from_str(&text).ok()?;
    value.apply_merge().ok()?;
    serde_json::to_value(value).ok()
}

fn yaml_files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(yaml_files(path.to_str().unwrap()));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// To bring it up to date: `INSTA_UPDATE=always cargo test --test config`.
#[test]
fn the_committed_schema_is_current() {
    page::is_current(SCHEMA, &schema::text());
}

#[test]
fn what_is_right_is_valid() {
    let validator = validator();
    let mut files: Vec<PathBuf> = yaml_files("examples");
    files.retain(|file| file.ends_with("vestibule.yaml"));
    assert!(files.len() >= 4);
    files.push("tests/config/everything.yaml".into());
    for file in files {
        let errors: Vec<_> = validator.iter_errors(&json(&file).unwrap()).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
}

/// Editors complete and check whoever starts from an example.
#[test]
fn every_example_names_the_schema() {
    let mut seen = 0;
    for file in yaml_files("examples").iter().filter(|file| file.ends_with("vestibule.yaml")) {
        let text = fs::read_to_string(file).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let target = first.strip_prefix("# yaml-language-server: $schema=").unwrap_or_else(|| {
            let depth = "../".repeat(file.components().count() - 1);
            panic!("{}: begin with `# yaml-language-server: $schema={depth}{SCHEMA}`", file.display())
        });
        let target = file.parent().unwrap().join(target).canonicalize().unwrap();
        assert_eq!(target, Path::new(SCHEMA).canonicalize().unwrap(), "{}", file.display());
        seen += 1;
    }
    assert!(seen >= 4);
}

/// Unknown keys and wrong types: the schema finds what reading the document finds.
#[test]
fn mistakes_of_shape_are_refused() {
    let validator = validator();
    let mut refused = 0;
    for file in yaml_files("tests/config/broken") {
        let text = fs::read_to_string(&file).unwrap();
        let Some(value) = json(&file) else { continue };
        let environment: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# env: ")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let Err(found) = config::from_yaml(&text, &environment) else { continue };
        let mistake = found.iter().find(|diagnostic| {
            let said = &diagnostic.message;
            said == "is not a known key"
                || said.contains(", but has to be ")
                || said.ends_with("is not a mapping of keys to values")
        });
        let Some(mistake) = mistake.filter(|mistake| matches!(mistake.origin, config::Origin::Place(_))) else {
            continue;
        };
        assert!(!validator.is_valid(&value), "{}: {mistake}", file.display());
        refused += 1;
    }
    assert!(refused >= 8, "only {refused} files were compared");
}

/// No table is forgotten in the list of all keys.
#[test]
fn the_list_of_all_keys_is_whole() {
    let mut known = vestibule::config::document::keys::all();
    let mut written = keys::in_the_schema();
    known.sort();
    written.sort();
    assert_eq!(written, known, "src/config/document/keys.rs names every table");
}

/// A key that is a number, a switch, a duration … says so; otherwise editors accept anything.
#[test]
fn every_key_says_what_it_is() {
    let silent: Vec<_> = keys::all().into_iter().filter(|key| key.kind == Kind::Unsaid).map(|key| key.path).collect();
    assert!(
        silent.is_empty(),
        "add #[schemars(with = \"…\")] with one of src/config/document/kind.rs, or #[schemars(extend(\"enum\" = […]))]: {silent:#?}"
    );
}

/// Every key is described in one place, its doc comment.
#[test]
fn every_key_is_described() {
    for key in keys::all() {
        assert!(key.description.ends_with('.'), "{}: {:?} is no sentence", key.path, key.description);
    }
}

/// Words, durations, sizes, switches: what the schema says a key is, `compile` reads.
#[test]
fn the_schema_and_compile_agree() {
    let mut words = 0;
    for key in keys::all() {
        let found = keys::refusal(&key.path, "zzzz zzzz:zzzz");
        let said = |part: &str| found.as_ref().is_some_and(|found| found.message.contains(part));
        let kind = [
            ("is neither true nor false", "switch"),
            ("is no duration", "duration"),
            ("is no size", "size"),
            ("is no address with a port", "address"),
            ("does not begin with a slash", "path"),
        ]
        .into_iter()
        .find_map(|(message, kind)| said(message).then_some(kind));
        if let Some(kind) = kind {
            assert!(key.type_name().starts_with(kind), "{} is a {kind}, the schema says {}", key.path, key.type_name());
        }
        if said("is no whole number") {
            assert!(["number", "seconds"].contains(&key.type_name().as_str()), "{} is a number", key.path);
        }
        let known = if said("is not known here") { keys::quoted(&found.unwrap().help.unwrap()) } else { Vec::new() };
        if let Kind::Words(written) = &key.kind {
            if key.path == "version" {
                continue;
            }
            assert_eq!(written, &known, "{}: the schema's words and those of compile", key.path);
            words += 1;
        } else {
            assert!(known.is_empty(), "{}: add #[schemars(extend(\"enum\" = {known:?}))]", key.path);
        }
    }
    assert!(words >= 5, "the words were not found");
}
