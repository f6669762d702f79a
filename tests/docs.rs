//! The documentation says what the program does: metric names, links, commands.

#![expect(clippy::unwrap_used, clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every word in a text that begins with `vestibule_` and goes on in lower case.
fn metric_names(text: &str) -> BTreeSet<String> {
    text.match_indices("vestibule_")
        .map(|(at, _)| text[at..].chars().take_while(|char| char.is_ascii_lowercase() || *char == '_').collect())
        .collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_exists() {
    let sources = ["src/metrics.rs", "src/metrics/config.rs"].map(read);
    let code: String = sources.iter().filter_map(|source| source.split("#[cfg(test)]").next()).collect();
    let in_code: BTreeSet<String> = metric_names(&code).into_iter().filter(|name| name != "vestibule_").collect();
    let table: String = read("docs/metrics.md").lines().filter(|line| line.starts_with("| `")).collect();
    let documented = metric_names(&table);
    assert!(in_code.len() > 30, "the names were not found");
    assert_eq!(in_code, documented);
}

/// Relative links of every page lead somewhere.
#[test]
fn links_lead_somewhere() {
    let mut pages = vec![PathBuf::from("README.md")];
    for folder in ["docs", "examples", "benches", "tests"] {
        pages.extend(markdown_below(&root().join(folder)));
    }
    let mut broken = Vec::new();
    let mut seen = 0;
    for page in pages {
        let text = read(&page);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            if !root().join(&page).parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(seen >= 8, "the links were not found");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The two commands of the README are what they say.
#[test]
fn the_readme_names_the_two_commands() {
    let readme = read("README.md");
    assert!(readme.contains("```sh\ncargo run --release -- demo\n```"));
    assert!(readme.contains("```sh\ncargo test\n```"));
}

/// Each requirement is there once, and has tests that exist, or says why it has none.
#[test]
fn every_requirement_names_tests_that_exist() {
    let mut source = String::new();
    for file in ["src", "tests"].iter().flat_map(|folder| files_below(&root().join(folder), "rs")) {
        source.push_str(&read(file));
    }
    let functions: BTreeSet<&str> = source
        .match_indices("fn ")
        .filter_map(|(at, _)| source[at + 3..].split(|char: char| !char.is_ascii_alphanumeric() && char != '_').next())
        .collect();
    let page = read("docs/requirements.md");
    let mut ids = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Id ")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let ["", id, what, tests, ""] = cells[..] else { panic!("{row}") };
        assert!(ids.insert(id), "{id} is there twice");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert_eq!(names.is_empty(), what.starts_with("not: "), "{row}");
        for name in names {
            assert!(functions.contains(name), "{id}: there is no test {name}");
        }
    }
    assert!(ids.len() > 180, "the rows were not found");
}

fn markdown_below(folder: &Path) -> Vec<PathBuf> {
    files_below(folder, "md")
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "node_modules" && !name.starts_with('.') {
            found.extend(files_below(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path.strip_prefix(root()).unwrap().to_path_buf());
        }
    }
    found
}
