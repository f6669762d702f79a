//! The two text formats that a scraper may ask for.
//!
//! The classic one is the `prometheus` crate's. OpenMetrics 1.0 differs in what is checked here:
//! counters are declared without `_total`, texts escape quotes, numbers have a fixed shape, and the
//! text ends with `# EOF`, so that a scrape that was cut off is noticed.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue, header::ACCEPT};
use mime::Mime;
use prometheus::{
    TextEncoder,
    proto::{Metric, MetricFamily, MetricType},
};

const OPEN_METRICS: &str = "openmetrics-text";
/// The most types of one `Accept` header that are looked at.
const MOST_TYPES: usize = 32;

/// How series are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    #[default]
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

// === impl Format ===

impl Format {
    /// What a scraper prefers; the classic format where it does not say (RFC 9110 section 12.5.1).
    pub fn preferred(headers: &HeaderMap) -> Self {
        let weight = |wanted: &str| {
            let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
            let types = values.flat_map(|value| value.split(',')).take(MOST_TYPES);
            let known = types.filter_map(|text| text.trim().parse::<Mime>().ok());
            let weights = known.filter(|mime| mime.subtype() == wanted).map(|mime| quality(&mime));
            weights.fold(0.0, f32::max)
        };
        let open = weight(OPEN_METRICS);
        if open > 0.0 && open >= weight("plain") { Self::OpenMetrics } else { Self::Text }
    }

    /// `Content-Type`.
    pub fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        })
    }
}

fn quality(mime: &Mime) -> f32 {
    let text = mime.get_param("q").map_or("1", |q| q.as_str());
    text.parse().ok().filter(|q: &f32| (0.0..=1.0).contains(q)).unwrap_or_default()
}

/// All families in this format.
pub(super) fn text(families: &[MetricFamily], format: Format) -> String {
    let written = match format {
        Format::Text => TextEncoder::new().encode_to_string(families).map_err(|error| error.to_string()),
        Format::OpenMetrics => open_metrics(families).map_err(|error| error.to_string()),
    };
    written.unwrap_or_else(|error| format!("# {error}\n"))
}

fn open_metrics(families: &[MetricFamily]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for family in families {
        let kind = family.get_field_type();
        let name = match kind {
            MetricType::COUNTER => family.name().strip_suffix("_total").unwrap_or(family.name()),
            _ => family.name(),
        };
        writeln!(text, "# HELP {name} {}", escaped(family.help()))?;
        writeln!(text, "# TYPE {name} {}", type_name(kind))?;
        for metric in family.get_metric() {
            match kind {
                MetricType::COUNTER => {
                    sample(&mut text, &format!("{name}_total"), metric, None, metric.get_counter().get_value())?;
                }
                MetricType::HISTOGRAM => histogram(&mut text, name, metric)?,
                _ => sample(&mut text, name, metric, None, metric.get_gauge().get_value())?,
            }
        }
    }
    text.push_str("# EOF\n");
    Ok(text)
}

/// The program has counters, gauges and histograms only.
fn type_name(kind: MetricType) -> &'static str {
    match kind {
        MetricType::COUNTER => "counter",
        MetricType::HISTOGRAM => "histogram",
        _ => "gauge",
    }
}

fn histogram(text: &mut String, name: &str, metric: &Metric) -> std::fmt::Result {
    let histogram = metric.get_histogram();
    let buckets = format!("{name}_bucket");
    for bucket in histogram.get_bucket() {
        let bound = format!("{:?}", bucket.upper_bound());
        sample(text, &buckets, metric, Some(&bound), count(bucket.cumulative_count()))?;
    }
    let all = count(histogram.get_sample_count());
    sample(text, &buckets, metric, Some("+Inf"), all)?;
    sample(text, &format!("{name}_sum"), metric, None, histogram.get_sample_sum())?;
    sample(text, &format!("{name}_count"), metric, None, all)
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "the format's numbers are floats")]
fn count(count: u64) -> f64 {
    count as f64
}

fn sample(text: &mut String, name: &str, metric: &Metric, bound: Option<&str>, value: f64) -> std::fmt::Result {
    text.push_str(name);
    let labels = metric.get_label().iter().map(|pair| (pair.name(), pair.value()));
    for (index, (label, value)) in labels.chain(bound.map(|bound| ("le", bound))).enumerate() {
        let open = if index == 0 { '{' } else { ',' };
        write!(text, "{open}{label}=\"{}\"", escaped(value))?;
    }
    if bound.is_some() || !metric.get_label().is_empty() {
        text.push('}');
    }
    writeln!(text, " {value}")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preferred(accept: &[&str]) -> Format {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        Format::preferred(&headers)
    }

    #[test]
    fn a_scraper_gets_what_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (vec![], Format::Text),
            (vec![""], Format::Text),
            (vec!["*/*"], Format::Text),
            (vec![prometheus], Format::OpenMetrics),
            (vec!["application/openmetrics-text"], Format::OpenMetrics),
            (vec!["text/plain", "application/openmetrics-text; q=0.5"], Format::Text),
            (vec!["application/openmetrics-text;q=0"], Format::Text),
            (vec!["application/openmetrics-text;q=7"], Format::Text),
            (vec!["text/html,application/xhtml+xml"], Format::Text),
        ] {
            assert_eq!(preferred(&accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn values_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
