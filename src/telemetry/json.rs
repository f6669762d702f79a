//! One JSON object a line: when, how grave, what was said, and the fields of the event and of the
//! spans around it, side by side. So `request_id` is found at the same place in every line.

use std::{fmt, io::Write as _, marker::PhantomData, time::SystemTime};

use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

/// Writes every event that it is shown. `M` tells the fields that it keeps with spans from those of
/// another layer of this kind.
pub(super) struct JsonLines<M, W> {
    writer: W,
    with_level: bool,
    mark: PhantomData<fn() -> M>,
}

/// A span's fields.
struct Fields<M>(Map<String, Value>, PhantomData<fn() -> M>);

struct Collector<'a>(&'a mut Map<String, Value>);

// === impl JsonLines ===

impl<M, W> JsonLines<M, W> {
    /// `with_level`: also how grave it is and who says so.
    pub(super) fn new(writer: W, with_level: bool) -> Self {
        Self { writer, with_level, mark: PhantomData }
    }

    fn line<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Map<String, Value>
    where
        M: 'static,
        S: Subscriber + for<'s> LookupSpan<'s>,
    {
        let mut line = Map::new();
        line.insert("time".to_owned(), humantime::format_rfc3339_millis(SystemTime::now()).to_string().into());
        if self.with_level {
            line.insert("level".to_owned(), event.metadata().level().as_str().into());
            line.insert("target".to_owned(), event.metadata().target().into());
        }
        // What the event says itself counts more than what is around it.
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(Fields(fields, _)) = span.extensions().get::<Fields<M>>() {
                for (name, value) in fields {
                    line.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        event.record(&mut Collector(&mut line));
        line
    }
}

impl<M, W, S> Layer<S> for JsonLines<M, W>
where
    M: 'static,
    W: for<'w> MakeWriter<'w> + 'static,
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Map::new();
        attributes.record(&mut Collector(&mut fields));
        span.extensions_mut().replace(Fields::<M>(fields, PhantomData));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(Fields(fields, _)) = span.extensions_mut().get_mut::<Fields<M>>() {
            values.record(&mut Collector(fields));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Ok(mut line) = serde_json::to_vec(&self.line(event, &context)) else { return };
        line.push(b'\n');
        // There is nowhere to complain about a log that cannot be written.
        drop(self.writer.make_writer().write_all(&line));
    }
}

// === impl Collector ===

impl Collector<'_> {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        // Fields of the `log` crate's bridge say where in the source; nobody asked.
        if !field.name().starts_with("log.") {
            self.0.insert(field.name().to_owned(), value.into());
        }
    }
}

impl Visit for Collector<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_has_the_fields_of_its_spans_beside_its_own() {
        let buffer = Buffer::default();
        let made = buffer.clone();
        let layer = JsonLines::<(), _>::new(move || made.clone(), true);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span =
                tracing::error_span!("request", request_id = "r1", outcome = "outer", flow = tracing::field::Empty);
            span.record("flow", "BCDF");
            span.in_scope(
                || tracing::info!(target: "t", count = 3_u64, outcome = "inner", nothing = None::<&str>, "two\nlines"),
            );
        });
        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        for (name, expected) in [
            ("level", "INFO"),
            ("target", "t"),
            ("message", "two\nlines"),
            ("request_id", "r1"),
            ("flow", "BCDF"),
            ("outcome", "inner"),
        ] {
            assert_eq!(line[name], expected, "{name}: {line}");
        }
        assert_eq!(line["count"], 3);
        assert!(line.get("nothing").is_none());
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }
}
