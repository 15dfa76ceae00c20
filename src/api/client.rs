//! A small client of the API, for the shell and the demo.

use std::{error::Error, time::Duration};

use prost::{Message, Name};
use prost_reflect::DynamicMessage;
use tonic::{
    Code, Request, TimeoutExpired,
    transport::{Channel, Endpoint},
};

pub use super::pb;
use super::{pb::mail_service_client::MailServiceClient, status};

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
            mail: MailServiceClient::new(channel),
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
        match self.mail.send_mail(request).await {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => {
                let mut error = status::read(&status);
                if is_timeout(&status) {
                    error.code = Code::DeadlineExceeded.into();
                }
                Err(error)
            }
        }
    }
}

/// tonic calls it CANCELLED when its own clock runs out.
fn is_timeout(status: &tonic::Status) -> bool {
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
