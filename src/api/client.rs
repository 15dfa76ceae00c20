//! A small client of the API, for the shell and the demo. What the shell asks
//! without a service is answered in process, by the code that serves it.

use std::{error::Error, time::Duration};

use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::{
    Code, Request, Response, Status, Streaming, TimeoutExpired,
    transport::{Channel, Endpoint},
};

pub use super::pb;
use super::{
    pb::{mail_service_client::MailServiceClient, relay_service_client::RelayServiceClient},
    relay, status,
};
use crate::{
    relay::{BadRelay, Directory, Settings},
    sender::{Deadline, Keep, Sender},
};

/// How long to wait for the service to take the connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The service cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It is not there, or the URI is none.
    #[error("cannot connect")]
    Transport(#[from] tonic::transport::Error),
    /// Another scheme would be spoken in plaintext all the same.
    #[error("only http:// is supported")]
    Scheme,
}

/// A connection to the service.
#[derive(Clone, Debug)]
pub struct Client {
    mail: MailServiceClient<Channel>,
    relay: RelayServiceClient<Channel>,
}

impl Client {
    /// Connects to `endpoint`: a URI such as `http://127.0.0.1:50051`, or a
    /// host and a port.
    pub async fn connect(endpoint: &str) -> Result<Self, ConnectError> {
        let uri = if endpoint.contains("://") {
            endpoint.to_owned()
        } else {
            format!("http://{endpoint}")
        };
        let endpoint = Endpoint::from_shared(uri)?.connect_timeout(CONNECT_LIMIT);
        if endpoint.uri().scheme_str() != Some("http") {
            return Err(ConnectError::Scheme);
        }
        let channel = endpoint.connect().await?;
        Ok(Self {
            mail: MailServiceClient::new(channel.clone()),
            relay: RelayServiceClient::new(channel),
        })
    }

    /// Sends a mail. The deadline is the service's own when there is no
    /// `timeout`.
    pub async fn send(
        &mut self,
        request: pb::SendMailRequest,
        timeout: Option<Duration>,
    ) -> Result<pb::SendMailResponse, pb::SendError> {
        let mut request = Request::new(request);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let answer = self.mail.send_mail(request).await;
        answer.map(Response::into_inner).map_err(|it| error(&it))
    }

    /// Sends many mails over one call. It is asked for `requests` only as fast
    /// as the service takes them: take the answers meanwhile.
    pub async fn send_stream(
        &mut self,
        requests: impl Stream<Item = pb::SendMailStreamRequest> + Send + 'static,
        timeout: Option<Duration>,
    ) -> Result<Answers, pb::SendError> {
        let mut request = Request::new(requests);
        if let Some(timeout) = timeout {
            request.set_timeout(timeout);
        }
        let answers = self.mail.send_mail_stream(request).await;
        let answers = answers.map(Response::into_inner);
        answers.map(Answers).map_err(|it| error(&it))
    }

    /// Checks a relay.
    pub async fn check_relay(
        &mut self,
        request: pb::CheckRelayRequest,
    ) -> Result<pb::CheckRelayResponse, pb::SendError> {
        let answer = self.relay.check_relay(request).await;
        answer.map(Response::into_inner).map_err(|it| error(&it))
    }
}

/// The answers to a stream of mails. Dropped, they cancel the call.
#[derive(Debug)]
pub struct Answers(Streaming<pb::SendMailStreamResponse>);

impl Answers {
    /// The next that finished. `None` at the end of the call.
    ///
    /// # Errors
    ///
    /// When the call ended before the caller's side did: what has no answer by
    /// then was not taken, if `reason` says anything, and otherwise may have
    /// been.
    pub async fn next(&mut self) -> Result<Option<pb::SendMailStreamResponse>, pb::SendError> {
        self.0.message().await.map_err(|it| error(&it))
    }
}

fn error(status: &Status) -> pb::SendError {
    let mut error = status::read(status);
    if is_timeout(status) {
        error.code = Code::DeadlineExceeded.into();
    }
    error
}

/// Checks a relay of `settings` within `timeout`, without a service.
///
/// # Errors
///
/// When the settings of a relay cannot be followed. The inner error is that of
/// the call.
pub async fn check_here(
    settings: Settings,
    request: pb::CheckRelayRequest,
    timeout: Duration,
) -> Result<Result<pb::CheckRelayResponse, pb::SendError>, BadRelay> {
    let deadline = Deadline {
        answer_by: Instant::now() + timeout,
    };
    // Nothing is sent, so that there is no answer to keep.
    let keep = Keep {
        time: Duration::ZERO,
        entries: 0,
    };
    let sender = Sender::new(Directory::new(settings)?, keep, 1);
    Ok(relay::check(&sender, request, deadline).await)
}

/// tonic calls it CANCELLED when its own clock runs out.
fn is_timeout(status: &Status) -> bool {
    status
        .source()
        .is_some_and(<dyn Error>::is::<TimeoutExpired>)
}

/// A message of the API as JSON.
pub trait Json {
    /// The message in the canonical form of ProtoJSON, on several lines.
    fn to_json(&self) -> String;
}

impl Json for pb::SendMailResponse {
    fn to_json(&self) -> String {
        json(self)
    }
}

impl Json for pb::CheckRelayResponse {
    fn to_json(&self) -> String {
        json(self)
    }
}

impl Json for pb::SendError {
    fn to_json(&self) -> String {
        json(self)
    }
}

fn json<M: Message + Name>(message: &M) -> String {
    #[expect(
        clippy::expect_used,
        reason = "the generated code has no message that its descriptors lack"
    )]
    let descriptor = pb::DESCRIPTORS
        .get_message_by_name(&M::full_name())
        .expect("the message is in the descriptors");
    let mut dynamic = DynamicMessage::new(descriptor);
    dynamic
        .transcode_from(message)
        .map_err(|error| error.to_string())
        .and_then(|()| serde_json::to_string_pretty(&dynamic).map_err(|error| error.to_string()))
        // A service may answer with a time that ProtoJSON cannot show.
        .unwrap_or_else(|error| serde_json::json!({ "not_json": error }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_but_http_is_spoken_and_so_nothing_else_is_taken() {
        // Nobody listens there: it is tried for http alone.
        let address = "127.0.0.1:1";
        for scheme in ["https", "HTTPS", "ftp"] {
            let refused = Client::connect(&format!("{scheme}://{address}")).await;
            assert!(matches!(refused, Err(ConnectError::Scheme)), "{scheme}");
        }
        for endpoint in [address.to_string(), format!("HTTP://{address}")] {
            let tried = Client::connect(&endpoint).await;
            assert!(
                matches!(tried, Err(ConnectError::Transport(_))),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn json_is_canonical() {
        let mut error = pb::SendError {
            code: 14,
            reason: "DEFERRED".into(),
            failure: Some(pb::RelayFailure {
                reason: pb::relay_failure::Reason::Deferred.into(),
                ..pb::RelayFailure::default()
            }),
            retry_after: Some(prost_types::Duration {
                seconds: 1,
                nanos: 500_000_000,
            }),
            ..pb::SendError::default()
        };
        let json: serde_json::Value = serde_json::from_str(&error.to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "code": 14,
                "reason": "DEFERRED",
                "failure": { "reason": "REASON_DEFERRED" },
                "retryAfter": "1.500s",
            })
        );
        error.retry_after = Some(prost_types::Duration {
            seconds: i64::MAX,
            nanos: 0,
        });
        assert!(error.to_json().contains("not_json"), "{}", error.to_json());
    }
}
