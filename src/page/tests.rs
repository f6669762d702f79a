use scraper::{Html, Selector};
use url::Url;

use super::{
    choice::{Choice, Way},
    consent::{Consent, Origin},
    notice::{Link, Notice},
    *,
};
use crate::oauth::Scopes;

fn public_url() -> Url {
    Url::parse("https://mcp.example.com/").unwrap()
}

fn way<'a>(name: &'a str, display_name: &'a str, is_available: bool) -> Way<'a> {
    Way { name, display_name, is_available }
}

fn choice(client_name: &str, ways: &[Way<'_>]) -> Page {
    Choice {
        public_url: &public_url(),
        client_name,
        redirect_uri: "https://claude.ai/api/mcp/auth_callback",
        ways,
        provider_by_http: false,
        action: "/consent",
        transaction: "sealed",
    }
    .page()
}

fn consent(name: &str, origin: Origin, target: Target) -> Page {
    consent_with(name, origin, target, &[])
}

fn consent_with(name: &str, origin: Origin, target: Target, ways: &[Way<'_>]) -> Page {
    Consent {
        public_url: &public_url(),
        client_name: name,
        origin,
        redirect_uri: "https://claude.ai/api/mcp/auth_callback",
        target,
        resource: "https://mcp.example.com/mcp",
        scopes: &Scopes::parse("openid email notes:write").unwrap(),
        provider: "Acme",
        ways,
        provider_by_http: false,
        action: "/consent",
        transaction: "sealed",
        remembered_for: None,
    }
    .page()
}

fn texts(html: &str, selector: &str) -> Vec<String> {
    Html::parse_document(html)
        .select(&Selector::parse(selector).unwrap())
        .map(|element| element.text().collect::<String>().trim().to_owned())
        .collect()
}

/// D-3, D-7, AS-30: name, host, resource, scopes and the warning are on the page.
#[test]
fn d3_d7_consent_says_who_where_and_what() {
    let page = consent("Claude Code", Origin::Registered, Target::ThisComputer { host: "localhost:33418".into() });
    let all = texts(&page.html, "main").join(" ");
    for expected in [
        "Claude Code",
        "Nobody has checked it",
        "localhost:33418",
        "https://mcp.example.com/mcp",
        "notes:write",
        "Acme",
    ] {
        assert!(all.contains(expected), "{expected}");
    }
    assert_eq!(texts(&page.html, "[role=note]").len(), 1);
    let page = consent("X", Origin::Document { host: "claude.ai".into() }, Target::Web { host: "claude.ai".into() });
    assert!(texts(&page.html, "dd").join(" ").contains("Described at claude.ai"));
    assert_eq!(texts(&page.html, "[role=note]").len(), 0);
}

/// S61, B5: markup in a name is text.
#[test]
fn s61_markup_in_names_stays_text() {
    let evil = "<script>alert(1)</script>\"'><img src=x>";
    let page = consent(evil, Origin::Registered, Target::Web { host: "a.example".into() });
    assert!(texts(&page.html, "script, img").is_empty());
    assert!(texts(&page.html, "h1").join("").contains("<script>alert(1)</script>"));
    let notice = Notice {
        public_url: &public_url(),
        title: evil,
        what: evil,
        steps: &[evil.to_owned()],
        link: Some(Link { href: "https://a.example/?x=\"><script>".into(), target: Target::Web { host: evil.into() } }),
        detail: Some(evil.into()),
        reference: evil,
    };
    assert!(texts(&notice.page().html, "script, img").is_empty());
    // Nor do the names on buttons, which an operator may have copied from anywhere.
    let ways = [way("one", evil, true), way("two", evil, false), way("three", "\u{202e}gnilaever\u{7}\nx", true)];
    let target = Target::Web { host: "a.example".into() };
    for page in [choice(evil, &ways), consent_with("X", Origin::Registered, target, &ways)] {
        assert!(texts(&page.html, "script, img").is_empty());
        assert!(texts(&page.html, "button").join(" ").contains("Continue with <script>alert(1)</script>"));
        assert!(!page.html.contains(['\u{202e}', '\u{7}']), "what turns the text around is left out");
    }
}

/// The hash in the policy is the hash of the only style element, byte for byte.
#[test]
fn the_policy_lets_exactly_our_style_through() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let page = consent("X", Origin::Operator, Target::Application { scheme: "cursor:".into() });
    let styles: Vec<String> = Html::parse_document(&page.html)
        .select(&Selector::parse("style").unwrap())
        .map(|element| element.text().collect())
        .collect();
    assert_eq!(styles.len(), 1);
    let hash = STANDARD.encode(crate::seal::sha256(styles[0].as_bytes()));
    assert!(page.policy.contains(&format!("'sha256-{hash}'")));
    assert!(!page.html.contains(" style="), "inline style attributes would be blocked");
}

/// Structure that assistive technology needs.
#[test]
fn pages_are_accessible() {
    let page = consent("X", Origin::Operator, Target::Web { host: "a.example".into() }).html;
    assert!(page.contains("<html lang=\"en\">"));
    assert_eq!(texts(&page, "main h1").len(), 1);
    assert_eq!(texts(&page, "title").len(), 1);
    assert_eq!(texts(&page, "button"), ["Allow and sign in", "Deny"]);
}

/// The ways to sign in are a list with a name, of buttons that say what they do; one that cannot be
/// pressed says why.
#[test]
fn ways_to_sign_in_are_accessible() {
    let ways = [way("entra", "Microsoft", true), way("google", "Google", false)];
    let target = Target::Web { host: "a.example".into() };
    for page in [choice("X", &ways), consent_with("X", Origin::Registered, target, &ways)] {
        let html = page.html;
        assert_eq!(texts(&html, "main h1").len(), 1);
        assert_eq!(texts(&html, "#ways").len(), 1);
        assert_eq!(texts(&html, "ul[role=list][aria-labelledby=ways] > li").len(), 2);
        assert_eq!(texts(&html, "button:not([disabled])[name=provider][value=entra]"), ["Continue with Microsoft"]);
        let shut = texts(&html, "button[disabled]").join("");
        assert!(shut.starts_with("Continue with Google") && shut.contains("Not available right now"), "{shut}");
        assert!(texts(&html, "button[disabled][name], button[disabled][value]").is_empty(), "it cannot be sent");
        assert!(texts(&html, "script, [onclick]").is_empty());
        assert_eq!(texts(&html, "button[name=decision]").len(), 1, "and one that says no");
    }
}

/// WCAG 2.2, 1.4.3: text keeps a contrast of 4.5 to 1 to whatever it stands on, in both schemes.
#[test]
fn texts_have_contrast() {
    let (light, dark) = STYLE.split_once("prefers-color-scheme: dark").unwrap();
    for scheme in [light, dark] {
        let colour = |name: &str| {
            let hex = scheme.split(&format!("--{name}: #")).nth(1).unwrap().get(..6).unwrap();
            let channel = |at| {
                let value = f64::from(u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap()) / 255.0;
                if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(0) + 0.7152 * channel(2) + 0.0722 * channel(4)
        };
        for (text, ground, least) in [
            ("ink", "card", 4.5),
            ("ink", "well", 4.5),
            ("soft", "card", 4.5),
            ("soft", "well", 4.5),
            ("soft", "ground", 4.5),
            ("soft", "glow", 4.5),
            ("on-accent", "accent", 4.5),
            ("on-accent", "accent-strong", 4.5),
            ("warn-ink", "warn-ground", 4.5),
            ("edge", "card", 3.0),
            ("focus", "card", 3.0),
            ("accent", "card", 3.0),
        ] {
            let (one, other) = (colour(text), colour(ground));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(contrast >= least, "{text} on {ground}: {contrast:.2}");
        }
    }
}
