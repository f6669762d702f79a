//! `vestibule check`: is this configuration right, and what would it do? Opens no port and no
//! store; asks providers, backends and a store that is a server only if it is told to.

use serde_json::{Value, json};

use super::{Outcome, banner::banner, exit, online};
use crate::{
    config::{self, Diagnostic, Diagnostics, Loaded, Look, Origin, SecretReading, Sources},
    server,
    survey::Survey,
};

/// What to look at, and how to say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Ask every provider and backend.
    pub online: bool,
    /// One JSON object instead of text.
    pub json: bool,
    /// How mistakes are drawn.
    pub look: Look,
}

/// Loads the configuration and tells what it says, or everything that is wrong with it.
pub fn check(sources: &Sources, options: Options) -> Outcome {
    let loaded = match config::load(sources) {
        Ok(loaded) => loaded,
        Err(found) if options.json => return told_as_json(exit::CONFIG, &found, None, None),
        Err(found) => return Outcome::failed(exit::CONFIG, refusal(&found, options.look)),
    };
    if sources.secrets == SecretReading::Read
        && let Err(refusal) = files(&loaded)
    {
        if options.json {
            return told_as_json(exit::CONFIG, &loaded.notes, Some(&refusal), None);
        }
        return Outcome::failed(exit::CONFIG, loaded.notes.render(options.look) + &refusal);
    }
    let asked = options.online.then(|| online::ask(&loaded.plan)).transpose();
    let survey = match asked {
        Ok(survey) => survey,
        Err(reason) => return Outcome::failed(exit::UNAVAILABLE, format!("{reason}\n")),
    };
    let code = survey.as_ref().map_or(0, online::code);
    if options.json {
        return told_as_json(code, &loaded.notes, None, survey.as_ref());
    }
    let mut text = format!("{}{}", loaded.notes.render(options.look), banner(&loaded.plan));
    if let Some(survey) = &survey {
        text += &online::text(survey, options.look);
    }
    text += match sources.secrets {
        SecretReading::Read => "\nThe configuration is valid.\n",
        SecretReading::Assume => "\nThe configuration is valid. Secrets and certificates were not read.\n",
    };
    Outcome { code, text, notes: String::new() }
}

/// Everything for programs.
fn told_as_json(code: u8, found: &Diagnostics, files: Option<&str>, survey: Option<&Survey>) -> Outcome {
    let mut diagnostics: Vec<Value> = found.iter().map(diagnostic).collect();
    diagnostics.extend(files.map(|message| json!({ "severity": "error", "path": "tls", "message": message.trim() })));
    let mut told = json!({ "valid": code != exit::CONFIG, "diagnostics": diagnostics });
    if let (Some(told), Some(survey)) = (told.as_object_mut(), survey) {
        told.insert("online".to_owned(), online::json(survey));
    }
    Outcome { code, text: format!("{told:#}\n"), notes: String::new() }
}

fn diagnostic(diagnostic: &Diagnostic) -> Value {
    let (file, line, column, variable) = match &diagnostic.origin {
        Origin::Nowhere | Origin::Preset(_) => (None, None, None, None),
        Origin::File(file) => (Some(file), None, None, None),
        Origin::Place(place) => (Some(&place.file), Some(place.line), Some(place.column), None),
        Origin::Variable { name, place } => {
            (place.as_ref().map(|place| &place.file), place.as_ref().map(|place| place.line), None, Some(name))
        }
    };
    json!({
        "severity": diagnostic.severity.to_string(),
        "path": diagnostic.path,
        "offending": diagnostic.offending,
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": file.map(|file| &**file),
        "line": line,
        "column": column,
        "variable": variable,
    })
}

/// Every mistake, and how many there are.
pub fn refusal(found: &Diagnostics, look: Look) -> String {
    let errors = found.errors();
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

    const OPTIONS: Options = Options { online: false, json: false, look: Look::Plain };

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
            OPTIONS,
        );
        assert_eq!(checked.code, 0);
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
            OPTIONS,
        );
        assert_eq!(checked.code, exit::CONFIG);
        let expected = "VESTIBULE_TLS_CERTIFICATE: error: tls: cannot read /nowhere/tls.crt: ";
        assert!(checked.notes.contains(expected), "{}", checked.notes);
        assert!(checked.notes.ends_with("\nThe configuration cannot be used: 1 error.\n"), "{}", checked.notes);
    }

    #[test]
    fn secrets_and_certificates_can_be_elsewhere() {
        let sources = |secrets| Sources {
            environment: [
                ("VESTIBULE_PUBLIC_URL", "https://mcp.example.com"),
                ("VESTIBULE_SECRET_1_FILE", "/nowhere/new"),
                ("VESTIBULE_SECRET_2_FILE", "/nowhere/old"),
                ("VESTIBULE_CONFIG_URL", "https://idp.example.com/.well-known/openid-configuration"),
                ("VESTIBULE_CLIENT_ID", "abc"),
                ("VESTIBULE_CLIENT_SECRET_FILE", "/nowhere/secret"),
                ("VESTIBULE_BACKEND", "http://127.0.0.1:3000/mcp"),
                ("VESTIBULE_TLS_CERTIFICATE", "/nowhere/tls.crt"),
                ("VESTIBULE_TLS_KEY", "/nowhere/tls.key"),
            ]
            .into_iter()
            .collect(),
            secrets,
            ..Sources::default()
        };
        let checked = check(&sources(SecretReading::Assume), OPTIONS);
        assert_eq!((checked.code, checked.notes.as_str()), (0, ""), "{}", checked.notes);
        assert!(checked.text.ends_with("\nThe configuration is valid. Secrets and certificates were not read.\n"));
        assert_eq!(check(&sources(SecretReading::Read), OPTIONS).code, exit::CONFIG);
    }

    #[test]
    fn a_bad_one_says_how_much_is_wrong() {
        let checked = check(&sources(&[("VESTIBULE_LISTEN", "x")]), OPTIONS);
        assert_eq!(checked.code, exit::CONFIG);
        assert!(checked.notes.ends_with("\nThe configuration cannot be used: 3 errors.\n"), "{}", checked.notes);
    }

    #[test]
    fn programs_get_one_object() {
        let options = Options { json: true, ..OPTIONS };
        let checked =
            check(&sources(&[("VESTIBULE_LISTEN", "x"), ("VESTIBULE_PUBLIC_URL", "https://a.example")]), options);
        let told: Value = serde_json::from_str(&checked.text).unwrap();
        assert_eq!((checked.code, &told["valid"]), (exit::CONFIG, &Value::Bool(false)));
        let listen = told["diagnostics"].as_array().unwrap().iter().find(|found| found["path"] == "listen").unwrap();
        assert_eq!((&listen["variable"], &listen["offending"]), (&json!("VESTIBULE_LISTEN"), &json!("x")));
        assert!(listen["help"].as_str().unwrap().starts_with("write "), "{listen}");
    }
}
