//! Callers of a service, over gRPC.

use posthaste::api::client::pb::{SendMailRequest, mail_service_client::MailServiceClient};
use tonic::transport::{Channel, Endpoint};

use crate::{Result, load::Courier};

/// Callers on so many connections, with so many calls at a time on each.
pub async fn callers(
    port: u16,
    connections: usize,
    calls: usize,
    request: &SendMailRequest,
) -> Result<Vec<Caller>> {
    let mut callers = Vec::new();
    for _ in 0..connections {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?;
        let client = MailServiceClient::new(endpoint.tcp_nodelay(true).connect().await?);
        let caller = Caller {
            client,
            request: request.clone(),
        };
        callers.extend(std::iter::repeat_n(caller, calls));
    }
    Ok(callers)
}

/// Somebody who calls SendMail.
#[derive(Clone, Debug)]
pub struct Caller {
    client: MailServiceClient<Channel>,
    request: SendMailRequest,
}

impl Courier for Caller {
    async fn send(&mut self) -> Result<()> {
        self.client.send_mail(self.request.clone()).await?;
        Ok(())
    }
}
