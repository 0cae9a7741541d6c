//! Around every call to the API server: it is counted, and it has a deadline unless it watches.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::{
    body::{Body, Frame, SizeHint},
    http::{Request, Response},
};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::{BoxError, Service};

use super::call::Call;
use crate::telemetry::metrics::Metrics;

/// How long a call may take to the end of its answer. A list of every object of 300 clusters takes a second or two.
const DEADLINE: Duration = Duration::from_secs(30);

/// No answer, or none that ended, within the deadline.
#[derive(Debug, thiserror::Error)]
#[error("the API server did not answer within {} s", DEADLINE.as_secs())]
pub struct Silent;

/// A service whose calls are counted and come to an end.
#[derive(Debug, Clone)]
pub(super) struct Counted<S> {
    inner: S,
    metrics: Arc<Metrics>,
}

impl<S> Counted<S> {
    pub(super) fn new(inner: S, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }
}

impl<S, A, B> Service<Request<A>> for Counted<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<Timed<B>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let call = Call::of(request.method().as_str(), request.uri().path(), request.uri().query());
        let start = Instant::now();
        let answer = self.inner.call(request);
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            // kube's watcher ends a watch that is silent for too long by itself; the head comes at once for it too.
            let deadline = start + DEADLINE;
            let (code, result) = match timeout_at(deadline, answer).await {
                Ok(Ok(response)) => (response.status().as_str().to_owned(), Ok(response)),
                Ok(Err(error)) => ("error".to_owned(), Err(error.into())),
                Err(_) => ("timeout".to_owned(), Err(BoxError::from(Silent))),
            };
            let deadline = (call.verb != "watch").then_some(deadline);
            metrics.operator().called(call.verb, call.kind, code, start.elapsed());
            Ok(result?.map(|body| Timed { body, end: deadline.map(|at| Box::pin(sleep_until(at))) }))
        })
    }
}

/// An answer that has to be there in time.
#[derive(Debug)]
pub(super) struct Timed<B> {
    body: B,
    end: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for Timed<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match &mut self.end {
            Some(end) => {
                ready!(end.as_mut().poll(cx));
                Poll::Ready(Some(Err(Silent.into())))
            }
            None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
