//! `/authorize`: pages, never a redirect to a place that nobody vouches for.

use http::{Method, Request, StatusCode};
use http_body_util::Full;

use super::world::{Browser, CHALLENGE, DOCUMENT_CLIENT, World, query, request};
use crate::route::Endpoint;

const REDIRECT: &str = "https://client.example/cb";

/// D-1, D-3, D-7: a dynamic client is asked about, with everything a person needs.
#[tokio::test]
async fn d1_dynamic_clients_meet_the_consent_page() {
    let world = World::new().await;
    let client = world.client("Notes", "http://localhost/cb").await;
    let page = Browser::new().authorize(&world, &request(&client, "http://localhost:33418/cb")).await;
    page.assert_page(200, "Allow Notes to use mcp.example.com/mcp?");
    let text = page.texts("main").join(" ");
    for expected in ["localhost:33418", "A program on this computer", "Acme", "https://mcp.example.com/mcp", "openid"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(page.texts("[role=note]").len(), 1);
    assert_eq!(page.attribute("form", "action").as_deref(), Some("/consent"));
    // The form's Origin would be `null` under `no-referrer`.
    assert_eq!(page.header("referrer-policy"), "same-origin");
    assert!(page.header("content-security-policy").contains("form-action 'self' https: http://localhost:33418"));
    world.assert_metric("vestibule_auth_consents_total{action=\"shown\",provider=\"acme\"} 1");
}

/// AS-30: the host of a client's document is shown.
#[tokio::test]
async fn as30_document_clients_show_their_host() {
    let world = World::new().await;
    let page = Browser::new().authorize(&world, &request(DOCUMENT_CLIENT, REDIRECT)).await;
    page.assert_page(200, "Allow Document Client to use mcp.example.com/mcp?");
    assert!(page.texts("dd").join(" ").contains("Described at client.example"), "{:?}", page.texts("dd"));
}

/// S61: markup in a client's name is shown, not obeyed.
#[tokio::test]
async fn s61_a_script_in_a_name_is_text() {
    let world = World::new().await;
    let name = "<script>alert(1)</script>";
    let client = world.client(name, REDIRECT).await;
    let mut browser = Browser::new();
    let page = browser.authorize(&world, &request(&client, REDIRECT)).await;
    page.assert_page(200, &format!("Allow {name} to use mcp.example.com/mcp?"));
    browser.decide(&world, &page, "deny").await.assert_page(200, "Access denied");
    let refused = query(&[("client_id", &client), ("redirect_uri", REDIRECT), ("response_type", "\"><script>")]);
    browser.authorize(&world, &refused).await.assert_page(400, "The request cannot be granted");
}

/// AS-43, D7, S12, U5: without a known client and a registered redirect URI nobody is redirected.
#[tokio::test]
async fn as43_d7_s12_nobody_is_sent_to_an_unknown_place() {
    let world = World::new().await;
    let client = world.client("Notes", REDIRECT).await;
    let forged = client.replace("dyn_", "dyn_x");
    let unknown = "This server does not know the program";
    let incomplete = "The sign-in request is not complete";
    let address = "The program asks for an answer at an unknown address";
    for (pairs, title) in [
        (vec![], incomplete),
        (vec![("redirect_uri", REDIRECT)], incomplete),
        (vec![("client_id", "gone"), ("redirect_uri", REDIRECT)], unknown),
        (vec![("client_id", forged.as_str()), ("redirect_uri", REDIRECT)], unknown),
        (vec![("client_id", client.as_str())], incomplete),
        (vec![("client_id", client.as_str()), ("client_id", client.as_str())], incomplete),
        (vec![("client_id", client.as_str()), ("redirect_uri", "https://client.example/cb/")], address),
        (vec![("client_id", client.as_str()), ("redirect_uri", "https://client.example:444/cb")], address),
        (vec![("client_id", client.as_str()), ("redirect_uri", "https://evil.example/cb")], address),
        (vec![("client_id", client.as_str()), ("redirect_uri", "javascript:alert(1)")], address),
        (vec![("client_id", client.as_str()), ("redirect_uri", REDIRECT), ("redirect_uri", REDIRECT)], incomplete),
        (vec![("client_id", client.as_str()), ("redirect_uri", REDIRECT), ("state", "1"), ("state", "2")], incomplete),
    ] {
        let page = Browser::new().authorize(&world, &query(&pairs)).await;
        page.assert_page(400, title);
        assert_eq!(page.header("location"), "", "{pairs:?}");
        assert_eq!(page.texts("a").len(), 0, "{pairs:?}");
    }
    let page = Browser::new().authorize(&world, &query(&[("client_id", "gone")])).await;
    assert!(page.texts("main").join(" ").contains("remove this server and add it again"));
}

/// A program that asks for JSON gets the same as JSON.
#[tokio::test]
async fn programs_get_errors_as_json() {
    let world = World::new().await;
    let mut browser = Browser::new();
    browser.headers.push(("accept", "application/json".to_owned()));
    browser.authorize(&world, "client_id=gone").await.assert_error(400, "invalid_client");
    // T5: never with a good status.
    let mut person = Browser::new();
    let page = person.authorize(&world, &request(DOCUMENT_CLIENT, REDIRECT)).await;
    browser.cookies = person.cookies;
    browser.decide(&world, &page, "deny").await.assert_error(403, "access_denied");
}

/// AS-40, AS-44, AS-45, D-12: what a known client did wrong is told by a link for those that nobody
/// vouches for, and by a redirect for those in the configuration; with `state` and `iss`.
#[tokio::test]
async fn as44_as45_errors_go_to_the_client_by_a_link_or_a_redirect() {
    let world = World::new().await;
    let dynamic = world.client("Notes", REDIRECT).await;
    let static_redirect = "https://static.example/cb";
    for (changed, error) in [
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "nobody-knows-this"), "invalid_scope"),
        (("resource", "https://other.example/mcp"), "invalid_target"),
    ] {
        let make = |client: &str, redirect: &str| {
            let mut pairs = vec![
                ("client_id", client.to_owned()),
                ("redirect_uri", redirect.to_owned()),
                ("response_type", "code".to_owned()),
                ("code_challenge", CHALLENGE.to_owned()),
                ("code_challenge_method", "S256".to_owned()),
                ("state", "s".to_owned()),
            ];
            pairs.retain(|(name, _)| *name != changed.0);
            pairs.push((changed.0, changed.1.to_owned()));
            form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
        };
        let page = Browser::new().authorize(&world, &make(&dynamic, REDIRECT)).await;
        page.assert_page(400, "The request cannot be granted");
        assert!(page.texts("main").join(" ").contains("client.example"));
        let link = page.attribute("a", "href").unwrap();
        for part in [format!("error={error}&"), "&state=s".to_owned(), "&iss=https%3A%2F%2Fmcp.example.com".to_owned()]
        {
            assert!(link.starts_with(REDIRECT) && link.contains(&part), "{link}");
        }
        let answer = Browser::new().authorize(&world, &make("listed", static_redirect)).await;
        assert_eq!(answer.answered("error").as_deref(), Some(error));
        assert_eq!(answer.answered("state").as_deref(), Some("s"));
        assert_eq!(answer.answered("iss").as_deref(), Some("https://mcp.example.com"));
    }
}

/// AS-49, S54: a repeated parameter of the protocol is refused, an unknown one is ignored, an
/// empty one is absent.
#[tokio::test]
async fn as49_s54_repeated_unknown_and_empty_parameters() {
    let world = World::new().await;
    let good = request("listed", "https://static.example/cb");
    for repeated in ["code_challenge=x", "response_type=code", "scope=openid&scope=email", "code_challenge_method=S256"]
    {
        let answer = Browser::new().authorize(&world, &format!("{good}&{repeated}")).await;
        assert_eq!(answer.answered("error").as_deref(), Some("invalid_request"), "{repeated}");
    }
    for ignored in ["foo=1&foo=2", "scope=", "scope=&scope=email", "prompt="] {
        let page = Browser::new().authorize(&world, &format!("{good}&{ignored}")).await;
        assert_eq!(page.status, StatusCode::OK, "{ignored}");
    }
}

/// S71: nothing but separators is a request without parameters.
#[tokio::test]
async fn s71_only_separators_in_a_query() {
    let world = World::new().await;
    for text in ["&&&", "=", "&=&=", "%", "%ff=%00", ";;;"] {
        Browser::new().authorize(&world, text).await.assert_page(400, "The sign-in request is not complete");
    }
}

/// A client that the operator vouches for goes straight to the provider.
#[tokio::test]
async fn trusted_clients_skip_the_page() {
    let world = World::new().await;
    let mut browser = Browser::new();
    let answer = browser.authorize(&world, &request("trusted", "https://static.example/cb")).await;
    assert!(answer.location().starts_with(world.provider.issuer()));
    assert_eq!(browser.logins().len(), 1);
    let url = world.sign_in(answer.location()).await;
    assert!(browser.callback(&world, &url).await.answered("code").is_some());
    // D-5: the state cookie does not exist before approval.
    let mut browser = Browser::new();
    browser.authorize(&world, &request("listed", "https://static.example/cb")).await;
    assert_eq!(browser.logins().len(), 0);
}

/// AS-51, AS-49: the request may come as a form; HEAD is answered without a body, others with 405.
#[tokio::test]
async fn methods_of_the_authorization_endpoint() {
    let world = World::new().await;
    let query = request("listed", "https://static.example/cb");
    let send = |method: Method| {
        let is_post = method == Method::POST;
        let request = Request::builder()
            .method(method)
            .uri(if is_post { "/authorize".to_owned() } else { format!("/authorize?{query}") })
            .header("content-type", "application/x-www-form-urlencoded")
            .body(if is_post { Full::from(query.clone()) } else { Full::default() })
            .unwrap();
        world.send(Endpoint::Authorize, "192.0.2.1", request)
    };
    send(Method::POST).await.assert_page(200, "Allow The listed client to use mcp.example.com/mcp?");
    let head = send(Method::HEAD).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    assert!(head.header("content-length").parse::<usize>().unwrap() > 1000);
    let put = send(Method::PUT).await;
    put.assert_page(405, "This request cannot be answered");
    assert_eq!(put.header("allow"), "GET, HEAD, POST");
}

/// S75, D6: too many requests of one client are refused with a time; others go on.
#[tokio::test]
async fn s75_requests_are_limited_by_client_and_address() {
    let world = World::with_limits(2, |_| {}).await;
    let listed = request("listed", "https://static.example/cb");
    let mut browser = Browser::new();
    for _ in 0..2 {
        assert_eq!(browser.authorize(&world, &listed).await.status, StatusCode::OK);
    }
    let limited = browser.authorize(&world, &listed).await;
    limited.assert_page(429, "Too many requests");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    let other = browser.authorize(&world, &request("trusted", "https://static.example/cb")).await;
    assert_eq!(other.status, StatusCode::SEE_OTHER);
    assert_eq!(Browser::at("198.51.100.1").authorize(&world, &listed).await.status, StatusCode::OK);
    // Whoever is nobody shares one quota, whatever name they use.
    for (name, status) in [("a", 400), ("b", 400), ("c", 429)] {
        let answer = browser.authorize(&world, &format!("client_id={name}")).await;
        assert_eq!(answer.status.as_u16(), status);
    }
}
