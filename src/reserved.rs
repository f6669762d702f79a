//! Headers that nobody but us may say to a backend: in them servers look for who calls, or for
//! another request than the one that was authorized (S21, S40).

/// Families of them.
const PREFIXES: [&str; 4] = ["x-forwarded-", "x-auth-request-", "x-vestibule-", "x-original-"];
/// The same as whole names.
const NAMES: [&str; 12] = [
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-remote-group",
    "remote-user",
    "x-remote-user",
    "x-authenticated-user",
    "x-webauth-user",
];

/// Whether a header, by its name in lower case, is one of them.
pub fn is_reserved(name: &str) -> bool {
    matches!(name.as_bytes(), [b'f' | b'x' | b'r', ..])
        && (NAMES.iter().any(|own| is_same(name, own))
            || PREFIXES.iter().any(|prefix| name.get(..prefix.len()).is_some_and(|start| is_same(start, prefix))))
}

/// Whether two names, both in lower case, are one header for servers with a CGI heritage, which read
/// `X_User` and `X-User` as one (S40).
pub fn is_same(name: &str, other: &str) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() == other.len() && name.bytes().zip(other.bytes()).all(|(a, b)| plain(a) == plain(b))
}
