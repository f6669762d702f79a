//! The two bodies of a forwarded exchange. Frames pass as they come; what is added is a limit on
//! the way in, and an end on the way out.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::{
    Lease,
    headers::{self, Rules},
};
use crate::{
    body::BoxError,
    metrics::{RouteMetrics, Running, outcome::Backend as Outcome},
};

/// A complete response up to this size is not watched for its lease's end: it is gone before
/// anybody could revoke anything.
const SHORT: u64 = 64 * 1024;

/// The client's body on its way to the backend.
#[derive(Debug)]
pub(super) struct RequestBody {
    inner: Incoming,
    remaining: u64,
    /// Set with every frame: the sign that an upload is going on.
    moved: Option<Arc<AtomicBool>>,
    /// What may not be said in front may not be said in trailers either.
    rules: Arc<Rules>,
    metrics: Arc<RouteMetrics>,
}

/// Why a request's body ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestBodyError {
    /// More bytes than the route allows.
    #[error("the request's body is larger than the route allows")]
    TooLarge,
    /// The client is gone, or does not keep to the framing.
    #[error("the client broke off")]
    Client(#[source] hyper::Error),
}

/// The backend's body on its way to the client. Generic over the lease, boxed once for all.
pub(super) struct ResponseBody<L> {
    /// `None`: ended. Dropping it closes the backend's side.
    inner: Option<Incoming>,
    over: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    lease: L,
    ending: Ending,
    metrics: Arc<RouteMetrics>,
    /// Of a response that stays open: its place in the count.
    stream: Option<Running>,
    /// The end of a response that says nothing for too long.
    idle: Option<Idle>,
}

/// The longest silence of a backend. Costs nothing where it is not asked for.
#[derive(Debug)]
pub(super) struct Idle {
    longest: Duration,
    end: Pin<Box<Sleep>>,
    /// Nothing has come since the backend was last asked.
    waits: bool,
}

/// A response that was ended in the middle of a silence, while the client was promised more bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the backend said nothing for longer than the route allows")]
pub(super) struct Silent;

/// A response that was cut because its lease ended, while the client was promised more bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the grant behind this response was revoked")]
pub(super) struct Revoked;

/// Counts how an exchange ended, exactly once. Dropped without a word, it was the client's abort.
#[derive(Debug)]
pub(super) struct Ending {
    metrics: Option<Arc<RouteMetrics>>,
}

// === impl RequestBody ===

impl RequestBody {
    pub(super) fn new(
        inner: Incoming,
        max: u64,
        moved: Option<Arc<AtomicBool>>,
        rules: Arc<Rules>,
        metrics: Arc<RouteMetrics>,
    ) -> Self {
        Self { inner, remaining: max, moved, rules, metrics }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(moved) = &self.moved {
            moved.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame.map(|frame| {
            let mut frame = frame.map_err(RequestBodyError::Client)?;
            if let Some(trailers) = frame.trailers_mut() {
                headers::clean_trailers(trailers, &self.rules);
            }
            if let Some(data) = frame.data_ref() {
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                self.remaining = self.remaining.checked_sub(length).ok_or(RequestBodyError::TooLarge)?;
                self.metrics.request_bytes(data.len());
            }
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

// === impl ResponseBody ===

impl<L: Lease> ResponseBody<L> {
    pub(super) fn new(
        inner: Incoming,
        lease: L,
        mut ending: Ending,
        metrics: Arc<RouteMetrics>,
        stream: Option<Running>,
        idle: Option<Idle>,
    ) -> Self {
        if inner.is_end_stream() {
            ending.is(Outcome::Ok);
        }
        let short = inner.size_hint().exact().is_some_and(|length| length <= SHORT);
        let over = (!short).then(|| lease.over());
        Self { inner: Some(inner), over, lease, ending, metrics, stream, idle }
    }

    /// Ends the response before its time: cleanly where the length is open, with an error where
    /// the client would take the rest for complete.
    fn cut(&mut self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let promised = self.inner.take().is_some_and(|inner| inner.size_hint().exact().is_some());
        self.over = None;
        self.ending.is(Outcome::Ok);
        Poll::Ready(promised.then(|| Err(Revoked.into())))
    }

    /// The backend went silent. Only events may just stop: of anything else the client would take
    /// what it has for complete.
    fn give_up(&mut self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.inner = None;
        self.over = None;
        self.ending.is(Outcome::Timeout);
        Poll::Ready(self.stream.is_none().then(|| Err(Silent.into())))
    }

    /// Nothing has come: does something else end it? Only a response that waits asks to be woken.
    fn poll_ends(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.over.as_mut().is_some_and(|over| over.as_mut().poll(context).is_ready()) {
            return self.cut();
        }
        if self.idle.as_mut().is_some_and(|idle| idle.poll_end(context).is_ready()) {
            return self.give_up();
        }
        Poll::Pending
    }
}

impl<L: Lease> Body for ResponseBody<L> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.over.is_some() && self.lease.is_over() {
            return self.cut();
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.metrics.response_bytes(data.len());
                }
                if let Some(idle) = &mut self.idle {
                    idle.waits = false;
                }
                // With a promised length nobody asks for the frame after the last one.
                if self.is_end_stream() {
                    self.ending.is(Outcome::Ok);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.ending.is(Outcome::Reset);
                self.inner = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.ending.is(Outcome::Ok);
                self.inner = None;
                Poll::Ready(None)
            }
            Poll::Pending => self.poll_ends(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

// === impl Idle ===

impl Idle {
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, end: Box::pin(tokio::time::sleep(longest)), waits: false }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if !self.waits {
            // The time in which the client did not read is not the backend's silence.
            self.end.as_mut().reset(Instant::now() + self.longest);
            self.waits = true;
        }
        self.end.as_mut().poll(context)
    }
}

// === impl Ending ===

impl Ending {
    pub(super) fn new(metrics: Arc<RouteMetrics>) -> Self {
        Self { metrics: Some(metrics) }
    }

    /// This is how it ended; later words do not count.
    pub(super) fn is(&mut self, outcome: Outcome) {
        if let Some(metrics) = self.metrics.take() {
            metrics.backend(outcome);
        }
    }

    /// Hands the duty over to who sees the end.
    pub(super) fn take(&mut self) -> Self {
        Self { metrics: self.metrics.take() }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.is(Outcome::ClientAbort);
    }
}
