//! `vestibule completions` and `vestibule man`: what packages install beside the program, made from the
//! same types that read the command line.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};

use super::{Outcome, arguments::Arguments, exit};

const NAME: &str = "vestibule";

/// Why the pages were not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// A script for one shell.
pub(super) fn completions(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), NAME, &mut script);
    Outcome::found(String::from_utf8_lossy(&script).into_owned())
}

/// The page of the program; with a folder, that and one for each command, as files.
pub(super) fn man(folder: Option<&Path>) -> Outcome {
    let pages = pages();
    let Some(folder) = folder else {
        return Outcome::found(pages.into_iter().next().map(|(_, page)| page).unwrap_or_default());
    };
    match write(folder, &pages) {
        Ok(()) => Outcome::found(String::new()),
        Err(error) => Outcome::failed(exit::UNAVAILABLE, format!("{error}\n")),
    }
}

fn write(folder: &Path, pages: &[(String, String)]) -> Result<(), WriteError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| WriteError { path, source }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for (name, page) in pages {
        let path = folder.join(name);
        fs::write(&path, page).map_err(failed(&path))?;
    }
    Ok(())
}

/// File name and text of each page, the program's own first.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages);
    pages
}

fn collect(command: &Command, pages: &mut Vec<(String, String)>) {
    let name = format!("{}.1", command.get_display_name().unwrap_or(NAME));
    pages.push((name, page(command)));
    for below in command.get_subcommands() {
        collect(below, pages);
    }
}

fn page(command: &Command) -> String {
    let manual = Man::new(command.clone()).source(concat!("vestibule ", env!("CARGO_PKG_VERSION"))).manual("Vestibule");
    let mut text = Vec::new();
    // Writing into a `Vec` cannot fail.
    drop(manual.render_title(&mut text));
    drop(manual.render_name_section(&mut text));
    drop(manual.render_synopsis_section(&mut text));
    drop(manual.render_description_section(&mut text));
    drop(manual.render_options_section(&mut text));
    if command.has_subcommands() {
        drop(manual.render_subcommands_section(&mut text));
    }
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    drop(after_help(&after).to_writer(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

/// What stands below each command's help, as sections of its page: examples line by line, the rest as text.
fn after_help(text: &str) -> Roff {
    let mut roff = Roff::new();
    for paragraph in text.split("\n\n") {
        if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
            roff.control("SH", ["EXAMPLES"]).control("nf", []);
            for line in examples.lines() {
                roff.text([roman(line)]);
            }
            roff.control("fi", []);
            continue;
        }
        let heading = if paragraph.starts_with("Exit code") { "EXIT STATUS" } else { "NOTES" };
        roff.control("SH", [heading]).text([roman(paragraph.replace('\n', " "))]);
    }
    roff
}

#[cfg(test)]
mod tests;
