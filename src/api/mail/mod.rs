//! The service that sends mail.

mod held;
mod stream;

use std::{pin::Pin, sync::Arc};

use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{edge::internal, parse, pb, render};
use crate::sender::{Deadline, Pace, Sender};
pub(super) use stream::Limits;

/// Sends mail. Requests must carry a [`Deadline`], and streams a [`Pace`].
#[derive(Debug)]
pub(super) struct MailService {
    sender: Sender,
    limits: Limits,
    /// A turn for each stream.
    streams: Arc<Semaphore>,
}

impl MailService {
    /// A service that sends through `sender`, with `limits` for streams.
    pub(super) fn new(sender: Sender, limits: Limits) -> Self {
        Self {
            sender,
            limits,
            streams: Arc::new(Semaphore::new(limits.streams)),
        }
    }

    async fn send(
        &self,
        request: pb::SendMailRequest,
        deadline: Deadline,
    ) -> Result<pb::SendMailResponse, pb::SendError> {
        let request = parse::send_mail(request)?;
        if request.validate_only {
            let validated = self.sender.validate(request.order).await?;
            return Ok(render::validated(validated));
        }
        let sent = self.sender.send(request.order, request.id, deadline);
        Ok(render::sent(&sent.await?))
    }
}

#[tonic::async_trait]
impl pb::mail_service_server::MailService for MailService {
    type SendMailStreamStream =
        Pin<Box<dyn Stream<Item = Result<pb::SendMailStreamResponse, Status>> + Send>>;

    async fn send_mail(
        &self,
        request: Request<pb::SendMailRequest>,
    ) -> Result<Response<pb::SendMailResponse>, Status> {
        let deadline = request.extensions().get().copied().ok_or_else(internal)?;
        let response = self.send(request.into_inner(), deadline).await?;
        Ok(Response::new(response))
    }

    async fn send_mail_stream(
        &self,
        request: Request<Streaming<pb::SendMailStreamRequest>>,
    ) -> Result<Response<Self::SendMailStreamStream>, Status> {
        let pace: Pace = request.extensions().get().copied().ok_or_else(internal)?;
        let turn = Arc::clone(&self.streams).try_acquire_owned();
        let turn = turn.map_err(|_| stream::too_many())?;
        let bulk = self.sender.bulk(pace);
        let answers = stream::answers(request.into_inner(), bulk, self.limits, turn);
        Ok(Response::new(Box::pin(answers)))
    }

    async fn enqueue_mail(
        &self,
        _request: Request<pb::EnqueueMailRequest>,
    ) -> Result<Response<pb::EnqueueMailResponse>, Status> {
        Err(Status::unimplemented(
            "EnqueueMail is not served yet, since there is no queue: call SendMail",
        ))
    }
}
