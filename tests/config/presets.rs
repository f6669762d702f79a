//! Every preset has an example that works, in a file and in variables, and a row in the documentation.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use vestibule::config::{
    self, Loaded, Sources,
    preset::{ALL, Preset, Setting},
};

use crate::page;

const PAGE: &str = "docs/providers.md";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The variables that an example's README shows.
fn variables(preset: &Preset) -> BTreeMap<String, String> {
    shown(preset.name)
}

fn shown(example: &str) -> BTreeMap<String, String> {
    let readme = read(&format!("examples/{example}/README.md"));
    let (_, block) = readme.split_once("```env\n").unwrap();
    let lines = block.split("```").next().unwrap().lines();
    lines.map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn load(config: Option<&str>, environment: &[(&str, &str)]) -> Loaded {
    let environment = environment.iter().copied().collect();
    let sources = Sources { config: config.map(Into::into), environment, ..Sources::default() };
    config::load(&sources).unwrap_or_else(|found| panic!("{found}"))
}

/// The example of a preset, with the application of its README.
fn example(preset: &Preset) -> Loaded {
    let variables = variables(preset);
    let of = |key: &str| variables[&format!("VESTIBULE_{}_{key}", preset.name.to_ascii_uppercase())].as_str();
    let application = [("OIDC_CLIENT_ID", of("CLIENT_ID")), ("OIDC_CLIENT_SECRET", of("CLIENT_SECRET"))];
    load(Some(&format!("examples/{}/vestibule.yaml", preset.name)), &application)
}

#[test]
fn every_preset_has_an_example_that_says_the_same_in_a_file_and_in_variables() {
    for preset in ALL {
        let from_file = example(preset);
        assert!(from_file.notes.is_empty(), "{}: {}", preset.name, from_file.notes);
        let variables = variables(preset);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let from_variables = load(None, &variables);
        assert!(from_variables.notes.is_empty(), "{}: {}", preset.name, from_variables.notes);
        assert_eq!(from_file.plan, from_variables.plan, "{}", preset.name);
        let readme = read(&format!("examples/{}/README.md", preset.name));
        assert!(readme.contains(from_file.plan.providers[0].callback_url.as_str()), "{}", preset.name);
        assert!(readme.lines().count() <= 50, "{}: more than a screen", preset.name);
    }
}

/// The example of a choice, too, names both callbacks.
#[test]
fn the_choice_says_the_same_in_a_file_and_in_variables() {
    let variables = shown("choice");
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let secret = |name: &str| variables.iter().find(|(known, _)| *known == format!("VESTIBULE_{name}")).unwrap().1;
    let secrets = ["ENTRA_CLIENT_SECRET", "GOOGLE_CLIENT_SECRET"].map(|name| (name, secret(name)));
    let from_file = load(Some("examples/choice/vestibule.yaml"), &secrets);
    let from_variables = load(None, &variables);
    assert!(from_file.notes.is_empty() && from_variables.notes.is_empty());
    assert_eq!(from_file.plan, from_variables.plan);
    let readme = read("examples/choice/README.md");
    let [choice] = &from_file.plan.providers[..] else { panic!("{:?}", from_file.plan.providers) };
    assert_eq!(choice.choice.len(), 2);
    for member in &choice.choice {
        assert!(readme.contains(&format!("`{}`", member.callback_url)), "{}", member.callback_url);
    }
}

/// Whatever a preset fills in is asked for by somebody, and shown with the preset as its source.
#[test]
fn every_default_arrives_and_names_its_preset() {
    for preset in ALL {
        let loaded = example(preset);
        let at = format!("providers.{}", preset.name);
        for (key, _) in preset.defaults {
            let origin =
                loaded.origins.written(&format!("{at}.{key}")).unwrap_or_else(|| panic!("{}: {key}", preset.name));
            let written = !matches!(origin, config::Origin::Preset(_));
            assert!(written || origin.to_string() == format!("preset {}", preset.name), "{key}: {origin}");
        }
        if preset.title.is_empty() {
            continue;
        }
        assert_eq!(
            loaded.origins.written(&format!("{at}.display_name")).unwrap().to_string(),
            format!("preset {}", preset.name)
        );
    }
}

/// Whoever has the console open finds the two things that everybody has to enter or copy; each place is
/// said once, in words to click.
#[test]
fn every_preset_says_where_things_are_in_its_console() {
    for preset in ALL.into_iter().filter(|preset| !preset.title.is_empty()) {
        for setting in [Setting::CallbackUrl, Setting::Secret] {
            assert!(preset.place_of(setting).is_some(), "{}: {setting:?}", preset.name);
        }
        for (index, (setting, place)) in preset.places.iter().enumerate() {
            assert!(!preset.places[..index].iter().any(|(other, _)| other == setting), "{}: {setting:?}", preset.name);
            let plain = !place.contains("://") && !place.contains(['\n', '`']) && !place.contains("  ");
            assert!(plain && place.contains(" > "), "{}: {place}", preset.name);
        }
    }
}

/// Where each of them is, and what is sent there: to be read by a person.
#[test]
fn what_the_examples_lead_to() {
    let mut text = String::new();
    for preset in ALL {
        let plan = example(preset).plan;
        let provider = &plan.providers[0];
        writeln!(text, "{} \"{}\"", preset.name, provider.display_name).unwrap();
        writeln!(text, "  {}", provider.source()).unwrap();
        writeln!(text, "  asks for {}", provider.required_scopes).unwrap();
        for (name, value) in &provider.extra_authorize_params {
            writeln!(text, "  sends {name}={value}").unwrap();
        }
        let names = &provider.protocol.scope_names;
        if let Some(prefix) = &names.prefix {
            writeln!(text, "  scopes begin with {prefix}").unwrap();
        }
        for (ours, theirs) in &names.aliases {
            writeln!(text, "  {ours} is {theirs}").unwrap();
        }
        if let Some(claim) = provider.protocol.email_verified_claim {
            writeln!(text, "  {claim} verifies addresses").unwrap();
        }
        writeln!(text, "  access tokens are {}checked", if provider.access_tokens.is_some() { "" } else { "not " })
            .unwrap();
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(".");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("presets", text));
}

#[test]
fn the_page_of_providers_is_current() {
    const BEGIN: &str = "<!-- presets -->\n";
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let mut table =
        "\n| preset | parameters | sets | at the provider | what is different |\n| --- | --- | --- | --- | --- |\n"
            .to_owned();
    for preset in ALL {
        let parameters = preset.parameters.iter().map(|parameter| match preset.default_of(parameter.key) {
            Some(default) => format!("`{}`, default `{default}`", parameter.key),
            None => format!("`{}`", parameter.key),
        });
        let parameters: Vec<String> = parameters.collect();
        let is_parameter = |key: &str| preset.parameters.iter().any(|parameter| parameter.key == key);
        let sets = preset.defaults.iter().filter(|(key, _)| !is_parameter(key));
        let sets: Vec<String> = sets.map(|(key, value)| format!("`{key}: {value}`")).collect();
        let Preset { name, console, quirks, .. } = preset;
        let example = format!("[`{name}`](../examples/{name}/README.md)");
        let (parameters, sets) = (parameters.join("; "), sets.join("; "));
        writeln!(table, "| {example} | {parameters} | {sets} | {console} | {quirks} |").unwrap();
    }
    table = table.replace("|  |", "| |");
    page::is_current(PAGE, &format!("{before}{BEGIN}{table}\n<!-- end -->{after}"));
}

fn plan(entry: &str) -> Result<config::plan::Plan, config::Diagnostics> {
    let routes = "    client_id: abc\n    routes: [{ path: /mcp, backend: \"http://127.0.0.1:3000/mcp\" }]\n";
    config::from_yaml(&format!("public_url: https://mcp.example.com\nproviders:\n  one:\n{entry}{routes}"), &[])
}

#[test]
fn what_is_written_counts_and_what_is_empty_takes_a_parameter_away() {
    let google = |more: &str| plan(&format!("    preset: google\n{more}")).unwrap().providers[0].clone();
    let params = |more: &str| google(more).extra_authorize_params.clone();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(params(""), [pair("access_type", "offline"), pair("prompt", "consent")]);
    let own = "    extra_authorize_params: { prompt: login, hd: example.com }\n";
    assert_eq!(params(own), [pair("prompt", "login"), pair("hd", "example.com"), pair("access_type", "offline")]);
    let text = "    extra_authorize_params: prompt=&access_type=online\n";
    assert_eq!(params(text), [pair("access_type", "online")]);
    assert_eq!(google("    display_name: Work\n").display_name, "Work");
    let elsewhere = "    config_url: https://idp.example.com/.well-known/openid-configuration\n";
    assert_eq!(google(elsewhere).source(), "https://idp.example.com/.well-known/openid-configuration");
}

#[test]
fn entra_scopes_have_no_prefix_if_it_is_off() {
    let tenant = "    preset: entra\n    tenant_id: 3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11\n";
    let prefix =
        |more: &str| plan(&format!("{tenant}{more}")).unwrap().providers[0].protocol.scope_names.prefix.clone();
    assert_eq!(prefix(""), Some("api://abc/".to_owned()));
    assert_eq!(prefix("    identifier_uri: https://api.example.com/\n"), Some("https://api.example.com/".to_owned()));
    assert_eq!(prefix("    identifier_uri: off\n"), None);
}

/// The list is enough: where those tenants sign in is known.
#[test]
fn several_tenants_share_a_place() {
    const ONE: &str = "3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11";
    const PERSONAL: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
    let entra = |more: &str| plan(&format!("    preset: entra\n{more}")).unwrap().providers[0].clone();
    for (more, place, allowed) in [
        (format!("    allowed_tenants: [{}]\n", ONE.to_uppercase()), "organizations", &[ONE][..]),
        (format!("    allowed_tenants: {ONE},{PERSONAL}\n"), "common", &[ONE, PERSONAL]),
        (format!("    tenant_id: common\n    allowed_tenants: [{ONE}]\n"), "common", &[ONE]),
        (format!("    tenant_id: organizations\n    allowed_tenants: [{ONE}]\n"), "organizations", &[ONE]),
    ] {
        let provider = entra(&more);
        let url = format!("https://login.microsoftonline.com/{place}/v2.0/.well-known/openid-configuration");
        assert_eq!(provider.source(), url, "{more}");
        assert_eq!(provider.protocol.tenants.as_ref().unwrap().allowed, allowed);
        assert!(provider.needed_claims.contains(&"tid".to_owned()));
    }
    assert_eq!(entra(&format!("    tenant_id: {ONE}\n")).protocol.tenants, None);
}

/// With a known host and no preset, a person learns what they miss; nothing changes.
#[test]
fn a_known_host_is_recognised() {
    let loaded = |entry: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("vestibule.yaml");
        let text = format!(
            "public_url: https://mcp.example.com\nproviders:\n  one:\n    client_id: abc\n{entry}    routes: [{{ path: /mcp, backend: \"http://127.0.0.1:3000/mcp\" }}]\n"
        );
        fs::write(&file, text).unwrap();
        load(file.to_str(), &[])
    };
    let url = "    config_url: https://example.eu.auth0.com/.well-known/openid-configuration\n";
    let note = loaded(url).notes.to_string();
    assert!(note.contains("looks like Auth0: `preset: auth0` would demand the audience"), "{note}");
    assert!(loaded(&format!("    preset: oidc\n{url}")).notes.is_empty());
    let wrong = loaded(&format!("    preset: okta\n{url}")).notes.to_string();
    assert!(wrong.contains("is Auth0's, and the preset is `okta`"), "{wrong}");
    let lookalike = "    config_url: https://notauth0.com/.well-known/openid-configuration\n";
    assert!(loaded(lookalike).notes.is_empty());
}

/// With the provider's own tokens only its place is known: everything else is about our own.
#[test]
fn in_remote_mode_a_preset_says_only_where_the_provider_is() {
    for (name, entry) in [
        ("entra", "    tenant_id: 3d1e2f9a-5c1b-4e0e-9a53-6b1c4a0d8f11\n"),
        ("google", ""),
        ("auth0", "    domain: example.eu.auth0.com\n"),
    ] {
        let text = format!(
            "public_url: https://mcp.example.com\nproviders:\n  one:\n    preset: {name}\n    mode: remote\n{entry}    routes: [{{ path: /mcp, backend: \"http://127.0.0.1:3000/mcp\" }}]\n"
        );
        let plan = config::from_yaml(&text, &[]).unwrap_or_else(|found| panic!("{name}: {found}"));
        assert!(plan.providers[0].config_url.is_some(), "{name}");
    }
}
