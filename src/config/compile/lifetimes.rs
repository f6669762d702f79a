//! How long what is handed out lives.

use std::time::Duration;

use super::{report::Report, value};
use crate::config::{
    document::{Lifetimes as Written, Scalar},
    origin::child,
    plan::Lifetimes,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

pub(super) fn compile(at: &str, written: &Written, report: &mut Report<'_>) -> Lifetimes {
    let mut read = |key: &str, scalar: Option<&Scalar>, default: Duration, least: Duration, most: Duration| {
        report.scalar(&child(at, key), scalar, default, |text| value::duration(text, least, most))
    };
    let lifetimes = Lifetimes {
        transaction: read("transaction", written.transaction.as_ref(), 15 * MINUTE, SECOND, HOUR),
        // RFC 6749 section 4.1.2: at most ten minutes.
        code: read("code", written.code.as_ref(), MINUTE, SECOND, 10 * MINUTE),
        access_token: read("access_token", written.access_token.as_ref(), 15 * MINUTE, SECOND, DAY),
        refresh_token: read("refresh_token", written.refresh_token.as_ref(), 30 * DAY, SECOND, 3650 * DAY),
        grant: read("grant", written.grant.as_ref(), 90 * DAY, SECOND, 3650 * DAY),
        refresh_grace: read("refresh_grace", written.refresh_grace.as_ref(), MINUTE, Duration::ZERO, 10 * MINUTE),
        consent: read("consent", written.consent.as_ref(), 30 * DAY, SECOND, 365 * DAY),
    };
    if lifetimes.access_token > lifetimes.grant {
        report
            .error(&child(at, "access_token"), "is longer than `grant`, which ends it")
            .help("make `grant` longer, or this shorter");
    }
    lifetimes
}
