//! Requests to a gateway that may be killed at any moment: each is answered, lost, or never sent.

use std::time::{Duration, Instant};

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::Value;
use url::Url;

/// Nothing may be away for longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub text: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Nobody listened.
    NeverSent,
    /// It was sent, at least in part: whether anything was done is open.
    Lost,
}

/// An answer in the end, and how many were lost before.
#[derive(Clone, Debug)]
pub struct Insisted {
    pub reply: Reply,
    pub lost: usize,
}

pub fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    builder.timeout(PATIENCE).build().unwrap()
}

pub async fn ask(request: RequestBuilder) -> Result<Reply, Silence> {
    let response = request.send().await.map_err(|error| {
        assert!(!error.is_timeout(), "no answer for {PATIENCE:?}: {error:?}");
        if error.is_connect() { Silence::NeverSent } else { Silence::Lost }
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.map_err(|_| Silence::Lost)?;
    Ok(Reply { status, headers, text })
}

/// Asks until there is an answer that is not "try again".
pub async fn insist(request: impl Fn() -> RequestBuilder) -> Insisted {
    let begun = Instant::now();
    let mut lost = 0;
    loop {
        match ask(request()).await {
            Ok(reply) if reply.status != StatusCode::SERVICE_UNAVAILABLE => return Insisted { reply, lost },
            Ok(reply) => assert!(begun.elapsed() < PATIENCE, "still {reply:?}"),
            Err(Silence::Lost) => lost += 1,
            Err(Silence::NeverSent) => assert!(begun.elapsed() < PATIENCE, "nobody listens"),
        }
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
}

// === impl Reply ===

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Where it leads.
    pub fn location(&self) -> Option<Url> {
        Url::parse(self.headers.get(header::LOCATION)?.to_str().ok()?).ok()
    }

    /// The cookies that it sets, as a browser sends them back.
    pub fn cookies(&self) -> String {
        let set = self.headers.get_all(header::SET_COOKIE).iter();
        let pairs = set.filter_map(|line| line.to_str().ok()?.split(';').next());
        pairs.collect::<Vec<_>>().join("; ")
    }
}
