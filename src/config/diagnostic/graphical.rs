//! A diagnostic with the line it is about, drawn by miette.

use std::{collections::BTreeMap, fmt, sync::Arc};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use super::{Diagnostic, Origin, Severity};
use crate::config::origin::Place;

/// Columns that a drawing may use.
const WIDTH: usize = 110;
/// Characters of one line that are drawn.
const LINE: usize = 100;
/// Characters that are drawn before a mark in a line that is longer.
const BEFORE: usize = 30;

struct Drawn<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<Excerpt>,
    span: Option<(usize, usize)>,
}

/// The marked line and its neighbours, each not longer than [`LINE`]: a file may be one line.
struct Excerpt {
    name: String,
    text: String,
    /// Lines of the file before the excerpt.
    skipped: usize,
    /// The mark, in bytes of the excerpt.
    span: (usize, usize),
    /// The mark's line in the excerpt, and the characters of it that were left out.
    cut: (usize, usize),
}

/// Draws one diagnostic; without the text of its file it is a paragraph.
pub(super) fn render(diagnostic: &Diagnostic, texts: &BTreeMap<Arc<str>, Arc<str>>, colour: bool) -> String {
    let located = match &diagnostic.origin {
        Origin::Place(place) => texts.get(&place.file).map(|text| (place, text)),
        _ => None,
    };
    let excerpt = located.map(|(place, text)| Excerpt::new(text, place));
    let drawn = Drawn { diagnostic, span: excerpt.as_ref().map(|excerpt| excerpt.span), source: excerpt };
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_context_lines(1).with_links(false);
    match handler.render_report(&mut text, &drawn) {
        Ok(()) => format!("{text}\n"),
        Err(fmt::Error) => format!("{diagnostic}\n"),
    }
}

// === impl Excerpt ===

impl Excerpt {
    fn new(text: &str, place: &Place) -> Self {
        let marked = place.line.saturating_sub(1);
        let skipped = marked.saturating_sub(1);
        let mut excerpt = Self {
            name: place.file.to_string(),
            text: String::new(),
            skipped,
            span: (0, 0),
            cut: (marked - skipped, 0),
        };
        for (index, line) in text.lines().enumerate().skip(skipped).take(marked - skipped + 2) {
            let column = if index == marked { place.column.saturating_sub(1) } else { 0 };
            excerpt.add(line, (index == marked).then_some(place.length), column);
        }
        excerpt
    }

    /// Adds a line, from a little before the column on if it is a long one.
    fn add(&mut self, line: &str, marked: Option<usize>, column: usize) {
        let is_long = line.chars().nth(LINE).is_some();
        let from = if is_long { column.saturating_sub(BEFORE) } else { 0 };
        let shown: String = line.chars().skip(from).take(LINE).collect();
        if let Some(length) = marked {
            let before: usize = shown.chars().take(column - from).map(char::len_utf8).sum();
            let inside = shown.chars().skip(column - from).take(length.max(1)).map(char::len_utf8).sum();
            self.span = (self.text.len() + before, inside);
            self.cut.1 = from;
        }
        self.text.push_str(&shown);
        self.text.push_str(if line.chars().nth(from + LINE).is_some() { "…\n" } else { "\n" });
    }
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inside = self.text.read_span(span, before, after)?;
        // Where the whole file would have it.
        let cut = if inside.line() == self.cut.0 && inside.column() > 0 { self.cut.1 } else { 0 };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            inside.data(),
            *inside.span(),
            inside.line() + self.skipped,
            inside.column() + cut,
            inside.line_count(),
        )))
    }
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
