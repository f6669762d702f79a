//! W3C Trace Context: a trace that a client or a proxy began goes on to the backend as it came; where
//! there is none, the request's own name becomes one, so that the backend's spans can be found by it.

use http::{HeaderMap, HeaderName, HeaderValue};

pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// `version-traceid-parentid-flags` of version 00: two, 32, 16 and two hex digits.
const LENGTHS: [usize; 4] = [2, 32, 16, 2];

/// The trace id of a request, for the log; the headers are left ready for the backend.
pub(super) fn follow(headers: &mut HeaderMap, request_id: &HeaderValue) -> Option<String> {
    let mut given = headers.get_all(TRACEPARENT).iter();
    let known = match (given.next(), given.next()) {
        (Some(one), None) => one.to_str().ok().and_then(trace_id).map(str::to_owned),
        _ => None,
    };
    if known.is_none() {
        // What nobody can read is not passed on, and its state with it (section 3.2.2.3 and 3.3.1.5).
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
        if let Some(parent) = request_id.to_str().ok().and_then(begin) {
            headers.insert(TRACEPARENT, parent);
        }
    }
    known
}

/// The trace id of a valid `traceparent`; of versions to come, what they share with the first.
fn trace_id(text: &str) -> Option<&str> {
    let mut parts = text.split('-');
    let [version, trace, parent, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let lengths = [version, trace, parent, flags].map(str::len) == LENGTHS;
    let hex = [version, trace, parent, flags].iter().all(|part| part.bytes().all(is_lower_hex));
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let longer = parts.next().is_some();
    let good = lengths && hex && !zero(trace) && !zero(parent) && version != "ff" && !(version == "00" && longer);
    good.then_some(trace)
}

/// A trace that begins here, not sampled: nobody but the backend records anything. Only names that we
/// made are 32 hex digits; a proxy's own stay what they are.
fn begin(request_id: &str) -> Option<HeaderValue> {
    let parent = request_id.get(16..)?;
    let text = format!("00-{request_id}-{parent}-00");
    trace_id(&text)?;
    HeaderValue::try_from(text).ok()
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01";
    const OURS: &str = "a1b2c3d4e5f600010000000000000001";

    fn after(given: &[&str], request_id: &str) -> (Option<String>, Option<String>, bool) {
        let mut headers = HeaderMap::new();
        headers.insert(TRACESTATE, HeaderValue::from_static("vendor=1"));
        for value in given {
            headers.append(TRACEPARENT, HeaderValue::try_from(*value).unwrap());
        }
        let id = follow(&mut headers, &HeaderValue::try_from(request_id).unwrap());
        let passed = headers.get(TRACEPARENT).map(|value| value.to_str().unwrap().to_owned());
        (id, passed, headers.contains_key(TRACESTATE))
    }

    #[test]
    fn a_trace_goes_on_as_it_came() {
        let expected = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        assert_eq!(after(&[GIVEN], OURS), (expected.clone(), Some(GIVEN.to_owned()), true));
        let newer = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01-what-comes";
        assert_eq!(after(&[newer], OURS), (expected, Some(newer.to_owned()), true));
    }

    #[test]
    fn what_is_no_trace_is_replaced_by_one_of_ours() {
        let ours = format!("00-{OURS}-0000000000000001-00");
        let zero_trace = "00-00000000000000000000000000000000-00f067aa0b1902b7-01";
        let zero_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        for given in [
            vec![],
            vec![""],
            vec!["00-0-0-00"],
            vec![GIVEN, GIVEN],
            vec![zero_trace],
            vec![zero_parent],
            vec!["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01"],
            vec!["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0b1902b7-01"],
            vec!["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0b1902b7-01-x"],
        ] {
            assert_eq!(after(&given, OURS), (None, Some(ours.clone()), false), "{given:?}");
        }
        // A proxy's own name for the request need not be a trace id.
        assert_eq!(after(&[], "abc-1"), (None, None, false));
    }
}
