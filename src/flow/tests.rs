use super::*;
use crate::seal::sha256;

fn flows() -> (Flows, crate::time::Hand) {
    let (clock, hand) = Clock::manual(Timestamp(1_000));
    (Flows::new(clock), hand)
}

fn begin(flows: &Flows, client_id: &str) -> FlowId {
    flows.begin(&Beginning {
        provider: "auth0",
        address: [192, 0, 2, 7].into(),
        client_id: Some(client_id),
        resource: Some("https://g.example/mcp"),
        lifetime: Duration::from_mins(15),
    })
}

fn kinds(flow: &Flow) -> Vec<StepKind> {
    flow.steps.iter().map(|step| step.kind).collect()
}

#[test]
fn a_flow_begins_with_what_led_to_it() {
    let (flows, _hand) = flows();
    flows.challenged([192, 0, 2, 7].into(), "auth0", "/mcp");
    flows.registered("client-1", "A client");
    let id = begin(&flows, "client-1");
    assert_eq!(kinds(&flows.get(&id).unwrap()), [StepKind::Challenged, StepKind::Registered]);
    let other = begin(&flows, "client-2");
    assert_eq!(kinds(&flows.get(&other).unwrap()), [StepKind::Challenged], "somebody else's registration");
}

#[test]
fn requests_are_joined_by_what_they_carry() {
    let (flows, _hand) = flows();
    let id = begin(&flows, "client");
    flows.link(sha256(b"code"), &id);
    let found = flows.find(&sha256(b"code")).unwrap();
    flows.link(sha256(b"token"), &found);
    flows.accepted(&sha256(b"token"), "/mcp");
    flows.accepted(&sha256(b"token"), "/mcp");
    flows.accepted(&sha256(b"another"), "/mcp");
    assert_eq!(kinds(&flows.get(&id).unwrap()), [StepKind::Accepted]);
    assert!(flows.find(&sha256(b"other")).is_none());
}

#[test]
fn nobody_fills_the_memory() {
    let (flows, _hand) = flows();
    let first = begin(&flows, "client");
    flows.link(sha256(b"first"), &first);
    for index in 0..MOST_LINKS * 2 {
        flows.link(sha256(&index.to_be_bytes()), &first);
        flows.step(&first, StepKind::Refused, "x".repeat(10_000));
    }
    let flow = flows.get(&first).unwrap();
    assert!(flow.steps.len() == 64 && flow.left_out == 64 && flow.steps[0].text.len() == 400);
    assert!(flows.find(&sha256(b"first")).is_none(), "the oldest link went");
    for _ in 0..MOST_FLOWS {
        begin(&flows, "client");
    }
    assert!(flows.get(&first).is_none());
    let state = flows.state();
    assert_eq!((state.flows.len(), state.order.len(), state.links.len()), (MOST_FLOWS, MOST_FLOWS, 0));
}

#[test]
fn sign_ins_that_take_too_long_are_given_up_once() {
    let (flows, hand) = flows();
    let id = begin(&flows, "client");
    let done = begin(&flows, "client");
    flows.change(&done, |flow| flow.end("ok"));
    let mut abandoned = Vec::new();
    assert_eq!(flows.settle(|flow| abandoned.push(flow.provider.clone())), HashMap::from([("auth0".to_owned(), 1)]));
    hand.advance(Duration::from_mins(16));
    assert!(flows.settle(|flow| abandoned.push(flow.provider.clone())).is_empty());
    flows.settle(|flow| abandoned.push(flow.provider.clone()));
    assert_eq!(abandoned, ["auth0"]);
    let flow = flows.get(&id).unwrap();
    assert!(flow.outcome.as_deref() == Some("abandoned") && flow.advice.is_some());
}

#[test]
fn names_are_read_as_people_write_them() {
    let id = FlowId::random();
    assert_eq!(id.as_str().len(), 8);
    assert_eq!(format!(" {} ", id.as_str().to_lowercase()).parse(), Ok(id));
    for text in ["", "BCDFGHJ", "BCDFGHJKL", "ABCDFGHJ", "BCDF GHJ", "../../x"] {
        assert!(text.parse::<FlowId>().is_err(), "{text}");
    }
}

/// What an operator is told exists for every way in which something fails that is not plain.
#[test]
fn every_failure_comes_with_advice() {
    use crate::metrics::outcome::{Authorize, TokenRequest};
    let words = Authorize::LABELS.iter().chain(Callback::LABELS).filter(|word| **word != "ok");
    for word in words {
        assert!(advice::advice(word).is_some(), "{word}");
    }
    assert!(TokenRequest::LABELS.contains(&"code_unknown") && advice::advice("code_unknown").is_some());
    assert!(advice::advice("ok").is_none());
}
