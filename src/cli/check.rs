//! `vestibule check`: is this configuration right, and what would it do? Opens no port and no
//! store, asks no provider.

use super::banner::banner;
use crate::{
    config::{self, Diagnostics, Loaded, Look, Severity, Sources},
    server,
};

/// Exit code of a configuration that can be used.
pub const VALID: u8 = 0;
/// Exit code of one that cannot (`EX_CONFIG` of `sysexits.h`).
pub const INVALID: u8 = 78;

/// What to print, and how to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// [`VALID`] or [`INVALID`].
    pub code: u8,
    /// Ends with a newline.
    pub text: String,
}

/// Loads the configuration and tells what it says, or everything that is wrong with it.
pub fn check(sources: &Sources, look: Look) -> Checked {
    match config::load(sources) {
        Ok(loaded) => {
            if let Err(refusal) = files(&loaded) {
                return Checked { code: INVALID, text: loaded.notes.render(look) + &refusal };
            }
            let text = format!("{}{}\nThe configuration is valid.\n", loaded.notes.render(look), banner(&loaded.plan));
            Checked { code: VALID, text }
        }
        Err(found) => Checked { code: INVALID, text: refusal(&found, look) },
    }
}

/// Every mistake, and how many there are.
pub fn refusal(found: &Diagnostics, look: Look) -> String {
    let errors = found.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let count = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
    format!("{}\nThe configuration cannot be used: {count}.\n", found.render(look))
}

/// Looks at the files that a right configuration names.
///
/// # Errors
/// What is wrong with them, as text.
pub fn files(loaded: &Loaded) -> Result<(), String> {
    server::check_files(&loaded.plan).map_err(|error| {
        let origin = loaded.origins.of("tls.certificate");
        format!("{origin}: error: tls: {error}\n\nThe configuration cannot be used: 1 error.\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(env: &[(&str, &str)]) -> Sources {
        Sources { environment: env.iter().copied().collect(), ..Sources::default() }
    }

    #[test]
    fn a_good_configuration_is_shown() {
        let checked = check(
            &sources(&[
                ("VESTIBULE_PUBLIC_URL", "https://mcp.example.com"),
                ("VESTIBULE_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration"),
                ("VESTIBULE_CLIENT_ID", "abc"),
                ("VESTIBULE_REQUIRED_SCOPES", "email"),
                ("VESTIBULE_BACKEND", "http://127.0.0.1:3000/mcp"),
            ]),
            Look::Plain,
        );
        assert_eq!(checked.code, VALID);
        assert!(checked.text.starts_with("VESTIBULE_REQUIRED_SCOPES: note: "), "{}", checked.text);
        assert!(checked.text.contains("https://mcp.example.com/auth/callback"), "{}", checked.text);
        assert!(checked.text.ends_with("\nThe configuration is valid.\n"));
    }

    #[test]
    fn a_certificate_that_is_not_there_is_a_mistake() {
        let checked = check(
            &sources(&[
                ("VESTIBULE_PUBLIC_URL", "https://mcp.example.com"),
                ("VESTIBULE_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration"),
                ("VESTIBULE_CLIENT_ID", "abc"),
                ("VESTIBULE_BACKEND", "http://127.0.0.1:3000/mcp"),
                ("VESTIBULE_TLS_CERTIFICATE", "/nowhere/tls.crt"),
                ("VESTIBULE_TLS_KEY", "/nowhere/tls.key"),
            ]),
            Look::Plain,
        );
        assert_eq!(checked.code, INVALID);
        let expected = "VESTIBULE_TLS_CERTIFICATE: error: tls: cannot read /nowhere/tls.crt: ";
        assert!(checked.text.contains(expected), "{}", checked.text);
        assert!(checked.text.ends_with("\nThe configuration cannot be used: 1 error.\n"), "{}", checked.text);
    }

    #[test]
    fn a_bad_one_says_how_much_is_wrong() {
        let checked = check(&sources(&[("VESTIBULE_LISTEN", "x")]), Look::Plain);
        assert_eq!(checked.code, INVALID);
        assert!(checked.text.ends_with("\nThe configuration cannot be used: 3 errors.\n"), "{}", checked.text);
    }
}
