//! The requests of a stream that are without an answer, each in a task of its
//! own, so that none waits for another. Dropped, they are given up.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use prost::Message as _;
use tokio::task::JoinSet;
use tracing::error;

use super::Limits;
use crate::{
    api::{parse, pb, render},
    sender::{self, Bulk, RequestId},
};

use pb::send_mail_stream_response::Result as Outcome;

/// The requests without an answer, and the answers that nobody took yet.
#[derive(Debug, Default)]
pub(super) struct Held {
    tasks: JoinSet<(pb::SendMailStreamResponse, usize)>,
    /// What they had on the wire, in all.
    bytes: usize,
    taken: u64,
}

impl Held {
    /// Whether one more may be read, whatever its size.
    pub(super) fn has_room(&self, limits: Limits) -> bool {
        self.tasks.len() < limits.mails && self.bytes < limits.max_request_bytes
    }

    /// Takes a request up.
    pub(super) fn take(&mut self, bulk: &Bulk, request: pb::SendMailStreamRequest) {
        let bytes = request.encoded_len();
        let index = self.taken;
        self.bytes += bytes;
        self.taken += 1;
        let bulk = bulk.clone();
        let answer = async move { (answer(&bulk, request, index).await, bytes) };
        self.tasks.spawn(answer);
    }

    /// The next answer. `None` when there is no request without one.
    pub(super) async fn next(&mut self) -> Option<pb::SendMailStreamResponse> {
        loop {
            // A task fails only when the runtime ends, since panics are caught.
            if let Ok((answer, bytes)) = self.tasks.join_next().await? {
                self.bytes -= bytes;
                return Some(answer);
            }
        }
    }
}

async fn answer(
    bulk: &Bulk,
    request: pb::SendMailStreamRequest,
    request_index: u64,
) -> pb::SendMailStreamResponse {
    let request_id = request.request_id.chars().take(RequestId::MAX_CHARS);
    let request_id = request_id.collect();
    let sending = AssertUnwindSafe(send(bulk, request)).catch_unwind();
    let outcome = match sending.await {
        Ok(Ok(sent)) => Outcome::Sent(sent),
        Ok(Err(error)) => Outcome::Error(error),
        Err(_panic) => {
            error!("the handler of a mail panicked");
            Outcome::Error(sender::SendError::Internal.into())
        }
    };
    pb::SendMailStreamResponse {
        request_id,
        request_index,
        result: Some(outcome),
    }
}

async fn send(
    bulk: &Bulk,
    request: pb::SendMailStreamRequest,
) -> Result<pb::SendMailResponse, pb::SendError> {
    let (order, id) = parse::mail_of_stream(request)?;
    let sent = bulk.send(order, id).await?;
    Ok(render::sent(&sent))
}
