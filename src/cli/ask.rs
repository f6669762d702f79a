//! `vestibule reload` and `vestibule healthcheck`: one question to a running instance.

use std::time::Duration;

use serde_json::Value;

use super::{Outcome, admin_client::AdminAddress, exit, printable};

/// A reload may wait for others before it.
const RELOAD_DEADLINE: Duration = Duration::from_mins(1);
/// Container runtimes give up after 30 seconds; a process that needs five is not well.
const HEALTH_DEADLINE: Duration = Duration::from_secs(5);

/// Has the configuration read again, and tells what became of it.
pub fn reload(admin: &AdminAddress) -> Outcome {
    let answer = match admin.post("/reload", RELOAD_DEADLINE) {
        Ok(answer) => answer,
        Err(error) => return Outcome::failed(exit::UNAVAILABLE, format!("{error}\n")),
    };
    let report = serde_json::from_slice::<Value>(&answer.body).ok().filter(Value::is_object);
    match (answer.status, report) {
        (200, Some(report)) => Outcome { code: 0, text: told(&report), notes: String::new() },
        (422, Some(report)) => {
            let restart = report.get("outcome").is_some_and(|outcome| outcome == "restart_required");
            Outcome::failed(if restart { exit::DIFFERENT } else { exit::CONFIG }, told(&report))
        }
        (status, _) => Outcome::failed(
            exit::UNAVAILABLE,
            format!("{admin} answered {status} to POST /reload: {}\n", answer.excerpt()),
        ),
    }
}

/// Whether requests should go to an instance; why not, if not.
pub fn healthcheck(admin: &AdminAddress) -> Outcome {
    match admin.get("/readyz", HEALTH_DEADLINE) {
        Ok(answer) if answer.status == 200 => Outcome { code: 0, text: "ready\n".to_owned(), notes: String::new() },
        Ok(answer) => Outcome::failed(exit::NOT_READY, format!("not ready: {}\n", answer.excerpt())),
        Err(error) => Outcome::failed(exit::NOT_READY, format!("{error}\n")),
    }
}

/// A report as lines; whatever it holds.
fn told(report: &Value) -> String {
    let mut text = String::new();
    for key in ["outcome", "changes", "error", "sha256", "seconds"] {
        match report.get(key) {
            None | Some(Value::Null) => {}
            Some(Value::String(value)) => text.extend([&format!("{key}: {}", printable(value)), "\n"]),
            Some(value) => text.extend([&format!("{key}: {value}"), "\n"]),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_is_told_in_lines() {
        let report = json!({
            "at": "2026-01-01T00:00:00Z", "outcome": "rejected", "error": "a\nb", "sha256": "0123456789ab", "seconds": 0.5,
        });
        assert_eq!(told(&report), "outcome: rejected\nerror: a\\nb\nsha256: 0123456789ab\nseconds: 0.5\n");
        assert_eq!(told(&json!({})), "");
    }
}
