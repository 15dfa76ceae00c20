//! Gives each call of a service its deadline, from the moment that its header
//! fields arrived: a caller's time runs while the body is still on its way,
//! and a body that does not come does not hold a call for ever. A stream of
//! mails may take as long as its caller likes: each mail has a time of its own.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Code, Status, body::Body, server::NamedService};
use tower::Service;

use super::{deadline, parse::Violations, pb};
use crate::sender::{Deadline, Pace};

/// The methods whose callers send more than one message.
const STREAMS: [&str; 1] = ["/posthaste.v1.MailService/SendMailStream"];

/// A service whose requests carry as an extension a [`Deadline`], or a [`Pace`]
/// where the caller sends a stream.
#[derive(Clone, Debug)]
pub(super) struct Timed<S> {
    inner: S,
    default: Duration,
}

impl<S> Timed<S> {
    /// Calls of `inner` without a deadline of their own have `default`.
    pub(super) fn new(inner: S, default: Duration) -> Self {
        Self { inner, default }
    }
}

impl<S: NamedService> NamedService for Timed<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Timed<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        match self.time(&mut request) {
            Ok(Some(deadline)) => {
                Box::pin(self.inner.call(request.map(|body| timed(body, deadline))))
            }
            Ok(None) => Box::pin(self.inner.call(request)),
            Err(violations) => {
                let status = Status::from(pb::SendError::from(violations));
                Box::pin(async move { Ok(status.into_http()) })
            }
        }
    }
}

impl<S> Timed<S> {
    /// Notes the time that the call has. `Some` when the body must be there
    /// within it.
    fn time(&self, request: &mut Request<Body>) -> Result<Option<Deadline>, Violations> {
        let arrival = Instant::now();
        if STREAMS.contains(&request.uri().path()) {
            let until = deadline::given(request.headers(), arrival)?;
            let each = self.default;
            request.extensions_mut().insert(Pace { each, until });
            return Ok(None);
        }
        let deadline = deadline::of(request.headers(), arrival, self.default)?;
        request.extensions_mut().insert(deadline);
        Ok(Some(deadline))
    }
}

fn timed(body: Body, deadline: Deadline) -> Body {
    Body::new(TimedBody {
        inner: body,
        expired: Box::pin(sleep_until(deadline.answer_by)),
    })
}

/// A body that fails when it is not there in time.
struct TimedBody {
    inner: Body,
    expired: Pin<Box<Sleep>>,
}

impl http_body::Body for TimedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if frame.is_pending() && self.expired.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(late())));
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn late() -> Status {
    deadline_exceeded("the request did not arrive before the call's deadline")
}

/// The status of a call whose deadline came, for no fault of a relay.
pub(super) fn deadline_exceeded(message: &str) -> Status {
    pb::SendError {
        code: Code::DeadlineExceeded.into(),
        message: message.into(),
        // The same name as that of a relay's failure, with nothing to say of
        // a relay.
        reason: "DEADLINE_EXCEEDED".into(),
        ..pb::SendError::default()
    }
    .into()
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::StreamBody;
    use tokio_stream::StreamExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::api::{
        pb::submission_service_server::SubmissionServiceServer, status,
        submission::SubmissionService,
    };

    async fn told(timeout: Option<&str>, frames: Vec<&'static [u8]>, ends: bool) -> pb::SendError {
        let sent = tokio_stream::iter(frames.into_iter().map(Bytes::from_static));
        let sent = sent.map(|bytes| Ok::<_, Status>(Frame::data(bytes)));
        let body = if ends {
            Body::new(StreamBody::new(sent))
        } else {
            Body::new(StreamBody::new(sent.chain(tokio_stream::pending())))
        };
        let mut request = Request::post("/posthaste.v1.SubmissionService/GetSubmission")
            .header("content-type", "application/grpc");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let service = Timed::new(
            SubmissionServiceServer::new(SubmissionService),
            Duration::from_mins(2),
        );
        let response = service.oneshot(request.body(body).unwrap()).await.unwrap();
        status::read(&Status::from_header_map(response.headers()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_never_ends_is_answered_in_time() {
        let half: &[u8] = b"\0\0\0\0\x20\x0a";
        for frames in [vec![], vec![half]] {
            for (timeout, expected) in [(None, 120_000), (Some("2S"), 1_900)] {
                let began = Instant::now();
                let error = told(timeout, frames.clone(), false).await;
                assert_eq!(error.code, i32::from(Code::DeadlineExceeded));
                assert_eq!(error.reason, "DEADLINE_EXCEEDED");
                let waited = began.elapsed();
                let expected = Duration::from_millis(expected);
                assert!(waited >= expected && waited < expected + Duration::from_millis(5));
            }
        }
    }

    /// What a stream with this timeout is given, and whether its body may be
    /// as late as it likes.
    async fn pace(timeout: Option<&str>) -> (Pace, bool) {
        let service = tower::service_fn(async |mut request: Request<Body>| {
            let pace: Pace = *request.extensions().get().unwrap();
            let body = request.body_mut();
            let read = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            let waits = tokio::time::timeout(Duration::from_hours(48), read).await;
            let mut response = Response::new(Body::default());
            response.extensions_mut().insert((pace, waits.is_err()));
            Ok::<_, Status>(response)
        });
        let body = Body::new(StreamBody::new(tokio_stream::pending::<
            Result<Frame<Bytes>, Status>,
        >()));
        let mut request = Request::post(STREAMS[0]);
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let service = Timed::new(service, Duration::from_mins(2));
        let response = service.oneshot(request.body(body).unwrap()).await.unwrap();
        *response.extensions().get().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_take_its_time() {
        let (pace, waits) = pace(None).await;
        assert!(waits && pace.until.is_none());
        assert_eq!(pace.each, Duration::from_mins(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_streams_deadline_is_that_of_all_its_mails() {
        let began = Instant::now();
        let (pace, waits) = pace(Some("10S")).await;
        // Whoever reads the stream ends it in time, with its answers.
        assert!(waits);
        let until = pace.until.unwrap().answer_by;
        assert_eq!(until - began, Duration::from_millis(9500));
    }

    #[test]
    fn the_streams_are_those_of_the_protos() {
        let streams: Vec<_> = pb::DESCRIPTORS
            .services()
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .filter(prost_reflect::MethodDescriptor::is_client_streaming)
            .map(|method| format!("/{}/{}", method.parent_service().full_name(), method.name()))
            .collect();
        assert_eq!(streams, STREAMS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_request_is_handled() {
        let error = told(None, vec![b"\0\0\0", b"\0\0"], true).await;
        assert_eq!(error.code, i32::from(Code::Unimplemented));
    }

    #[tokio::test]
    async fn a_timeout_that_is_none_is_refused() {
        let error = told(Some("soon"), vec![b"\0\0\0\0\0"], true).await;
        assert_eq!(error.code, i32::from(Code::InvalidArgument));
        assert_eq!(error.violations[0].field, "grpc-timeout");
    }
}
