//! What `deploy/` asks of the metrics is there: rules, their tests and runbooks, and the dashboard. That the expressions
//! work is shown with a real Prometheus in `tests/interop`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use vestibule::metrics::{FAMILIES, Family};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &str) -> serde_yaml::Value {
    serde_yaml::from_str(&read(path)).unwrap()
}

/// `name -> expression` of what a rule file calls `kind`.
fn rules(kind: &str) -> BTreeMap<String, String> {
    let file = yaml("deploy/prometheus/vestibule.rules.yml");
    let groups = file["groups"].as_sequence().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap());
    let text = |value: &serde_yaml::Value| value.as_str().unwrap().to_owned();
    rules.filter(|rule| rule.get(kind).is_some()).map(|rule| (text(&rule[kind]), text(&rule["expr"]))).collect()
}

/// Every selector in an expression: the metric's name and its matchers.
fn selectors(expression: &str) -> Vec<(&str, Vec<(&str, &str)>)> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    for (at, _) in expression.match_indices("vestibule_") {
        let rest = &expression[at..];
        let end = rest.bytes().position(|byte| !word(byte)).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let matchers = after.strip_prefix('{').and_then(|after| after.split_once('}')).map_or("", |(inside, _)| inside);
        let matchers = matchers.split("\",").filter(|matcher| !matcher.is_empty()).map(|matcher| {
            let (label, value) = matcher.split_once(['=', '!']).unwrap();
            (label, value.trim_start_matches(['=', '~', '!']).trim_matches('"'))
        });
        found.push((name, matchers.collect()));
    }
    found
}

fn family(series: &str) -> Option<&'static Family> {
    let of = |name: &str| FAMILIES.iter().find(|family| family.name == name);
    let histogram = |suffix| of(series.strip_suffix(suffix)?).filter(|family| family.kind == "histogram");
    of(series).or_else(|| ["_bucket", "_sum", "_count"].into_iter().find_map(histogram))
}

/// Names, labels and the values of closed labels.
fn assert_exists(what: &str, expression: &str) -> usize {
    let selectors = selectors(expression);
    for (name, matchers) in &selectors {
        let family = family(name).unwrap_or_else(|| panic!("{what}: there is no metric {name}"));
        for (label, value) in matchers {
            if ["le", "job", "instance"].contains(label) {
                continue;
            }
            let known = family.labels.iter().find(|known| known.name == *label);
            let known = known.unwrap_or_else(|| panic!("{what}: {name} has no label {label}"));
            let values = if *label == "fault" { &["none", "user", "client", "idp", "gateway"] } else { known.values };
            for value in value.split('|').filter(|_| !values.is_empty()) {
                assert!(values.contains(&value), "{what}: {label} of {name} is never {value}");
            }
        }
    }
    selectors.len()
}

#[test]
fn rules_use_metrics_that_exist() {
    let (records, alerts) = (rules("record"), rules("alert"));
    assert!(records.len() >= 12 && alerts.len() >= 25, "the rules were not found");
    for (name, expression) in records.iter().chain(&alerts) {
        let recorded = records.keys().any(|record| expression.contains(record.as_str()));
        assert!(assert_exists(name, expression) > 0 || recorded, "{name} looks at no metric of ours");
    }
}

/// What a set of values is called where it is used.
fn used_as(set: &str) -> &str {
    match set {
        "Backend" => "Outcome",
        "Denial" => "RuleKind",
        set => set,
    }
}

/// A value that nothing sets is a promise: whoever watches for it waits for ever.
#[test]
fn every_value_of_a_label_is_set_somewhere() {
    let outcomes = read("src/metrics/outcome.rs");
    let mut code = String::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() && !name.ends_with("/tests") {
                open.push(path);
            } else if path.is_file() && !name.ends_with("tests.rs") && !name.ends_with("metrics/outcome.rs") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                code += text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            }
        }
    }
    // The methods of HTTP are found by their label.
    let found_by_label = ["Method"];
    let mut values = 0;
    let mut unset = Vec::new();
    for set in outcomes.split("labels! {").skip(1) {
        let declared = set.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        let Some((name, rest)) = declared.trim_start().split_once(" {") else { continue };
        let members = rest.split_once('}').unwrap().0;
        for variant in members.split(',').filter_map(|member| member.split_once('=')).map(|(variant, _)| variant.trim())
        {
            values += 1;
            if !found_by_label.contains(&name) && !code.contains(&format!("{}::{variant}", used_as(name))) {
                unset.push(format!("{name}::{variant}"));
            }
        }
    }
    assert!(values > 150, "the values were not found: {values}");
    assert!(unset.is_empty(), "nothing sets {unset:?}");
}

#[test]
fn every_alert_has_a_runbook_and_tests_that_it_fires_and_that_it_does_not() {
    let runbooks = read("docs/runbooks.md");
    let sections: BTreeSet<&str> = runbooks.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = rules("alert");
    let names: BTreeSet<&str> = alerts.keys().map(String::as_str).collect();
    assert_eq!(sections, names);
    let tests = yaml("deploy/prometheus/vestibule.tests.yml");
    let mut shown: BTreeMap<&str, [bool; 2]> = BTreeMap::new();
    for test in tests["tests"].as_sequence().unwrap() {
        for case in test["alert_rule_test"].as_sequence().unwrap() {
            let fires = !case["exp_alerts"].as_sequence().unwrap().is_empty();
            shown.entry(case["alertname"].as_str().unwrap()).or_default()[usize::from(fires)] = true;
        }
    }
    for name in &names {
        assert_eq!(shown.get(name), Some(&[true, true]), "{name}: a test that it is quiet, and one that it fires");
    }
    let file = yaml("deploy/prometheus/vestibule.rules.yml");
    for rule in file["groups"].as_sequence().unwrap().iter().flat_map(|group| group["rules"].as_sequence().unwrap()) {
        let Some(name) = rule.get("alert").and_then(|name| name.as_str()) else { continue };
        let expected = format!("docs/runbooks.md#{}", name.to_ascii_lowercase());
        assert_eq!(rule["annotations"]["runbook"].as_str(), Some(expected.as_str()));
    }
}

#[test]
fn the_operators_rules_are_the_rules() {
    let operator = yaml("deploy/kubernetes/components/prometheus-operator/prometheus-rule.yaml");
    assert_eq!(operator["spec"], yaml("deploy/prometheus/vestibule.rules.yml"), "run build.sh beside it");
}

#[test]
fn the_dashboard_uses_metrics_and_runbooks_that_exist() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana/vestibule.json")).unwrap();
    let (records, alerts) = (rules("record"), rules("alert"));
    let (mut queries, mut runbooks, mut shown) = (0, 0, String::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let known = expression.contains("process_") || records.keys().any(|record| expression.contains(record));
            let concrete = expression.replace("=~\"$provider\"", "=~\"x\"").replace("=~\"$route\"", "=~\"x\"");
            assert!(assert_exists(title, &concrete) > 0 || known, "{title}: {expression}");
            shown += expression;
            queries += 1;
        }
        // The runbook is in the panel: an imported dashboard has no files beside it.
        let description = panel["description"].as_str().unwrap_or_default();
        if let Some((_, runbook)) = description.split_once("**Alert ") {
            let (alert, steps) = runbook.split_once("**\n\n").unwrap();
            assert!(alerts.contains_key(alert), "{title}: there is no alert {alert}");
            assert!(["*Page.*", "*Ticket.*"].iter().any(|kind| steps.starts_with(kind)), "{title}: {steps}");
            assert!(!steps.contains("](") && !steps.contains("\n#"), "{title}: {steps}");
            runbooks += 1;
        }
    }
    assert!(queries > 60, "the queries were not found");
    assert!(runbooks > 20, "the runbooks were not found");
    // Whatever is measured can be seen.
    let annotations = dashboard["annotations"].to_string();
    let unseen = FAMILIES.iter().map(|family| family.name);
    let unseen: Vec<_> = unseen.filter(|name| !shown.contains(name) && !annotations.contains(name)).collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
}
