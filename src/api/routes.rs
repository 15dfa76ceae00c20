//! All services of the API, as one service of HTTP.

use std::time::Duration;

pub use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{
    edge::EdgeLayer,
    mail::{Limits, MailService},
    pb::{
        self, mail_service_server::MailServiceServer, relay_service_server::RelayServiceServer,
        submission_service_server::SubmissionServiceServer,
    },
    relay::RelayService,
    submission::SubmissionService,
    timed::Timed,
};
use crate::sender::Sender;

/// What the operator sets about the API.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The largest request. A larger one gets RESOURCE_EXHAUSTED.
    pub max_request_bytes: usize,
    /// Streams at a time. A further one gets RESOURCE_EXHAUSTED.
    pub max_streams: usize,
    /// Mails of one stream that may be without an answer.
    pub max_stream_mails: usize,
    /// How long a call without a deadline may take, or one mail of a stream.
    pub default_deadline: Duration,
    /// Whether to serve reflection, in both versions that clients ask for.
    pub reflection: bool,
}

/// What `grpc.health.v1` says of this server.
#[derive(Clone, Debug)]
pub struct Health(HealthReporter);

const SERVICES: [&str; 4] = [
    // The server as a whole.
    "",
    pb::mail_service_server::SERVICE_NAME,
    pb::relay_service_server::SERVICE_NAME,
    pb::submission_service_server::SERVICE_NAME,
];

impl Health {
    /// Says NOT_SERVING from now on, so that callers go elsewhere.
    pub async fn stopping(&self) {
        for service in SERVICES {
            self.0
                .set_service_status(service, ServingStatus::NotServing)
                .await;
        }
    }
}

/// Every service of the API, with health and, if wanted, reflection.
pub async fn routes(sender: Sender, options: &Options) -> (Routes, Health) {
    let limit = options.max_request_bytes;
    let default = options.default_deadline;
    let of_streams = Limits {
        streams: options.max_streams,
        mails: options.max_stream_mails,
        max_request_bytes: limit,
    };
    let mail = MailServiceServer::new(MailService::new(sender.clone(), of_streams));
    let relay = RelayServiceServer::new(RelayService::new(sender));
    let submission = SubmissionServiceServer::new(SubmissionService);
    let routes = Routes::default()
        .add_service(Timed::new(mail.max_decoding_message_size(limit), default))
        .add_service(Timed::new(relay.max_decoding_message_size(limit), default))
        .add_service(Timed::new(
            submission.max_decoding_message_size(limit),
            default,
        ));
    with_edge(routes, options).await
}

async fn with_edge(routes: Routes, options: &Options) -> (Routes, Health) {
    let (reporter, health) = tonic_health::server::health_reporter();
    for service in SERVICES {
        reporter
            .set_service_status(service, ServingStatus::Serving)
            .await;
    }
    let mut routes = routes.add_service(health);
    if options.reflection {
        routes = with_reflection(routes);
    }
    let edge = EdgeLayer {
        max_request_bytes: options.max_request_bytes,
    };
    let routes = routes.into_axum_router().layer(edge);
    (Routes::from(routes).prepare(), Health(reporter))
}

/// Clients ask for v1, and older ones for v1alpha alone.
fn with_reflection(routes: Routes) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    #[expect(
        clippy::expect_used,
        reason = "the descriptor sets are compiled in, and a test reads them"
    )]
    let (v1, v1alpha) = (
        builder().build_v1().expect("the descriptors are valid"),
        builder()
            .build_v1alpha()
            .expect("the descriptors are valid"),
    );
    routes.add_service(v1).add_service(v1alpha)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::{Bytes, BytesMut};
    use http::Request;
    use http_body_util::Full;
    use prost::Message as _;
    use tokio_stream::StreamExt as _;
    use tonic::{Code, Status, body::Body};
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };
    use tonic_reflection::pb::{v1, v1alpha};
    use tower::ServiceExt as _;

    use super::*;
    use crate::api::status;

    const LIMIT: usize = 50_331_648;

    async fn served(reflection: bool) -> (Routes, Health) {
        let options = Options {
            max_request_bytes: LIMIT,
            max_streams: 1,
            max_stream_mails: 1,
            default_deadline: Duration::from_mins(2),
            reflection,
        };
        let submission = SubmissionServiceServer::new(SubmissionService)
            .max_decoding_message_size(options.max_request_bytes);
        with_edge(Routes::default().add_service(submission), &options).await
    }

    /// Calls a method with `message` as it is.
    async fn call(method: &str, message: &[u8]) -> pb::SendError {
        let mut frame = BytesMut::zeroed(1);
        frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(message);
        let request = Request::post(format!("/posthaste.v1.SubmissionService/{method}"))
            .header("content-type", "application/grpc")
            .body(Body::new(Full::new(frame.freeze())))
            .unwrap();
        let (routes, _) = served(false).await;
        let response = routes.oneshot(request).await.unwrap();
        status::read(&Status::from_header_map(response.headers()).unwrap())
    }

    fn message(len: usize) -> Vec<u8> {
        let mut request = pb::GetSubmissionRequest {
            submission_id: "x".repeat(len),
        };
        let over = request.encoded_len() - len;
        request.submission_id.truncate(len - over);
        request.encode_to_vec()
    }

    #[tokio::test]
    async fn the_size_limit_holds_at_under_and_over() {
        for len in [LIMIT - 1, LIMIT] {
            let error = call("GetSubmission", &message(len)).await;
            assert_eq!(error.code, i32::from(Code::Unimplemented), "{len}");
        }
        let error = call("GetSubmission", &message(LIMIT + 1)).await;
        assert_eq!(error.code, i32::from(Code::ResourceExhausted));
        assert_eq!(error.reason, "REQUEST_TOO_LARGE");
        assert_eq!(error.metadata["max_request_bytes"], LIMIT.to_string());
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_the_callers_fault() {
        for bytes in [&b"\xff\xff\xff"[..], b"\x0a\x05ab", b"\x0a\x02\xff\xfe"] {
            let error = call("GetSubmission", bytes).await;
            assert_eq!(error.code, i32::from(Code::InvalidArgument), "{bytes:?}");
            assert_eq!(error.reason, "INVALID_REQUEST");
        }
    }

    #[tokio::test]
    async fn unknown_methods_are_unimplemented() {
        let error = call("NoSuchMethod", b"").await;
        assert_eq!(error.code, i32::from(Code::Unimplemented));
    }

    #[tokio::test]
    async fn health_follows_the_server() {
        let (routes, health) = served(false).await;
        let mut client = HealthClient::new(routes);
        for service in SERVICES {
            let request = HealthCheckRequest {
                service: service.into(),
            };
            let answer = client.check(request.clone()).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
        }
        health.stopping().await;
        for service in SERVICES {
            let request = HealthCheckRequest {
                service: service.into(),
            };
            let answer = client.check(request.clone()).await.unwrap().into_inner();
            assert_eq!(answer.status(), ServingStatus::NotServing, "{service:?}");
        }
    }

    #[tokio::test]
    async fn both_reflections_name_the_services() {
        let (routes, _) = served(true).await;
        let list = v1::ServerReflectionRequest {
            message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(
                String::new(),
            )),
            ..v1::ServerReflectionRequest::default()
        };
        let mut client = v1::server_reflection_client::ServerReflectionClient::new(routes.clone());
        let mut answers = client
            .server_reflection_info(tokio_stream::once(list))
            .await
            .unwrap()
            .into_inner();
        let answer = answers.next().await.unwrap().unwrap().message_response;
        let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) =
            answer
        else {
            panic!("{answer:?}");
        };
        let names: Vec<_> = list
            .service
            .into_iter()
            .map(|service| service.name)
            .collect();
        for service in &SERVICES[1..] {
            assert!(
                names.iter().any(|name| name == service),
                "{service} {names:?}"
            );
        }

        let find = v1alpha::ServerReflectionRequest {
            message_request: Some(
                v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
                    "posthaste.v1.RelayFailure".into(),
                ),
            ),
            ..v1alpha::ServerReflectionRequest::default()
        };
        let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(routes);
        let mut answers = client
            .server_reflection_info(tokio_stream::once(find))
            .await
            .unwrap()
            .into_inner();
        let answer = answers.next().await.unwrap().unwrap().message_response;
        assert!(matches!(
            answer,
            Some(v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse(_))
        ));
    }

    #[tokio::test]
    async fn reflection_can_be_switched_off() {
        let (routes, _) = served(false).await;
        let request = Request::post("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
            .header("content-type", "application/grpc")
            .body(Body::new(Full::new(Bytes::new())))
            .unwrap();
        let response = routes.oneshot(request).await.unwrap();
        let status = Status::from_header_map(response.headers()).unwrap();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}
