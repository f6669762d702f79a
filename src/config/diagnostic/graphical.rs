//! A diagnostic with the line it is about, drawn by miette.

use std::{collections::BTreeMap, fmt, sync::Arc};

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use super::{Diagnostic, Origin, Severity};
use crate::config::origin::Place;

/// Columns that a drawing may use.
const WIDTH: usize = 110;

struct Drawn<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
    span: Option<(usize, usize)>,
}

/// Draws one diagnostic; without the text of its file it is a paragraph.
pub(super) fn render(diagnostic: &Diagnostic, texts: &BTreeMap<Arc<str>, Arc<str>>, colour: bool) -> String {
    let located = match &diagnostic.origin {
        Origin::Place(place) => texts.get(&place.file).map(|text| (place, text)),
        _ => None,
    };
    let drawn = Drawn {
        diagnostic,
        source: located.map(|(place, text)| NamedSource::new(&*place.file, text.to_string())),
        span: located.map(|(place, text)| bytes(text, place)),
    };
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_context_lines(1).with_links(false);
    match handler.render_report(&mut text, &drawn) {
        Ok(()) => format!("{text}\n"),
        Err(fmt::Error) => format!("{diagnostic}\n"),
    }
}

/// The byte offset and length of a place that counts lines and characters.
fn bytes(text: &str, place: &Place) -> (usize, usize) {
    let line_start: usize = text.split_inclusive('\n').take(place.line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or_default();
    let skipped: usize = rest.chars().take(place.column.saturating_sub(1)).map(char::len_utf8).sum();
    let marked = rest.get(skipped..).unwrap_or_default().lines().next().unwrap_or_default();
    (line_start + skipped, marked.chars().take(place.length.max(1)).map(char::len_utf8).sum())
}

// === impl Drawn ===

impl fmt::Debug for Drawn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.diagnostic.fmt(formatter)
    }
}

impl fmt::Display for Drawn<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.diagnostic.origin, &self.source) {
            (Origin::Nowhere, _) | (_, Some(_)) => formatter.write_str(&self.diagnostic.sentence()),
            (origin, None) => write!(formatter, "{origin}: {}", self.diagnostic.sentence()),
        }
    }
}

impl std::error::Error for Drawn<'_> {}

impl miette::Diagnostic for Drawn<'_> {
    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Note => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_ref()?;
        Some(Box::new(help))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        let source = self.source.as_ref()?;
        Some(source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.span?;
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(Some("here".to_owned()), span))))
    }
}
