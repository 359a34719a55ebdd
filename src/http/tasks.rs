//! Work that goes on to its end whoever still listens. A client that closes its connection, or a request that takes too long,
//! would otherwise drop an endpoint in the middle: a code spent and no session, a failure counted and not recorded.
//!
//! Every request whose method may change something runs as a task of its own, on the thread of its connection, once its body
//! has arrived; the connection waits for the task and may go. An orderly stop waits for every task.

use std::panic::AssertUnwindSafe;
use std::thread;
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::{Bytes, BytesMut};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::oneshot::{self, Receiver};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

/// The tasks of a process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

impl Tasks {
    /// Runs `work` on this thread, in the caller's span. It does not end with its caller; its panic is the answer `Err`.
    pub(super) fn run<T: 'static>(&self, work: impl Future<Output = T> + 'static) -> Receiver<thread::Result<T>> {
        let (answer, caller) = oneshot::channel();
        let run = async move {
            let done = AssertUnwindSafe(work).catch_unwind().await;
            // Where the caller is gone the answer is dropped here, while a stop still waits for what that sets off.
            drop(answer.send(done));
        };
        self.0.spawn_local(run.instrument(Span::current()));
        caller
    }

    /// Runs `work` that no request waits for.
    pub(super) fn leave(&self, work: impl Future<Output = ()> + 'static) {
        self.0.spawn_local(work.instrument(Span::current()));
    }

    /// Waits until no task is left, at most `limit`.
    pub async fn wait(&self, limit: Duration) {
        self.0.close();
        if tokio::time::timeout(limit, self.0.wait()).await.is_err() {
            tracing::warn!(left = self.0.len(), "requests whose clients are gone did not end in time");
        }
    }
}

/// What is done if an answer does not reach its client: put into the extensions of a response, it acts when it is dropped
/// before the connection took the response. That a client crashed after it was sent the answer is not noticed.
pub(in crate::http) struct IfUndelivered {
    tasks: Tasks,
    act: Option<BoxFuture<'static, ()>>,
}

impl IfUndelivered {
    pub(in crate::http) fn new(tasks: &Tasks, act: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { tasks: tasks.clone(), act: Some(act.instrument(Span::current()).boxed()) }
    }

    /// The connection took the answer.
    pub(in crate::http) fn delivered(mut self) {
        self.act = None;
    }
}

impl Drop for IfUndelivered {
    fn drop(&mut self) {
        if let (Some(act), Ok(runtime)) = (self.act.take(), Handle::try_current()) {
            self.tasks.0.spawn_on(act, &runtime);
        }
    }
}

/// Whether a request of this method may change something.
pub(super) fn may_change(method: &Method) -> bool {
    !method.is_safe()
}

/// Waits for the whole body, so that what is begun does not wait for its client any more. Of a body that is longer than
/// `limit` it reads no more than it takes to see that: the endpoint refuses it.
pub(super) async fn wait_for_body(request: &mut ServiceRequest, limit: usize) {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return;
    }
    let mut payload = request.take_payload();
    if matches!(payload, Payload::None) {
        return;
    }
    let (mut body, mut failed) = (BytesMut::new(), None);
    while let Some(chunk) = payload.next().await {
        match chunk {
            Ok(chunk) => body.extend_from_slice(&chunk),
            Err(error) => failed = Some(error),
        }
        if failed.is_some() || body.len() > limit {
            break;
        }
    }
    let chunks: [Option<Result<Bytes, PayloadError>>; 2] = [Some(Ok(body.freeze())), failed.map(Err)];
    request.set_payload(Payload::Stream { payload: Box::pin(stream::iter(chunks.into_iter().flatten())) });
}
