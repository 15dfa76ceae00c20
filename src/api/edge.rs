//! The edge of the API: a panic in a handler becomes a status, and what tonic
//! refuses by itself gets a status in our form.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::FutureExt as _;
use http::{Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

use super::{error::plain, pb};

/// Wraps a service in an [`Edge`].
#[derive(Clone, Copy, Debug)]
pub(super) struct EdgeLayer {
    pub(super) max_request_bytes: usize,
}

impl<S> Layer<S> for EdgeLayer {
    type Service = Edge<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Edge {
            inner,
            max_request_bytes: self.max_request_bytes,
        }
    }
}

/// The edge of the API around its services.
#[derive(Clone, Debug)]
pub(super) struct Edge<S> {
    inner: S,
    max_request_bytes: usize,
}

impl<S, A, B> Service<Request<A>> for Edge<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let max_request_bytes = self.max_request_bytes;
        let handled = self.inner.call(request);
        Box::pin(async move {
            let response = match AssertUnwindSafe(handled).catch_unwind().await {
                Ok(response) => response?,
                Err(_panic) => {
                    tracing::error!("a handler panicked");
                    return Ok(internal().into_http());
                }
            };
            let refused = Status::from_header_map(response.headers())
                .and_then(|status| retold(&status, max_request_bytes));
            Ok(match refused {
                Some(status) => status.into_http(),
                None => response,
            })
        })
    }
}

/// A status in place of one that tonic made of a request that no handler has
/// seen. Those have no details, while all of ours do. Tonic says OUT_OF_RANGE of
/// a message over the limit, and INTERNAL of one that cannot be decoded, as if
/// the fault were ours.
pub(super) fn retold(status: &Status, max_request_bytes: usize) -> Option<Status> {
    if !status.details().is_empty() {
        return None;
    }
    let error = match status.code() {
        Code::OutOfRange => plain(
            Code::ResourceExhausted,
            pb::ErrorReason::RequestTooLarge,
            format!("the request is larger than {max_request_bytes} bytes"),
            [("max_request_bytes", max_request_bytes.to_string())],
        ),
        Code::Internal => plain(
            Code::InvalidArgument,
            pb::ErrorReason::InvalidRequest,
            format!("the request cannot be decoded: {}", status.message()),
            [],
        ),
        _ => return None,
    };
    Some(error.into())
}

/// What a caller is told of a fault in posthaste.
pub(super) fn internal() -> Status {
    plain(
        Code::Internal,
        pb::ErrorReason::Internal,
        "a fault in posthaste",
        [],
    )
    .into()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::Full;
    use tonic::body::Body;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::api::status;

    const LAYER: EdgeLayer = EdgeLayer {
        max_request_bytes: 100,
    };

    async fn told<F>(handler: fn(Request<Body>) -> F) -> pb::SendError
    where
        F: Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send + 'static,
    {
        let request = Request::new(Body::new(Full::new(Bytes::new())));
        let response = LAYER
            .layer(service_fn(handler))
            .oneshot(request)
            .await
            .unwrap();
        status::read(&Status::from_header_map(response.headers()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_a_status() {
        let error = told(|_| async { panic!("staged") }).await;
        assert_eq!(error.code, i32::from(Code::Internal));
        assert_eq!(error.reason, "INTERNAL");
        assert!(!error.message.contains("staged"));
    }

    #[tokio::test]
    async fn a_panic_after_waiting_is_a_status() {
        let error = told(|_| async {
            tokio::task::yield_now().await;
            panic!("staged")
        })
        .await;
        assert_eq!(error.reason, "INTERNAL");
    }

    #[tokio::test]
    async fn what_tonic_refuses_has_details() {
        let error = told(|_| async { Ok(Status::out_of_range("x").into_http()) }).await;
        assert_eq!(error.code, i32::from(Code::ResourceExhausted));
        assert_eq!(error.reason, "REQUEST_TOO_LARGE");
        assert_eq!(error.metadata["max_request_bytes"], "100");
        let error = told(|_| async { Ok(Status::internal("bad wire type").into_http()) }).await;
        assert_eq!(error.code, i32::from(Code::InvalidArgument));
        assert_eq!(error.reason, "INVALID_REQUEST");
    }

    #[tokio::test]
    async fn what_a_handler_says_stays() {
        let error = told(|_| async { Ok(internal().into_http()) }).await;
        assert_eq!(error.code, i32::from(Code::Internal));
        let error = told(|_| async { Ok(Status::unimplemented("not yet").into_http()) }).await;
        assert_eq!(error.code, i32::from(Code::Unimplemented));
        assert_eq!(error.message, "not yet");
    }
}
