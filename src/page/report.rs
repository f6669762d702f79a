//! A page for operators: sections of labelled facts, each good or not.

use askama::Template;
use url::Url;

use super::{Page, STYLE, policy, render, site};

/// What the page says.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Our own public URL.
    pub public_url: &'a Url,
    /// What it is about.
    pub title: String,
    /// The same in a sentence.
    pub lead: String,
    /// In the order shown.
    pub sections: Vec<Section>,
    /// Where to read on: path and words.
    pub links: Vec<(&'static str, &'static str)>,
}

/// Facts that belong together.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// How it is.
    pub mark: Option<Mark>,
    /// The facts.
    pub rows: Vec<Row>,
    /// What to say if there are none.
    pub empty: &'static str,
}

/// One fact.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub label: String,
    /// The fact.
    pub value: String,
    /// Where there is more about it.
    pub href: Option<String>,
}

/// Good or not; said in words, not by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// With these words.
    Good(&'static str),
    /// With these words.
    Bad(&'static str),
}

#[derive(Template)]
#[template(path = "report.html")]
struct View<'a> {
    style: &'static str,
    site: String,
    title: &'a str,
    lead: &'a str,
    sections: &'a [Section],
    links: &'a [(&'static str, &'static str)],
}

// === impl Report ===

impl Report<'_> {
    /// Renders the page.
    pub fn page(&self) -> Page {
        let view = View {
            style: STYLE,
            site: site(self.public_url),
            title: &self.title,
            lead: &self.lead,
            sections: &self.sections,
            links: &self.links,
        };
        Page { html: render(&view), policy: policy::without_form() }
    }
}

// === impl Row ===

impl Row {
    /// A fact without a link.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self { label: label.into(), value: value.into(), href: None }
    }

    /// There is more about it at this path.
    #[must_use]
    pub fn at(mut self, href: impl Into<String>) -> Self {
        self.href = Some(href.into());
        self
    }
}

// === impl Mark ===

impl Mark {
    fn class(self) -> &'static str {
        match self {
            Self::Good(_) => "good",
            Self::Bad(_) => "bad",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Good(text) | Self::Bad(text) => text,
        }
    }
}
