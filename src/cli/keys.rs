//! `vestibule keys`: the signing keys and root secrets of a running instance.

use std::time::Duration;

use super::{
    Outcome,
    admin_client::{AdminAddress, Answer, AskError},
    exit,
    grants::{counted, pretty, told, understood},
};
use crate::{
    admin::{KeyList, RevokeKey, RootSecret, Rotate},
    keys::{KeyOverview, KeyState},
};

/// While a root secret is replaced, every grant is looked at.
const DEADLINE: Duration = Duration::from_mins(5);

/// `vestibule keys list`
pub(super) fn list(admin: &AdminAddress, json: bool) -> Outcome {
    let answer = admin.get_with("/keys", &(), DEADLINE);
    told(understood(admin, answer), |list: &KeyList| if json { pretty(list) } else { text(list) })
}

/// `vestibule keys rotate`
pub(super) fn rotate(admin: &AdminAddress, now: bool) -> Outcome {
    done(admin, admin.post_with("/keys/rotate", &Rotate { now }, DEADLINE))
}

/// `vestibule keys revoke`
pub(super) fn revoke(admin: &AdminAddress, kid: String) -> Outcome {
    done(admin, admin.post_with("/keys/revoke", &RevokeKey { kid }, DEADLINE))
}

/// What became of a wish; a refusal says why, and what to do.
fn done(admin: &AdminAddress, answer: Result<Answer, AskError>) -> Outcome {
    match answer {
        Ok(answer @ Answer { status: 404 | 409, .. }) => {
            Outcome::failed(exit::NOT_FOUND, format!("{}\n", answer.excerpt()))
        }
        answer => told(understood(admin, answer), |keys: &Vec<KeyOverview>| signing(keys)),
    }
}

fn text(list: &KeyList) -> String {
    let mut text = signing(&list.signing);
    text.push('\n');
    for (index, RootSecret { id, grants, signing_keys }) in list.root_secrets.iter().enumerate() {
        let does = if index == 0 { "seals" } else { "opens" };
        let counts = match (grants, signing_keys) {
            (Some(0), Some(0)) if index > 0 => "  nothing in the store any more".to_owned(),
            (Some(grants), Some(keys)) => format!("  {}, {}", counted(*grants, "grant"), counted(*keys, "signing key")),
            _ => String::new(),
        };
        line(&mut text, format!("root secret {id}  {does}{counts}"));
    }
    if list.lost_grants > 0 {
        line(
            &mut text,
            counted(list.lost_grants, "grant") + " sealed by a root secret that is not here: nobody can use that",
        );
    }
    text
}

fn signing(keys: &[KeyOverview]) -> String {
    let line = |key: &KeyOverview| {
        let KeyOverview { kid, alg, configured, since, signs_from, until, state } = key;
        let state = match (state, until) {
            (KeyState::Signs, _) => format!("signs since {signs_from}"),
            (KeyState::Waits, _) => format!("is published, and signs from {signs_from} on"),
            (KeyState::Verifies, Some(until)) => format!("verifies until {until}"),
            (KeyState::Verifies, None) => format!("verifies since {since}"),
        };
        let origin = if *configured { "  (configured)" } else { "" };
        format!("{kid}  {alg:5}  {state}{origin}\n")
    };
    keys.iter().map(line).collect()
}

fn line(text: &mut String, line: String) {
    text.extend([line, "\n".to_owned()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, state: KeyState) -> KeyOverview {
        KeyOverview {
            kid: kid.to_owned(),
            alg: "ES256".to_owned(),
            state,
            configured: false,
            since: "2026-01-01T00:00:00Z".to_owned(),
            signs_from: "2026-01-01T01:00:00Z".to_owned(),
            until: (state == KeyState::Verifies).then(|| "2026-01-02T01:00:00Z".to_owned()),
        }
    }

    #[test]
    fn every_key_says_what_it_does() {
        let keys = [key("c", KeyState::Waits), key("b", KeyState::Signs), key("a", KeyState::Verifies)];
        let own = KeyOverview { configured: true, until: None, ..key("o", KeyState::Verifies) };
        let text = signing(&[&keys[..], &[own]].concat());
        assert_eq!(
            text,
            "c  ES256  is published, and signs from 2026-01-01T01:00:00Z on\n\
             b  ES256  signs since 2026-01-01T01:00:00Z\n\
             a  ES256  verifies until 2026-01-02T01:00:00Z\n\
             o  ES256  verifies since 2026-01-01T00:00:00Z  (configured)\n"
        );
    }

    #[test]
    fn a_root_secret_that_can_go_is_named() {
        let root = |id: &str, counts: Option<(usize, usize)>| {
            let (grants, signing_keys) = counts.unzip();
            RootSecret { id: id.to_owned(), grants, signing_keys }
        };
        let alone = KeyList { root_secrets: vec![root("00000001", None)], ..KeyList::default() };
        assert_eq!(text(&alone), "\nroot secret 00000001  seals\n");
        let roots =
            vec![root("00000002", Some((3, 1))), root("00000001", Some((1, 0))), root("00000000", Some((0, 0)))];
        let text = text(&KeyList { root_secrets: roots, lost_grants: 2, signing: Vec::new() });
        assert!(text.contains("00000002  seals  3 grants, 1 signing key\n"), "{text}");
        assert!(text.contains("00000001  opens  1 grant, 0 signing keys\n"), "{text}");
        assert!(text.contains("00000000  opens  nothing in the store any more\n"), "{text}");
        assert!(text.contains("2 grants sealed by a root secret that is not here"), "{text}");
    }
}
