//! The documentation says what the program does: metric names, links, commands.

#![expect(clippy::unwrap_used, clippy::panic, clippy::string_slice, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use vestibule::metrics::{FAMILIES, Family};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The part of a page that is made from the code, between its two comments.
fn generated<'p>(page: &'p str, name: &str) -> (&'p str, &'p str, &'p str) {
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (part, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    (&page[..before.len() + begin.len()], part, &page[page.len() - after.len() - end.len()..])
}

/// Holds a generated part against the code; with `UPDATE_DOCS=1` writes it.
fn assert_generated(path: &str, name: &str, expected: &str) {
    let page = read(path);
    let (before, part, after) = generated(&page, name);
    if part == expected {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "{path} is behind the code; write it with: UPDATE_DOCS=1 cargo test --test docs"
    );
    fs::write(root().join(path), format!("{before}{expected}{after}")).unwrap();
}

/// The tables of metrics come from the list that registers them.
#[test]
fn the_metrics_are_documented_as_they_are() {
    let mut families: Vec<&Family> = FAMILIES.iter().collect();
    families.sort_by_key(|family| family.name);
    assert!(families.len() > 40, "families are missing");
    let mut table = "\n| metric | type | labels | what |\n| --- | --- | --- | --- |\n".to_owned();
    for family in &families {
        let labels: Vec<&str> = family.labels.iter().map(|label| label.name).collect();
        let Family { name, kind, help, .. } = family;
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    table.push_str("| `process_*` | | | Memory, CPU, file descriptors, threads, start time. |\n\n");
    assert_generated("docs/metrics.md", "families", &table);

    let mut table = "\n| metric | label | values |\n| --- | --- | --- |\n".to_owned();
    for family in &families {
        for label in family.labels.iter().filter(|label| !label.values.is_empty()) {
            let fault = |index: usize| label.faults.get(index).map(|fault| format!(" ({fault})")).unwrap_or_default();
            let values = label.values.iter().enumerate();
            let values: Vec<String> = values.map(|(index, value)| format!("`{value}`{}", fault(index))).collect();
            writeln!(table, "| `{}` | {} | {} |", family.name, label.name, values.join(", ")).unwrap();
        }
    }
    table.push('\n');
    assert_generated("docs/metrics.md", "values", &table);
}

/// Relative links of every page lead somewhere.
#[test]
fn links_lead_somewhere() {
    let mut pages = vec![PathBuf::from("README.md")];
    for folder in ["docs", "examples", "benches", "tests", "deploy"] {
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
