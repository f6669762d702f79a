use std::{collections::BTreeMap, process};

use clap::ValueEnum as _;

use super::{
    super::tests::{arguments, commands},
    *,
};

/// "Exit code" and "check --online" as they are written in a page.
fn plain(page: &str) -> String {
    page.replace("\\*(Aq", "'")
        .replace("\\-", "-")
        .replace("\\fB", "")
        .replace("\\fI", "")
        .replace("\\fR", "")
        .replace('\n', " ")
}

#[test]
fn every_command_has_a_page_with_its_options_examples_and_exit_codes() {
    let pages: BTreeMap<String, String> = pages().into_iter().collect();
    assert!(pages["vestibule.1"].contains(".SH SUBCOMMANDS"));
    for (words, command) in commands() {
        let page = plain(&pages[&format!("{}.1", words.replace(' ', "-"))]);
        assert!(page.contains(".SH EXAMPLES") && page.contains(".SH \"EXIT STATUS\""), "{words}: {page}");
        for line in command.get_after_help().unwrap().to_string().lines() {
            assert!(line == "Examples:" || page.contains(line), "{words}: {line:?} is not on {page}");
        }
        for argument in arguments(&command) {
            let name = argument.get_long().map(|long| format!("--{long}"));
            let names = argument.get_value_names().filter(|_| argument.get_action().takes_values());
            let value = names.map(|names| format!("<{}>", names[0]));
            let variable = argument.get_env().map(|variable| variable.to_string_lossy().into_owned());
            for said in [name, value, variable].into_iter().flatten() {
                assert!(page.contains(&said) || argument.is_positional(), "{words}: {said} is not on {page}");
            }
        }
    }
}

#[test]
fn every_shell_knows_every_command_and_option() {
    for shell in Shell::value_variants() {
        let script = completions(*shell).text;
        for (words, command) in commands() {
            assert!(script.contains(words.rsplit(' ').next().unwrap()), "{shell}: {words}");
            for long in arguments(&command).filter_map(clap::Arg::get_long) {
                // fish writes "-l config".
                assert!(
                    script.contains(&format!("-{long}")) || script.contains(&format!("-l {long}")),
                    "{shell}: {long}"
                );
            }
        }
    }
}

/// What a person gets who presses the tabulator key, from a real shell.
#[test]
fn bash_completes_what_is_typed() {
    let script = completions(Shell::Bash).text;
    for (typed, expected) in [
        ("vestibule he", "healthcheck help"),
        ("vestibule config s", "show schema"),
        ("vestibule serve --en", "--env-file"),
        ("vestibule completions z", "zsh"),
    ] {
        let words: Vec<&str> = typed.split(' ').collect();
        let last = words.len() - 1;
        let typing = format!(
            "{script}\nCOMP_WORDS=({typed}); COMP_CWORD={last}; _vestibule vestibule '{}' '{}'; echo \"${{COMPREPLY[*]}}\"",
            words[last],
            words[last - 1],
        );
        let output = process::Command::new("bash").args(["--norc", "-c", &typing]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), expected, "{typed}");
    }
}
