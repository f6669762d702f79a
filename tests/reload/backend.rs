//! A protected server that answers at once, slowly (`/slow`), without end (`/events`), or with what it
//! was told (`/headers`).

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::stream::{StreamExt as _, unfold};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// How long `/slow` takes.
pub const SLOW: Duration = Duration::from_millis(1500);

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Backend {
    pub port: u16,
    task: JoinHandle<()>,
}

impl Backend {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        Self { port, task }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    if path.ends_with("/headers") {
        let line =
            |(name, value): (&http::HeaderName, &http::HeaderValue)| format!("{name}: {}\n", value.to_str().unwrap());
        let lines: String = request.headers().iter().map(line).collect();
        return Ok(Response::new(Full::new(Bytes::from(lines)).boxed_unsync()));
    }
    drop(request.into_body().collect().await);
    if path.ends_with("/events") {
        let events = unfold(0_u32, |count| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok(Frame::data(Bytes::from(format!("data: {count}\n\n")))), count + 1))
        });
        let response = Response::builder().header("content-type", "text/event-stream");
        return Ok(response.body(StreamBody::new(events.boxed()).boxed_unsync()).unwrap());
    }
    if path.ends_with("/slow") {
        tokio::time::sleep(SLOW).await;
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"hello")).boxed_unsync()))
}
