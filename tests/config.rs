//! The configuration as people meet it: whole files, right and wrong.

use std::{
    fs,
    path::{Path, PathBuf},
};

use vestibule::config::{self, Diagnostics, Loaded, Look, Sources};

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

/// Loads a file with the variables that its `# env: NAME=value` lines name.
fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let text = fs::read_to_string(path).unwrap();
    let environment = text.lines().filter_map(|line| line.strip_prefix("# env: ")?.split_once('=')).collect();
    config::load(&Sources { config: Some(path.to_owned()), environment, ..Sources::default() })
}

/// What is said about each broken file, word for word. To change them: `INSTA_UPDATE=always cargo
/// test --test config`, and read the difference.
#[test]
fn every_mistake_says_what_to_do() {
    let files = files("tests/config/broken", ".yaml");
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
