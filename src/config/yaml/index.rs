//! Which path stands where: `routes[1].path` -> line, column. Also what the values' parser does
//! not check, or only at great cost: nesting, size, repeated keys, tags, several documents.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Range, Tag};

use crate::config::origin::{Origin, Origins, Place, child, item};

/// Mappings and lists inside each other.
const MAX_DEPTH: usize = 16;
const TOO_DEEP_HELP: &str = "no key needs more than six; is a bracket not closed?";
/// Keys and values in one file.
const MAX_NODES: usize = 50_000;
/// Bytes that the values of one file may have once every alias is replaced by what it stands for.
const MAX_EXPANDED: usize = 4 * 1024 * 1024;
/// Bytes that a key, a value, a list or a mapping counts besides its text.
const NODE: usize = 16;
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
    pub(super) line: usize,
    pub(super) column: usize,
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
    /// Bytes so far, with aliases replaced.
    expanded: usize,
    /// The bytes of what has an anchor and is complete.
    anchors: HashMap<usize, usize>,
    /// Of each open mapping and list: its anchor, and `expanded` at its beginning.
    begun: Vec<(usize, usize)>,
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
        let mut builder =
            Builder { index, open: Vec::new(), documents: 0, expanded: 0, anchors: HashMap::new(), begun: Vec::new() };
        for event in Parser::new_from_str(text) {
            let (event, range) = event.map_err(|error| syntax(&error))?;
            let span = Span::from(range);
            builder.weigh(&event, span)?;
            builder.take(event, span)?;
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
    /// Counts what the text means, not what it says: ten lines of aliases can mean gigabytes.
    fn weigh(&mut self, event: &Event<'_>, span: Span) -> Result<(), Mistake> {
        match event {
            Event::Scalar(text, _, anchor, _) => {
                self.expanded = self.expanded.saturating_add(NODE + text.len());
                self.anchors.insert(*anchor, NODE + text.len());
            }
            // An alias inside of what it stands for has no size; the values' parser refuses it.
            Event::Alias(anchor) => {
                let size = self.anchors.get(anchor).copied().unwrap_or(NODE);
                self.expanded = self.expanded.saturating_add(size);
            }
            Event::MappingStart(anchor, _) | Event::SequenceStart(anchor, _) => {
                self.begun.push((*anchor, self.expanded));
                self.expanded = self.expanded.saturating_add(NODE);
            }
            Event::MappingEnd | Event::SequenceEnd => {
                if let Some((anchor, before)) = self.begun.pop() {
                    self.anchors.insert(anchor, self.expanded.saturating_sub(before));
                }
            }
            _ => {}
        }
        if self.expanded > MAX_EXPANDED {
            let help = "repeat less: every alias counts as much as what it stands for";
            return Err(span.mistake("", "with this alias, the file means more than 4 MiB", Some(help)));
        }
        Ok(())
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Mistake> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let help = "keep one configuration in a file: remove everything from this `---` on";
                    return Err(span.mistake("", "a second YAML document begins here", Some(help)));
                }
            }
            Event::Scalar(text, style, _, tag) => {
                refuse_tag(tag.as_deref(), span)?;
                if let Some(Open::Mapping { path, key: key @ None }) = self.open.last_mut() {
                    let full = child(path, &text);
                    if style == ScalarStyle::Plain && !is_text(&text) && !full.starts_with("x-") {
                        let message = format!("the key `{text}` is no text");
                        return Err(span.mistake(path, &message, Some("write `name: value`, or put quotes around it")));
                    }
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
            let message = format!("the key `{name}` is already there on line {}, column {}", first.line, first.column);
            return Err(span.mistake(&path, &message, Some("keep one of the two")));
        }
        self.count(span)?;
        self.index.keys.insert(path, span);
        Ok(())
    }

    fn begin(&mut self, tag: Option<&Tag>, span: Span) -> Result<String, Mistake> {
        refuse_tag(tag, span)?;
        if self.open.len() >= MAX_DEPTH {
            return Err(span.mistake("", &too_deep(), Some(TOO_DEEP_HELP)));
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
        Err(span.mistake("", &format!("more than {MAX_NODES} keys and values"), Some("is this the right file?")))
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

/// Whether YAML takes this for a text although it has no quotes.
fn is_text(plain: &str) -> bool {
    !matches!(plain.to_ascii_lowercase().as_str(), "" | "~" | "null" | "true" | "false")
        && plain.parse::<f64>().is_err()
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

fn too_deep() -> String {
    format!("more than {MAX_DEPTH} levels of nesting")
}

fn syntax(error: &ScanError) -> Mistake {
    let marker = error.marker();
    // The scanner reads ahead, and has a bound of its own.
    if error.info().contains("recursion limit") {
        return Mistake {
            path: String::new(),
            line: marker.line(),
            column: marker.col() + 1,
            message: too_deep(),
            help: Some(TOO_DEEP_HELP.to_owned()),
        };
    }
    Mistake {
        path: String::new(),
        line: marker.line(),
        column: marker.col() + 1,
        message: format!("this is no YAML: {}", error.info()),
        help: Some("look at the indentation, the quotes and the brackets here and on the line above".to_owned()),
    }
}
