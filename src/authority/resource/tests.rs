use proptest::prelude::*;

use super::{TargetError, granted, requested};
use crate::{
    authority::tests::{plan, route},
    config::plan::ProviderPlan,
};

fn ask(plan: &ProviderPlan, values: &[&str]) -> Result<String, TargetError> {
    requested(plan, values.iter().copied()).map(|route| route.resource.to_string())
}

/// A mount with one route below a path.
fn one() -> ProviderPlan {
    let mut plan = plan();
    plan.routes = vec![route("/app/mcp", "")];
    plan
}

fn two() -> ProviderPlan {
    let mut plan = plan();
    plan.routes = vec![route("/a/mcp", ""), route("/b/mcp", "")];
    plan
}

/// R1, R4, R6: every spelling that real clients use is the one canonical resource.
#[test]
fn r1_r4_r6_spellings() {
    for text in [
        "https://g.example/app/mcp",
        "https://g.example/app/mcp/",
        "https://G.Example:443/app/mcp",
        "HTTPS://g.example/app/mcp?x=1",
        "https://g.example/%61pp/m%63p",
        "https://g.example/app/mcp/?a=b&c=d",
    ] {
        assert_eq!(ask(&one(), &[text]).as_deref(), Ok("https://g.example/app/mcp"), "{text}");
        assert_eq!(granted(&one(), &one().routes[0].resource, [text].into_iter()), Ok(()), "{text}");
    }
    let encoded = {
        let mut plan = plan();
        plan.routes = vec![route("/a%2fb", "")];
        plan
    };
    assert!(ask(&encoded, &["https://g.example/a%2Fb"]).is_ok(), "the case of percent digits does not matter");
    assert_eq!(ask(&encoded, &["https://g.example/a/b"]), Err(TargetError::Unknown));
}

/// R3: the origin, or the issuer, means the only route; with several it is `invalid_target`.
#[test]
fn r3_only_the_origin() {
    for text in ["https://g.example", "https://g.example/", "https://G.example:443"] {
        assert_eq!(ask(&one(), &[text]).as_deref(), Ok("https://g.example/app/mcp"), "{text}");
        assert_eq!(ask(&two(), &[text]), Err(TargetError::Unknown), "{text}");
    }
    for text in ["https://g.example.evil", "https://g.exampl", "http://g.example", "https://g.example:444"] {
        assert_eq!(ask(&one(), &[text]), Err(TargetError::Unknown), "{text}");
    }
}

/// R5: none means the only route; R6: two spellings are one, two routes are refused.
#[test]
fn r5_r6_absent_and_repeated() {
    assert_eq!(ask(&one(), &[]).as_deref(), Ok("https://g.example/app/mcp"));
    assert_eq!(ask(&two(), &[]), Err(TargetError::Missing));
    let (a, b) = ("https://g.example/a/mcp", "https://g.example/b/mcp");
    assert_eq!(ask(&two(), &[a, "https://G.example/a/mcp/"]).as_deref(), Ok(a));
    assert_eq!(ask(&two(), &[a, b]), Err(TargetError::Several));
    assert_eq!(ask(&two(), &[a, "https://other.example/"]), Err(TargetError::Unknown));
}

/// S50, RS-20: what is not one of this mount's routes is not served, however close it looks.
#[test]
fn s50_strangers() {
    for text in [
        "https://g.example/app",
        "https://g.example/app/mcp/sub",
        "https://g.example/app/mcpx",
        "https://g.example/APP/mcp",
        "https://evil.example/app/mcp",
        "http://g.example/app/mcp",
        "https://g.example/app//mcp",
    ] {
        assert_eq!(ask(&one(), &[text]), Err(TargetError::Unknown), "{text}");
    }
    for text in ["app/mcp", "urn:x:y", "https://u@g.example/app/mcp", "https://g.example/app/mcp#f", "https://"] {
        assert_eq!(ask(&one(), &[text]), Err(TargetError::Malformed), "{text}");
    }
    let plan = two();
    let a = &plan.routes[0].resource;
    assert_eq!(granted(&plan, a, ["https://g.example/b/mcp"].into_iter()), Err(TargetError::NotGranted));
    assert_eq!(granted(&plan, a, [].into_iter()), Ok(()));
}

proptest! {
    /// R6: encoding any letter of the path, any case of the host, a port and slashes change nothing.
    #[test]
    fn r6_any_spelling(mask in proptest::collection::vec(any::<bool>(), 8), upper in any::<bool>(), port in any::<bool>(), slash in any::<bool>()) {
        let path: String = "/app/mcp".bytes().zip(&mask)
            .map(|(byte, encode)| if *encode && byte != b'/' { format!("%{byte:02x}") } else { char::from(byte).to_string() })
            .collect();
        let host = if upper { "G.EXAMPLE" } else { "g.example" };
        let text = format!("https://{host}{}{path}{}", if port { ":443" } else { "" }, if slash { "/" } else { "" });
        prop_assert_eq!(ask(&one(), &[&text]), Ok("https://g.example/app/mcp".to_owned()));
    }

    /// S71: any text is a route or an error, never a panic, and never another host's route.
    #[test]
    fn s71_any_text(text in "\\PC{0,60}", path in "[a-z/%.0-9]{0,20}") {
        prop_assert!(ask(&two(), &[&text]).is_err());
        let (own, other) = (format!("https://g.example/{path}"), format!("https://h.example/{path}"));
        prop_assert!(ask(&two(), &[&own]).is_err() || path.contains("mcp") || path.contains('%'));
        prop_assert!(ask(&one(), &[&other]).is_err());
    }
}

/// S71: a request cannot buy itself much work by naming its resource very often.
#[test]
fn s71_only_so_many_values_are_looked_at() {
    let plan = two();
    let values = vec!["https://g.example/a/mcp"; 17];
    assert!(ask(&plan, &values[..16]).is_ok());
    assert_eq!(ask(&plan, &values), Err(TargetError::Several));
    let route = plan.routes[0].resource.clone();
    assert_eq!(granted(&plan, &route, values.iter().copied()), Err(TargetError::Several));
}
