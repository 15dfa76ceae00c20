//! A tonic service with posthaste's API that does nothing: what gRPC itself
//! costs.

use std::pin::Pin;

use posthaste::api::client::pb::{
    EnqueueMailRequest, EnqueueMailResponse, SendMailRequest, SendMailResponse,
    SendMailStreamRequest, SendMailStreamResponse,
    mail_service_server::{MailService, MailServiceServer},
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::{Result, process};

/// What it says when it is there.
#[derive(Debug, Deserialize, Serialize)]
pub struct Ready {
    pub port: u16,
}

/// Serves until standard input ends.
#[tokio::main]
pub async fn serve() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let ready = Ready {
        port: listener.local_addr()?.port(),
    };
    let service = MailServiceServer::new(Null);
    tokio::spawn(
        Server::builder()
            .tcp_nodelay(true)
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );
    process::attend(&ready, || ()).await
}

struct Null;

#[tonic::async_trait]
impl MailService for Null {
    type SendMailStreamStream =
        Pin<Box<dyn Stream<Item = std::result::Result<SendMailStreamResponse, Status>> + Send>>;

    async fn send_mail(
        &self,
        _request: Request<SendMailRequest>,
    ) -> std::result::Result<Response<SendMailResponse>, Status> {
        Ok(Response::new(SendMailResponse::default()))
    }

    async fn send_mail_stream(
        &self,
        _request: Request<Streaming<SendMailStreamRequest>>,
    ) -> std::result::Result<Response<Self::SendMailStreamStream>, Status> {
        Err(Status::unimplemented("nothing is measured here"))
    }

    async fn enqueue_mail(
        &self,
        _request: Request<EnqueueMailRequest>,
    ) -> std::result::Result<Response<EnqueueMailResponse>, Status> {
        Err(Status::unimplemented("nothing is measured here"))
    }
}
