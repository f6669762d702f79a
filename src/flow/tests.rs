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
    assert_eq!(flow.parts().0.len(), 48);
    assert!(flows.find(&sha256(b"first")).is_none(), "the oldest link went");
    for _ in 0..MOST_FLOWS {
        begin(&flows, "client");
    }
    assert!(flows.get(&first).is_none());
    let state = flows.state();
    assert_eq!((state.flows.len(), state.order.len(), state.links.len()), (MOST_FLOWS, MOST_FLOWS, 0));
}

/// A client that renews for days, and is refused then: the beginning and the end are told.
#[test]
fn the_first_and_the_last_steps_are_kept() {
    let (flows, hand) = flows();
    let id = begin(&flows, "client");
    for index in 0..100 {
        flows.step(&id, StepKind::Refreshed, index.to_string());
    }
    for _ in 0..1_000 {
        hand.advance(Duration::from_secs(1));
        flows.refuse(&id, "refresh_reused", "a token request was refused");
    }
    let flow = flows.get(&id).unwrap();
    let texts = |steps: &[Step]| steps.iter().map(|step| step.text.clone()).collect::<Vec<_>>();
    let (first, last) = flow.parts();
    assert_eq!(texts(first), (0..48).map(|index| index.to_string()).collect::<Vec<_>>());
    assert_eq!(flow.left_out, 37);
    let newest = (85..100).map(|index| index.to_string()).chain(["a token request was refused".to_owned()]);
    assert_eq!(texts(last), newest.collect::<Vec<_>>(), "the same again and again is one step");
    assert_eq!(flow.trouble.as_ref().unwrap().at, Timestamp(2_000));
}

/// What goes wrong after the sign-in does not change how that ended.
#[test]
fn what_is_refused_later_is_told_beside_the_outcome() {
    let (flows, _hand) = flows();
    let id = begin(&flows, "client");
    assert!(flows.end(&id, "ok", Some("ada")));
    assert!(!flows.end(&id, "state_replayed", None), "once");
    flows.link(sha256(b"token"), &id);
    flows.refuse_token(&sha256(b"another"), "revoked", "nobody's");
    assert_eq!(flows.get(&id).unwrap().trouble, None);
    flows.refuse_token(&sha256(b"token"), "revoked", "a call was refused");
    let flow = flows.get(&id).unwrap();
    assert_eq!((flow.outcome.as_deref(), flow.subject.as_deref()), (Some("ok"), Some("ada")));
    assert_eq!((flow.summary().as_str(), flow.overview().summary().as_str()), ("ok, then revoked", "ok, then revoked"));
    assert!(flow.what_to_do().unwrap().contains("audit log"));
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
    use crate::metrics::outcome::{Authorize, TokenRequest, Verification};
    // No token yet, and one whose time is over: that is how it should be.
    const PLAIN: [&str; 4] = ["ok", "valid", "missing", "expired"];
    let ended = Authorize::LABELS.iter().chain(Callback::LABELS);
    let refused = TokenRequest::LABELS.iter().chain(Verification::LABELS);
    for word in ended.chain(refused).filter(|word| !PLAIN.contains(*word)) {
        assert!(advice::advice(word).is_some(), "{word}");
    }
    assert!(advice::advice("ok").is_none());
}

fn at(last: u8) -> Beginning<'static> {
    Beginning {
        provider: "auth0",
        address: [192, 0, 2, last].into(),
        client_id: None,
        resource: Some("https://g.example/mcp"),
        lifetime: Duration::from_mins(15),
    }
}

/// Where the provider is the authorization server: from the knock over what is refused to the first call.
#[test]
fn a_sign_in_elsewhere_is_a_story_too() {
    let (flows, hand) = flows();
    flows.knocked(&at(1), "/mcp");
    flows.knocked(&at(1), "/mcp");
    flows.refuse_remote(&at(1), &sha256(b"bad"), "audience_mismatch", "a call was refused");
    let [story] = flows.newest(9).try_into().unwrap();
    assert_eq!(story.summary(), "under way, then audience_mismatch");
    let ada = Bearer { subject: "ada", client_id: Some("client-1") };
    for token in [b"first", b"first", b"again"] {
        flows.accepted_remote(&at(1), &sha256(token), ada, "/mcp");
        hand.advance(Duration::from_hours(1));
        flows.settle(|_| panic!("no sign-in of ours"));
    }
    let [story] = flows.newest(9).try_into().unwrap();
    let flow = flows.get(&story.id).unwrap();
    assert_eq!(kinds(&flow), [StepKind::Challenged, StepKind::Refused, StepKind::Accepted]);
    assert_eq!((flow.outcome.as_deref(), flow.subject.as_deref()), (Some("ok"), Some("ada")));
    assert_eq!(flow.client_id.as_deref(), Some("client-1"));
    flows.refuse_remote(&at(2), &sha256(b"again"), "policy_denied", "a call was refused");
    assert_eq!(flows.get(&story.id).unwrap().summary(), "ok, then policy_denied");
    assert_eq!(flows.newest(9).len(), 1, "whoever comes with the token belongs to the story");
}

/// Whoever does not come back, or only with what is refused, is given up; nobody begins stories at will.
#[test]
fn nobody_who_is_sent_elsewhere_is_waited_for_for_ever() {
    let (flows, hand) = flows();
    for _ in 0..100 {
        flows.knocked(&at(1), "/mcp");
        flows.refuse_remote(&at(2), &sha256(b"bad"), "bad_signature", "a call was refused");
    }
    assert_eq!(flows.newest(9).len(), 2);
    assert!(flows.settle(|_| panic!("no sign-in of ours")).is_empty(), "nor under way here");
    hand.advance(Duration::from_mins(15));
    assert!(flows.settle(|_| panic!("no sign-in of ours")).is_empty());
    let ends: Vec<_> = flows.newest(9).into_iter().map(|story| story.summary()).collect();
    assert_eq!(ends, ["bad_signature", NO_TOKEN]);
    assert!(advice::advice(NO_TOKEN).is_some());
    let mut v6 = at(0);
    for last in 0..100 {
        v6.address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, last).into();
        flows.knocked(&v6, "/mcp");
    }
    assert_eq!(flows.newest(9).len(), 3, "one network, one story");
}
