//! One call of SendMailStream: which request is read when, and what ends the
//! call. It advances only while the caller takes answers, since HTTP asks it
//! for no more than the caller has room for.

use futures_util::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, Status, Streaming};

use super::held::Held;
use crate::{
    api::{
        edge::retold,
        error::{later, plain},
        pb,
        timed::deadline_exceeded,
    },
    sender::{ASK_AGAIN, Bulk, Closed},
};

/// What streams may keep the service busy with.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Limits {
    /// Calls at a time.
    pub(in crate::api) streams: usize,
    /// Mails of a call whose answer the caller has not taken yet. With so many,
    /// no more is read.
    pub(in crate::api) mails: usize,
    /// The largest request. With so many bytes in requests without an answer,
    /// a call reads no more.
    pub(in crate::api) max_request_bytes: usize,
}

/// The answers to `requests`, as they finish.
pub(super) fn answers(
    requests: Streaming<pb::SendMailStreamRequest>,
    bulk: Bulk,
    limits: Limits,
    turn: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<pb::SendMailStreamResponse, Status>> + Send {
    let call = Call {
        reading: Reading::On(Box::new(requests)),
        held: Held::default(),
        bulk,
        limits,
        _turn: turn,
    };
    stream::unfold(call, async |mut call| {
        let answer = call.next().await?;
        Some((answer, call))
    })
}

struct Call {
    reading: Reading,
    held: Held,
    bulk: Bulk,
    limits: Limits,
    /// Given back when the call ends.
    _turn: OwnedSemaphorePermit,
}

enum Reading {
    On(Box<Streaming<pb::SendMailStreamRequest>>),
    /// The call ends when everything is answered: well, or so.
    Over(Option<Status>),
}

impl Call {
    /// The next answer, or the status that the call ends with. Answers go
    /// first: each makes room for a request.
    async fn next(&mut self) -> Option<Result<pb::SendMailStreamResponse, Status>> {
        loop {
            let has_room = self.held.has_room(self.limits);
            let requests = match &mut self.reading {
                Reading::On(requests) => requests,
                Reading::Over(end) => {
                    let answer = self.held.next().await.map(Ok);
                    return answer.or_else(|| end.take().map(Err));
                }
            };
            tokio::select! {
                biased;
                Some(answer) = self.held.next() => return Some(Ok(answer)),
                why = self.bulk.closed() => self.reading = Reading::Over(Some(closed(why))),
                request = requests.message(), if has_room => match request {
                    Ok(Some(request)) => self.held.take(&self.bulk, request),
                    Ok(None) => self.reading = Reading::Over(None),
                    Err(status) => {
                        let retold = retold(&status, self.limits.max_request_bytes);
                        self.reading = Reading::Over(Some(retold.unwrap_or(status)));
                    }
                },
            }
        }
    }
}

/// As many calls are open as may be.
pub(super) fn too_many() -> Status {
    let refused = plain(
        Code::ResourceExhausted,
        pb::ErrorReason::Overloaded,
        "too many streams are open",
        [],
    );
    later(refused, ASK_AGAIN).into()
}

fn closed(why: Closed) -> Status {
    match why {
        Closed::Late => deadline_exceeded("the deadline came before the end of the stream"),
        Closed::ShuttingDown { retry_after } => later(
            plain(
                Code::Unavailable,
                pb::ErrorReason::ShuttingDown,
                "the service is stopping: what has no answer was not taken",
                [],
            ),
            retry_after,
        )
        .into(),
    }
}
