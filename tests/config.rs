//! The configuration as people meet it: whole files, right and wrong.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and is told by INSTA_UPDATE what to write"
)]

#[path = "config/fastmcp.rs"]
mod fastmcp;
#[path = "config/hostile.rs"]
mod hostile;
#[path = "config/keys.rs"]
mod keys;
#[path = "config/page.rs"]
mod page;
#[path = "config/presets.rs"]
mod presets;
#[path = "config/reference.rs"]
mod reference;
#[path = "config/schema.rs"]
mod schema;

use std::{
    fs,
    path::{Path, PathBuf},
};

use vestibule::config::{self, Diagnostics, Loaded, Look, Sources, document};

/// Every secret in the broken files contains this.
const SECRET: &str = "hunter2";

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    files
}

/// Loads a file with the variables that its `# env: NAME=value` lines name, or a `.env` file alone.
fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    if path.to_string_lossy().ends_with(".env") {
        return config::load(&Sources { env_file: Some(path.to_owned()), ..Sources::default() });
    }
    let text = fs::read_to_string(path).unwrap();
    let environment = text.lines().filter_map(|line| line.strip_prefix("# env: ")?.split_once('=')).collect();
    config::load(&Sources { config: Some(path.to_owned()), environment, ..Sources::default() })
}

/// What is said about each broken file, word for word. To change them: `INSTA_UPDATE=always cargo
/// test --test config`, and read the difference.
#[test]
fn every_mistake_says_what_to_do() {
    let files = [files("tests/config/broken", ".yaml"), files("tests/config/broken", ".env")].concat();
    assert!(files.len() >= 30);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("config/broken");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for file in files {
            let found = load(&file).expect_err("a broken file has to be refused");
            let text = found.render(Look::Plain);
            let drawn = found.render(Look::Graphical { colour: false });
            for shown in [&text, &drawn] {
                assert!(!shown.contains(SECRET), "{} shows a secret:\n{shown}", file.display());
            }
            for diagnostic in found.iter() {
                assert!(diagnostic.help.is_some(), "no help in {}: {diagnostic}", file.display());
            }
            insta::assert_snapshot!(file.file_stem().unwrap().to_str().unwrap(), text);
        }
    });
}

/// What the examples need from the environment.
const EXAMPLES: [(&str, &str); 9] = [
    ("BACKEND_API_KEY", "key"),
    ("OIDC_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration"),
    ("OIDC_CLIENT_ID", "abc"),
    ("OIDC_CLIENT_SECRET", "secret"),
    ("ENTRA_CLIENT_SECRET", "secret"),
    ("GOOGLE_CLIENT_SECRET", "secret"),
    ("INTROSPECTION_CLIENT_ID", "gate"),
    ("INTROSPECTION_CLIENT_SECRET", "secret"),
    ("ROOT_SECRET", "a-root-secret-of-more-than-32-characters"),
];

#[test]
fn the_examples_are_valid() {
    let mut loaded = 0;
    for folder in fs::read_dir("examples").unwrap() {
        let config = folder.unwrap().path().join("vestibule.yaml");
        if !config.exists() {
            continue;
        }
        let sources =
            Sources { config: Some(config), environment: EXAMPLES.into_iter().collect(), ..Sources::default() };
        let example = config::load(&sources).unwrap_or_else(|found| panic!("{found}"));
        assert!(example.notes.is_empty(), "{}", example.notes);
        loaded += 1;
    }
    assert!(loaded >= 4);
    for file in ["examples/environment/vestibule.env", "examples/fastmcp-env/.env"] {
        let loaded = load(Path::new(file)).unwrap_or_else(|found| panic!("{found}"));
        assert!(loaded.notes.is_empty(), "{}", loaded.notes);
        assert_eq!(loaded.files, [PathBuf::from(file)]);
    }
}

/// Everything that is set by variables gives the same plan as in a file.
#[test]
fn variables_and_yaml_are_equal() {
    let mut used = String::new();
    let mut names = Vec::new();
    for name in ["everything", "short"] {
        let yaml = load(Path::new(&format!("tests/config/{name}.yaml"))).unwrap_or_else(|found| panic!("{found}"));
        let env_file = PathBuf::from(format!("tests/config/{name}.env"));
        used += &fs::read_to_string(&env_file).unwrap();
        let variables = load(&env_file).unwrap_or_else(|found| panic!("{found}"));
        assert_eq!(variables.plan, yaml.plan);
        names.extend(yaml.plan.providers.iter().map(|provider| provider.name.clone()));
    }
    // Every variable is used, so that none can be forgotten in the comparison.
    let is_used = |key: &&String| {
        let real = |name: &String| key.replace("<name>", name).replace("[]", "[0]");
        let variables: Vec<_> = names.iter().filter_map(|name| document::keys::variable(&real(name))).collect();
        variables.is_empty() || variables.iter().any(|variable| used.contains(&format!("\n{variable}=")))
    };
    let all = document::keys::all();
    let unused: Vec<_> = all.iter().filter(|key| !is_used(key)).collect();
    assert_eq!(unused, Vec::<&String>::new());
}

/// All files that were read are known, so that they can be watched; also when something is wrong.
#[test]
fn every_file_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (config, secret, env_file) = (path("vestibule.yaml"), path("secret"), path("x.env"));
    let text = fs::read_to_string("tests/config/broken/secret_file_missing.yaml").unwrap();
    fs::write(&config, text.replace("/nonexistent/auth0-secret", secret.to_str().unwrap())).unwrap();
    fs::write(&env_file, "VESTIBULE_LISTEN=127.0.0.1:1\n").unwrap();
    let sources = Sources { config: Some(config.clone()), env_file: Some(env_file.clone()), ..Sources::default() };
    let expected: Vec<_> = [&secret, &config, &env_file].into_iter().cloned().collect();
    let found = config::load(&sources).unwrap_err();
    assert_eq!(found.files().cloned().collect::<Vec<_>>(), expected);
    fs::write(&secret, "abc\n").unwrap();
    let loaded = config::load(&sources).unwrap();
    assert_eq!(loaded.files, expected);
    assert_eq!(loaded.plan.listen.port(), 1);
    assert!(loaded.plan.providers[0].client_secret.as_ref().unwrap().matches("abc"));
    assert_eq!(loaded.origins.of("listen").to_string(), format!("{}:1: VESTIBULE_LISTEN", env_file.display()));
}

/// A file that is not there, too large, or no text.
#[test]
fn unreadable_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vestibule.yaml");
    let refused =
        || config::load(&Sources { config: Some(path.clone()), ..Sources::default() }).unwrap_err().to_string();
    assert!(refused().contains("cannot be read: No such file"), "{}", refused());
    fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert!(refused().contains("is larger than 1048576 bytes"), "{}", refused());
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(refused().contains("is not UTF-8 text"), "{}", refused());
}

/// The lines around a mistake are shown without what is secret in them.
#[test]
fn a_terminal_shows_the_line() {
    let found = load(Path::new("tests/config/broken/unknown_keys.yaml")).unwrap_err();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("config");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("terminal", found.render(Look::Graphical { colour: false })));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// Whatever one puts in the place of a line of a right file, it is answered.
    #[test]
    fn a_damaged_file_is_answered(line in 0_usize..80, text in "( {0,8})(- )?[a-z_]{0,10}(: )?(\\PC{0,12}|[0-9a-z:/.]{0,20})") {
        let page = fs::read_to_string("docs/configuration.md").unwrap();
        let (_, rest) = page.split_once("```yaml defaults\n").unwrap();
        let mut lines: Vec<&str> = rest.split("```").next().unwrap().lines().collect();
        let position = line % lines.len();
        lines[position] = &text;
        let secret = [("AUTH0_CLIENT_SECRET".to_owned(), "x".to_owned())];
        if let Err(found) = config::from_yaml(&lines.join("\n"), &secret) {
            assert!(found.has_errors());
            assert!(!found.render(Look::Graphical { colour: true }).is_empty());
        }
    }
}
