//! `docs/commands.md` says what clap knows.

use std::{collections::BTreeSet, fs};

use clap::{Arg, Command, CommandFactory as _};

use super::*;

/// Every command that does something, with the words that lead to it.
fn leaves(command: &Command, words: &str, found: &mut Vec<(String, Command)>) {
    let below: Vec<&Command> = command.get_subcommands().filter(|below| below.get_name() != "help").collect();
    for below in &below {
        leaves(below, &format!("{words} {}", below.get_name()), found);
    }
    if below.is_empty() {
        found.push((words.to_owned(), command.clone()));
    }
}

pub(super) fn commands() -> Vec<(String, Command)> {
    let mut found = Vec::new();
    leaves(&Arguments::command(), "vestibule", &mut found);
    found
}

pub(super) fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !matches!(argument.get_id().as_str(), "help" | "version"))
}

/// How one writes it: `vestibule check [--config FILE] [--online]`.
fn usage(words: &str, command: &Command) -> String {
    let (required, others): (Vec<_>, Vec<_>) = arguments(command).partition(|argument| argument.is_required_set());
    required.into_iter().chain(others).fold(words.to_owned(), |usage, argument| {
        let Some(long) = argument.get_long() else {
            let name = argument.get_value_names().and_then(<[_]>::first);
            return format!("{usage} {}", name.map(ToString::to_string).unwrap_or_default());
        };
        let values = argument.get_action().takes_values().then(|| argument.get_value_names()).flatten();
        let shown = |name: &str| match argument.get_default_values() {
            // A number says more than its name.
            [default] if default.len() < 6 => default.to_string_lossy().into_owned(),
            _ => name.to_owned(),
        };
        let value = values.and_then(<[_]>::first).map(|name| format!(" {}", shown(name))).unwrap_or_default();
        let bounds = if argument.is_required_set() { ["", ""] } else { ["[", "]"] };
        format!("{usage} {}--{long}{value}{}", bounds[0], bounds[1])
    })
}

fn page() -> String {
    fs::read_to_string("docs/commands.md").unwrap()
}

#[test]
fn the_documented_commands_are_the_real_ones() {
    let page = page();
    let documented: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `vestibule ")?.split_once('`'))
        .map(|(usage, _)| usage)
        .collect();
    let real: Vec<String> = commands().iter().map(|(words, command)| usage(words, command)).collect();
    let real: BTreeSet<&str> = real.iter().filter_map(|usage| usage.strip_prefix("vestibule ")).collect();
    assert_eq!(documented, real);
}

#[test]
fn the_documented_variables_are_the_real_ones() {
    let page = page();
    for (words, command) in commands() {
        for argument in arguments(&command) {
            let Some(variable) = argument.get_env() else { continue };
            let long = argument.get_long().unwrap();
            assert!(page.contains(&format!("`--{long}`")), "{words}: --{long} is not explained");
            assert!(page.contains(&format!("`{}`", variable.to_string_lossy())), "{words}: {variable:?} is not named");
        }
    }
}

#[test]
fn every_command_shows_examples_and_exit_codes() {
    for (words, command) in commands() {
        let help =
            command.get_after_help().unwrap_or_else(|| panic!("{words} shows nothing after its help")).to_string();
        assert!(help.starts_with("Examples:\n  ") && help.contains(&words), "{words}: {help}");
        assert!(help.contains("Exit code"), "{words} says no exit codes");
    }
}

/// Every code that the program ends with is on the page, and no other.
#[test]
fn the_documented_exit_codes_are_the_real_ones() {
    let page = page();
    let (_, table) = page.split_once("## Exit codes").unwrap();
    let documented: BTreeSet<u8> = table
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok())
        .collect();
    let real = [0, exit::DIFFERENT, exit::NOT_READY, exit::USAGE, exit::UNAVAILABLE, exit::CONFIG];
    assert_eq!(documented, real.into_iter().collect());
}
