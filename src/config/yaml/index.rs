//! Which path stands where: `routes[1].path` -> line, column. Also what the values' parser does
//! not check, or only at great cost: nesting, size, repeated keys, tags, several documents.

use std::{collections::BTreeMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScanError, Span as Range, Tag};

use crate::config::origin::{Origin, Origins, Place, child, item};

/// Mappings and lists inside each other.
const MAX_DEPTH: usize = 16;
/// Keys and values in one file.
const MAX_NODES: usize = 50_000;
/// Characters of one key.
const MAX_KEY: usize = 128;

/// Where the keys and values of a text stand.
pub(super) struct Index {
    pub(super) keys: BTreeMap<String, Span>,
    pub(super) values: BTreeMap<String, Span>,
}

/// A stretch of text.
#[derive(Clone, Copy)]
pub(super) struct Span {
    line: usize,
    column: usize,
    /// In characters from the beginning of the text.
    pub(super) start: usize,
    /// In characters from the beginning of the text, exclusive.
    pub(super) end: usize,
    /// Nothing else stands inside it.
    pub(super) is_leaf: bool,
}

/// What is wrong with a text as YAML.
pub(super) struct Mistake {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

struct Builder {
    index: Index,
    open: Vec<Open>,
    documents: usize,
}

/// A mapping or list that has begun.
enum Open {
    Mapping { path: String, key: Option<String> },
    Sequence { path: String, next: usize },
}

// === impl Index ===

impl Index {
    /// Walks the text once, without recursion.
    pub(super) fn build(text: &str) -> Result<Self, Mistake> {
        let index = Self { keys: BTreeMap::new(), values: BTreeMap::new() };
        let mut builder = Builder { index, open: Vec::new(), documents: 0 };
        for event in Parser::new_from_str(text) {
            let (event, range) = event.map_err(|error| syntax(&error))?;
            builder.take(event, range.into())?;
        }
        Ok(builder.index)
    }

    /// The same for diagnostics.
    pub(super) fn into_origins(self, file: &Arc<str>) -> Origins {
        let place = |span: Span| {
            let length = span.end.saturating_sub(span.start).max(1);
            Origin::Place(Place { file: Arc::clone(file), line: span.line, column: span.column, length })
        };
        let mut origins = Origins::default();
        for (path, span) in self.keys {
            origins.set_key(path, place(span));
        }
        for (path, span) in self.values {
            origins.set(path, place(span));
        }
        origins
    }
}

// === impl Builder ===

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Mistake> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let help = "keep one configuration in a file: remove everything from this `---` on";
                    return Err(span.mistake("", "a second YAML document begins here", Some(help)));
                }
            }
            Event::Scalar(text, _, _, tag) => {
                refuse_tag(tag.as_deref(), span)?;
                if let Some(Open::Mapping { path, key: key @ None }) = self.open.last_mut() {
                    let full = child(path, &text);
                    *key = Some(text.into_owned());
                    return self.key(full, span);
                }
                let path = self.value(span)?;
                self.index.values.insert(path, span);
            }
            Event::Alias(_) => {
                let path = self.value(span)?;
                self.index.values.insert(path, span);
            }
            Event::MappingStart(_, tag) => {
                let path = self.begin(tag.as_deref(), span)?;
                self.open.push(Open::Mapping { path, key: None });
            }
            Event::SequenceStart(_, tag) => {
                let path = self.begin(tag.as_deref(), span)?;
                self.open.push(Open::Sequence { path, next: 0 });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Notes a key; each may be there once.
    fn key(&mut self, path: String, span: Span) -> Result<(), Mistake> {
        let name = path.rsplit('.').next().unwrap_or(&path);
        if span.end.saturating_sub(span.start) > MAX_KEY {
            return Err(span.mistake("", "this key is too long", Some("is a `:` at the wrong place?")));
        }
        if let Some(first) = self.index.keys.get(&path) {
            let message = format!("the key `{name}` is already there on line {}", first.line);
            return Err(span.mistake(&path, &message, Some("keep one of the two")));
        }
        self.count(span)?;
        self.index.keys.insert(path, span);
        Ok(())
    }

    fn begin(&mut self, tag: Option<&Tag>, span: Span) -> Result<String, Mistake> {
        refuse_tag(tag, span)?;
        if self.open.len() >= MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} levels of nesting");
            return Err(span.mistake("", &message, Some("no key needs more than six; is a bracket not closed?")));
        }
        let path = self.value(span)?;
        let start = Span { end: span.start + 1, is_leaf: false, ..span };
        // A mapping in block style begins where its first key does.
        self.index.values.insert(path.clone(), start);
        Ok(path)
    }

    /// The path of the value that stands here.
    fn value(&mut self, span: Span) -> Result<String, Mistake> {
        self.count(span)?;
        match self.open.last_mut() {
            None => Ok(String::new()),
            Some(Open::Sequence { path, next }) => {
                *next += 1;
                Ok(item(path, *next - 1))
            }
            Some(Open::Mapping { path, key }) => match key.take() {
                Some(key) => Ok(child(path, &key)),
                None => Err(span.mistake(path, "a key has to be a plain text", Some("write `name: value`"))),
            },
        }
    }

    fn count(&self, span: Span) -> Result<(), Mistake> {
        if self.index.keys.len() + self.index.values.len() < MAX_NODES {
            return Ok(());
        }
        Err(span.mistake("", &format!("more than {MAX_NODES} keys and values"), None))
    }
}

// === impl Span ===

impl Span {
    fn mistake(self, path: &str, message: &str, help: Option<&str>) -> Mistake {
        let (line, column) = (self.line, self.column);
        Mistake { path: path.to_owned(), line, column, message: message.to_owned(), help: help.map(ToOwned::to_owned) }
    }
}

impl From<Range> for Span {
    fn from(range: Range) -> Self {
        let start = range.start;
        Self {
            line: start.line(),
            column: start.col() + 1,
            start: start.index(),
            end: range.end.index(),
            is_leaf: true,
        }
    }
}

/// Only YAML's own (`!!str`) are known.
fn refuse_tag(tag: Option<&Tag>, span: Span) -> Result<(), Mistake> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => {
            let message = format!("the YAML tag `{}{}` means nothing here", tag.handle, tag.suffix);
            Err(span.mistake("", &message, Some("remove it; a text that begins with `!` needs quotes")))
        }
        _ => Ok(()),
    }
}

fn syntax(error: &ScanError) -> Mistake {
    let marker = error.marker();
    Mistake {
        path: String::new(),
        line: marker.line(),
        column: marker.col() + 1,
        message: format!("this is no YAML: {}", error.info()),
        help: Some("look at the indentation, the quotes and the brackets here and on the line above".to_owned()),
    }
}
