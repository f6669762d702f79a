//! What the server or the way to it said, in words that help, and what follows from it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::StoreError;

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// It may be over in a moment: asking again makes sense.
    pub(super) passes: bool,
    /// The connection is of no use any more, or leads to a server that is not the right one now.
    pub(super) lost: bool,
    pub(super) cause: Cause,
}

/// What follows besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server does not know the script (yet, or after a restart).
    NoScript,
    /// The user or the password is refused.
    Refused,
    /// Nothing does.
    Other,
}

// === impl Failure ===

impl Failure {
    pub(super) fn unavailable(text: impl Into<String>) -> Self {
        let error = StoreError::Unavailable(text.into());
        Self { error, passes: true, lost: true, cause: Cause::Other }
    }

    pub(super) fn unusable(text: impl Into<String>) -> Self {
        let error = StoreError::Unusable(text.into());
        Self { error, passes: false, lost: true, cause: Cause::Other }
    }

    fn forbidden(said: &str, at: &str) -> Self {
        let text = format!("the user at {at} may not do what is needed: {said}; docs/store.md has the rights");
        Self { lost: false, ..Self::unusable(text) }
    }

    /// `at` names the server.
    pub(super) fn of(error: &RedisError, at: &str) -> Self {
        use ServerErrorKind as Server;
        let said = error.to_string();
        let code = error.code().unwrap_or_default();
        let unusable = |text: String| Self { lost: false, ..Self::unusable(text) };
        if error.is_timeout() {
            return Self::unavailable(format!("{at} did not answer in time"));
        }
        if said.to_ascii_lowercase().contains("certificate") {
            return Self::unusable(format!(
                "the certificate of {at} is not accepted: {said}; if a CA of your own signed it, name that in \
                 `storage.ca`"
            ));
        }
        let refused = error.kind() == ErrorKind::AuthenticationFailed || matches!(code, "WRONGPASS" | "NOAUTH");
        if refused {
            let text = format!(
                "{at} refuses the user or the password ({said}); check `storage.username` and `storage.password`"
            );
            return Self { cause: Cause::Refused, ..Self::unusable(text) };
        }
        // Redis before 7.2 and Valkey say so in words of their own if it is within a script.
        if said.contains("user executing the script") || said.contains("ACL failure in script") {
            return Self::forbidden(&said, at);
        }
        match error.kind() {
            ErrorKind::Server(Server::NoScript) => {
                Self { lost: false, cause: Cause::NoScript, ..Self::unavailable(said) }
            }
            ErrorKind::Server(Server::NoPerm) => Self::forbidden(&said, at),
            // The former primary after a failover; its name may lead to the new one by now.
            ErrorKind::Server(Server::ReadOnly) => {
                Self::unavailable(format!("{at} is a replica that takes no writes: {said}"))
            }
            ErrorKind::Server(
                Server::BusyLoading
                | Server::TryAgain
                | Server::ClusterDown
                | Server::MasterDown
                | Server::Moved
                | Server::Ask,
            )
            | ErrorKind::ClusterConnectionNotFound => Self::unavailable(format!("{at}: {said}")),
            ErrorKind::Server(Server::CrossSlot) | ErrorKind::InvalidClientConfig => unusable(format!("{at}: {said}")),
            _ if code == "NOREPLICAS" => {
                Self { lost: false, ..Self::unavailable(format!("{at} has too few replicas to write to: {said}")) }
            }
            _ if error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error() => {
                Self::unavailable(format!("{at}: {said}"))
            }
            // A full memory, a disk that takes no snapshot, a script that runs too long: no reason to
            // leave, nor to ask again at once.
            _ => Self { passes: false, lost: false, ..Self::unavailable(format!("{at}: {said}")) },
        }
    }
}
