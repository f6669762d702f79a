//! Event streams: a body that a task writes to, event by event, until either side has enough.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Response, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::body::{Body, BoxError};

/// Events that may wait for a slow reader before the writer waits, too.
const BUFFER: usize = 16;

/// The writing end; counts the stream as open until it is dropped.
#[derive(Debug)]
pub(super) struct Events {
    sender: mpsc::Sender<Bytes>,
    open: Arc<AtomicUsize>,
}

/// The reader has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

// === impl Events ===

impl Events {
    /// A `text/event-stream` response and the end to write to.
    pub(super) fn open(open: &Arc<AtomicUsize>) -> (Self, Response<Body>) {
        let (sender, receiver) = mpsc::channel::<Bytes>(BUFFER);
        open.fetch_add(1, Ordering::AcqRel);
        let frames = stream::unfold(receiver, async |mut receiver| {
            let bytes = receiver.recv().await?;
            Some((Ok::<_, BoxError>(Frame::data(bytes)), receiver))
        });
        let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        (Self { sender, open: Arc::clone(open) }, response)
    }

    /// Sends one message as an event.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub(super) async fn message(&self, message: &Value) -> Result<(), Gone> {
        self.write(format!("event: message\ndata: {message}\n\n")).await
    }

    /// Sends a line that readers skip: shows that the stream is alive.
    ///
    /// # Errors
    /// [`Gone`] if nobody reads any more.
    pub(super) async fn comment(&self, text: &'static str) -> Result<(), Gone> {
        self.write(format!(": {text}\n\n")).await
    }

    /// Resolves when nobody reads any more.
    pub(super) async fn gone(&self) {
        self.sender.closed().await;
    }

    async fn write(&self, text: String) -> Result<(), Gone> {
        self.sender.send(text.into()).await.map_err(|_| Gone)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}
