use proptest::prelude::*;

use super::*;

const HTTPS: CookieStyle = CookieStyle { https: true };
const HTTP: CookieStyle = CookieStyle { https: false };
const LIFETIME: Duration = Duration::from_mins(10);

fn jar(cookies: &[&str]) -> Jar {
    let mut headers = HeaderMap::new();
    for cookie in cookies {
        headers.append(header::COOKIE, HeaderValue::from_bytes(cookie.as_bytes()).unwrap());
    }
    Jar::read(&headers)
}

/// What the browser would send back.
fn sent_back(headers: &[HeaderValue]) -> Vec<String> {
    headers.iter().map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned()).collect()
}

fn joined(cookies: &[String]) -> Jar {
    jar(&[&cookies.join("; ")])
}

/// S07: `__Host-`, `Secure`, `HttpOnly`, `SameSite=Lax`, `Path=/`, no `Domain`, under 4096 bytes.
#[test]
fn s07_cookies_are_marked_and_small() {
    let sealed = "x".repeat(CHUNK * CHUNKS);
    let headers = HTTPS.set_login(&Jar::default(), "state", &sealed, LIFETIME).unwrap();
    assert_eq!(headers.len(), CHUNKS);
    for header in headers.iter().chain(HTTPS.set_browser(&BrowserBinding::random(), LIFETIME).iter()) {
        let text = header.to_str().unwrap();
        assert!(text.starts_with("__Host-vestibule-") && text.len() < 4096, "{}", text.len());
        for attribute in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/", "; Max-Age=600"] {
            assert!(text.contains(attribute), "{attribute}");
        }
        assert!(!text.contains("Domain"));
    }
    let plain = HTTP.set_browser(&BrowserBinding::random(), LIFETIME).unwrap();
    assert!(plain.to_str().unwrap().starts_with("vestibule-browser-"));
    assert!(!plain.to_str().unwrap().contains("Secure"));
    assert_eq!(HTTPS.set_login(&Jar::default(), "s", &format!("{sealed}x"), LIFETIME), Err(TooLong));
}

/// S04: a name that comes twice is believed in neither value; nor is a value under another name.
#[test]
fn s04_doubled_and_planted_cookies_are_ignored() {
    let value = BrowserBinding::random();
    let own = sent_back(&[HTTPS.set_browser(&value, LIFETIME).unwrap()]);
    assert_eq!(HTTPS.browsers(&joined(&own)), std::slice::from_ref(&value));
    let doubled = [own[0].clone(), own[0].clone()];
    assert!(HTTPS.browsers(&joined(&doubled)).is_empty());
    let name = own[0].split('=').next().unwrap();
    assert!(HTTPS.browsers(&jar(&[&format!("{name}={}", BrowserBinding::random().expose())])).is_empty());
    // The plain name is nothing to an https server.
    assert!(HTTPS.browsers(&joined(&sent_back(&[HTTP.set_browser(&value, LIFETIME).unwrap()]))).is_empty());
}

/// B3: several tabs, several flows: each finds its own.
#[test]
fn b3_flows_in_parallel_keep_their_cookies() {
    let (one, two) = (BrowserBinding::random(), BrowserBinding::random());
    let mut cookies =
        sent_back(&[HTTPS.set_browser(&one, LIFETIME).unwrap(), HTTPS.set_browser(&two, LIFETIME).unwrap()]);
    for state in ["a", "b"] {
        cookies.extend(sent_back(&HTTPS.set_login(&Jar::default(), state, &state.repeat(5000), LIFETIME).unwrap()));
    }
    let jar = joined(&cookies);
    assert_eq!(HTTPS.browsers(&jar), [one, two]);
    assert_eq!(HTTPS.login(&jar, "a").unwrap(), "a".repeat(5000));
    assert_eq!(HTTPS.login(&jar, "b").unwrap(), "b".repeat(5000));
    assert_eq!(HTTPS.login(&jar, "c"), None);
    assert_eq!(HTTPS.clear_login(&jar, "a").len(), 2);
}

/// Sign-ins that were given up do not fill the `Cookie` header.
#[test]
fn old_logins_are_taken_back_oldest_first() {
    let mut cookies = Vec::new();
    for state in 0..MAX_LOGINS {
        cookies.extend(sent_back(&HTTPS.set_login(&Jar::default(), &state.to_string(), "x", LIFETIME).unwrap()));
    }
    let headers = HTTPS.set_login(&joined(&cookies), "new", "x", LIFETIME).unwrap();
    let cleared: Vec<String> = headers
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .filter(|text| text.contains("Max-Age=0"))
        .collect();
    assert_eq!(cleared.len(), 1);
    assert!(cleared[0].starts_with(&HTTPS.login_name("0")), "{cleared:?}");
}

/// S71: however often a browser is sent here with however long requests, its `Cookie` header stays
/// below what we accept ourselves.
#[test]
fn s71_long_logins_are_taken_back_sooner() {
    let mut cookies: Vec<String> = Vec::new();
    for state in 0..20 {
        let headers = HTTPS.set_login(&joined(&cookies), &state.to_string(), &"x".repeat(11_000), LIFETIME).unwrap();
        for header in &headers {
            let text = header.to_str().unwrap();
            let name = text.split('=').next().unwrap();
            cookies.retain(|own| !own.starts_with(&format!("{name}=")));
        }
        let set: Vec<HeaderValue> =
            headers.into_iter().filter(|value| !value.to_str().unwrap().contains("Max-Age=0")).collect();
        cookies.extend(sent_back(&set));
        assert!(cookies.iter().map(String::len).sum::<usize>() < 32 * 1024);
        assert!(HTTPS.login(&joined(&cookies), &state.to_string()).is_some());
    }
    assert!(HTTPS.login(&joined(&cookies), "18").is_some(), "two long ones fit");
}

proptest! {
    /// S71, S72: whatever stands in the header, reading it finds our cookies or nothing.
    #[test]
    fn s71_any_cookie_header_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            headers.insert(header::COOKIE, value);
        }
        let jar = Jar::read(&headers);
        prop_assert!(HTTPS.browsers(&jar).is_empty());
        prop_assert_eq!(HTTP.login(&jar, "state"), None);
        prop_assert!(HTTPS.clear_old_logins(&jar, 0).is_empty());
    }
}

/// S72: the numbers in cookie names are ours; others are not counted, not read, not allocated.
#[test]
fn s72_chunk_numbers_are_bounded() {
    let name = HTTPS.login_name("s");
    let jar = jar(&[&format!("{name}-99999999=x; {name}-18446744073709551616=x; {name}--1=x"), &format!("{name}-1=b")]);
    assert_eq!(HTTPS.login(&jar, "s"), None, "without the first there is none");
}

/// S71: very many cookies cost little.
#[test]
fn s71_only_so_many_cookies_are_looked_at() {
    let many: Vec<String> = (0..5000).map(|number| format!("__Host-vestibule-browser-{number}=x")).collect();
    assert_eq!(joined(&many).pairs.len(), MAX_COOKIES);
}
