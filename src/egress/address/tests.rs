use std::str::FromStr;

use super::*;

fn checked(text: &str) -> Result<(), Blocked> {
    check(&Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}")))
}

/// S63: a private address stays private in whatever notation it comes.
#[test]
fn s63_literals_in_every_notation() {
    let special = [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        "https://%31%32%37.0.0.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://172.31.255.255/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://192.0.0.192/",
        "https://192.0.2.1/",
        "https://198.18.0.1/",
        "https://198.51.100.1/",
        "https://203.0.113.1/",
        "https://224.0.0.1/",
        "https://240.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b:1::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[2001:0:7f00:1::]/",
        "https://[fe80::1]/",
        "https://[fec0::1]/",
        "https://[fc00::1]/",
        "https://[fd00:ec2::254]/",
        "https://[ff02::1]/",
        "https://[100::1]/",
        "https://[2001:db8::1]/",
        "https://[3fff::1]/",
        "https://[5f00::1]/",
        "https://[4000::1]/",
    ];
    for text in special {
        assert_eq!(checked(text), Err(Blocked::SpecialAddress), "{text}");
    }
    let public = [
        "https://example.com/",
        "https://1.1.1.1/",
        "https://172.32.0.1/",
        "https://100.128.0.1/",
        "https://[2606:4700::1111]/",
        "https://[::ffff:1.1.1.1]/",
        "https://[64:ff9b::1.1.1.1]/",
    ];
    for text in public {
        assert_eq!(checked(text), Ok(()), "{text}");
    }
}

#[test]
fn only_plain_https_urls_pass() {
    for (text, reason) in [
        ("http://example.com/", Blocked::NotHttps),
        ("ftp://example.com/", Blocked::NotHttps),
        ("file:///etc/passwd", Blocked::NotHttps),
        ("data:text/plain,x", Blocked::NotHttps),
        ("https://user@example.com/", Blocked::NotPlain),
        ("https://:pass@example.com/", Blocked::NotPlain),
    ] {
        assert_eq!(checked(text), Err(reason), "{text}");
    }
}

/// S63: names are judged by what they resolve to.
#[tokio::test]
async fn s63_a_name_that_resolves_to_loopback_has_no_address() {
    let Err(error) = PublicOnly::new().resolve(Name::from_str("localhost").unwrap()).await else {
        panic!("localhost is not public");
    };
    let Guarded(blocked) = error.downcast_ref::<Guarded>().unwrap();
    assert_eq!(*blocked, Blocked::SpecialAddress);
}

#[test]
fn s63_of_mixed_answers_only_the_public_addresses_are_left() {
    let addresses = ["127.0.0.1:0", "1.1.1.1:0", "[::1]:0", "[2606:4700::1111]:0", "169.254.169.254:0"];
    let found = only_public(addresses.into_iter().map(|text| text.parse().unwrap())).unwrap();
    let expected: Vec<SocketAddr> = vec!["1.1.1.1:0".parse().unwrap(), "[2606:4700::1111]:0".parse().unwrap()];
    assert_eq!(found, expected);
    assert!(only_public(std::iter::empty()).is_err());
}

/// S63: names with slow servers wait for each other, and not everybody else for them.
#[tokio::test]
async fn s63_look_ups_of_strangers_are_few_at_a_time() {
    let resolver = PublicOnly::new();
    let slow = Arc::clone(&resolver.look_ups).acquire_many_owned(u32::try_from(LOOK_UPS).unwrap()).await.unwrap();
    let mut next = resolver.resolve(Name::from_str("localhost").unwrap());
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), &mut next).await.is_err());
    drop(slow);
    assert!(next.await.err().unwrap().is::<Guarded>());
    // The place is free again when the look-up is over.
    assert_eq!(resolver.look_ups.available_permits(), LOOK_UPS);
}
