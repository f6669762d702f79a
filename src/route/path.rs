//! Which request paths are too strange to be routed: the backend might read them otherwise than
//! we do, and then it would serve what was never authorized.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why a path is refused. A path that passes is forwarded byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not `/…`: `*`, the authority form, or nothing.
    #[error("the request target is not a path")]
    NotAbsolute,
    /// `.` or `..` as a segment, in any encoding.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `//`.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `\`, in any encoding; some servers read it as `/`.
    #[error("the path has a backslash")]
    Backslash,
    /// NUL, line breaks and their kind, in any encoding.
    #[error("the path has a control character")]
    Control,
    /// Percent signs without two hex digits, or bytes that are not UTF-8 (overlong forms).
    #[error("the path is not properly encoded")]
    Encoding,
    /// Read by other rules, it belongs to another route: that one's demands were not checked.
    #[error("the path can be read as one of another route")]
    Ambiguous,
}

/// Checks a path as it came.
///
/// # Errors
/// [`PathError`], see there.
pub fn check(path: &str) -> Result<(), PathError> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(PathError::NotAbsolute);
    }
    let mut before = 0;
    let mut strange = false;
    for &byte in bytes {
        match byte {
            b'/' if before == b'/' => return Err(PathError::EmptySegment),
            b'.' if before == b'/' => strange = true,
            b'%' | b'\\' | 0..0x20 | 0x7f.. => strange = true,
            _ => {}
        }
        before = byte;
    }
    if strange { check_strange(path) } else { Ok(()) }
}

/// Twice, because a backend behind a second proxy may decode twice: `%252e%252e`.
fn check_strange(path: &str) -> Result<(), PathError> {
    if has_broken_escape(path) {
        return Err(PathError::Encoding);
    }
    check_plain(path)?;
    let once = decode(path)?;
    check_plain(&once)?;
    check_plain(&percent_decode_str(&once).decode_utf8_lossy())
}

/// What servers behind us may make of a path: decoded once or twice, with the parameters of its
/// segments (`;x=1`) or without, slashes as one, and cut where a query would begin. Nothing for
/// paths that can be read in one way only, which are nearly all.
pub fn readings(path: &str) -> impl Iterator<Item = String> {
    let strange = path.contains(['%', ';']);
    let once = strange.then(|| percent_decode_str(path).decode_utf8_lossy().into_owned());
    let twice = once.as_deref().map(|once| percent_decode_str(once).decode_utf8_lossy().into_owned());
    let decoded = strange.then(|| path.to_owned()).into_iter().chain(once).chain(twice);
    decoded.flat_map(|path| [plain(&path, false), plain(&path, true)])
}

fn plain(path: &str, without_parameters: bool) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut plain = String::with_capacity(path.len());
    for segment in path.split('/').skip(1) {
        let segment = if without_parameters { segment.split(';').next().unwrap_or_default() } else { segment };
        if !plain.ends_with('/') {
            plain.push('/');
        }
        plain.push_str(segment);
    }
    plain
}

fn check_plain(path: &str) -> Result<(), PathError> {
    if path.contains('\\') {
        return Err(PathError::Backslash);
    }
    if path.contains(char::is_control) {
        return Err(PathError::Control);
    }
    // `..;` is how some servers let parameters follow a segment.
    let is_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
    if path.split('/').any(is_dots) { Err(PathError::DotSegment) } else { Ok(()) }
}

fn decode(path: &str) -> Result<Cow<'_, str>, PathError> {
    percent_decode_str(path).decode_utf8().map_err(|_| PathError::Encoding)
}

fn has_broken_escape(path: &str) -> bool {
    path.split('%').skip(1).any(|after| {
        let mut digits = after.bytes();
        !(digits.next().is_some_and(|digit| digit.is_ascii_hexdigit())
            && digits.next().is_some_and(|digit| digit.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::{PathError as E, *};

    /// S22: what passes is forwarded as it is.
    #[test]
    fn s22_usual_paths_pass() {
        for path in
            ["/", "/mcp", "/mcp/", "/a.b/.well-known/x", "/a%20b", "/a%2Fb", "/a%23b", "/%C3%A9", "/a..b", "/..."]
        {
            assert_eq!(check(path), Ok(()), "{path}");
        }
    }

    /// S22: what a backend might read otherwise than we do is refused.
    #[test]
    fn s22_strange_paths_are_refused() {
        for (path, error) in [
            ("*", E::NotAbsolute),
            ("", E::NotAbsolute),
            ("mcp", E::NotAbsolute),
            ("//mcp", E::EmptySegment),
            ("/mcp//x", E::EmptySegment),
            ("/mcp/./x", E::DotSegment),
            ("/mcp/.", E::DotSegment),
            ("/mcp/../x", E::DotSegment),
            ("/mcp/%2e%2E/x", E::DotSegment),
            ("/mcp/.%2e/x", E::DotSegment),
            ("/mcp/..%2fadmin", E::DotSegment),
            ("/mcp%2f..%2fadmin", E::DotSegment),
            ("/mcp/..;/admin", E::DotSegment),
            ("/mcp/..;x=1/admin", E::DotSegment),
            ("/mcp/%252e%252e/admin", E::DotSegment),
            ("/mcp\\admin", E::Backslash),
            ("/mcp%5cadmin", E::Backslash),
            ("/mcp%255cadmin", E::Backslash),
            ("/mcp%00", E::Control),
            ("/mcp%2500", E::Control),
            ("/mcp%0d%0aset-cookie:x", E::Control),
            ("/mcp%", E::Encoding),
            ("/mcp%2", E::Encoding),
            ("/mcp%zz", E::Encoding),
            ("/mcp/%c0%ae%c0%ae/admin", E::Encoding),
            ("/mcp/%ff", E::Encoding),
        ] {
            assert_eq!(check(path), Err(error), "{path}");
        }
    }
}
