//! The message of a transaction by BDAT (RFC 3030 section 2), in one write with
//! its commands or behind them. RSET follows in the same write: it ends what the
//! relay refuses, and its reply tells whether that before it was the one to the
//! message. (With DATA, 354 tells.) A relay that accepts nobody discards the
//! message.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Standing, TIDY_UP_LIMIT, hearing::Hearing};
use crate::{
    report::{RecipientResult, Reply, Stage},
    smtp::{
        Body, Progress, Session,
        command::{BEHIND_MESSAGE, Commands},
        data::Chunk,
        error::{Halt, Kind},
        step::Step,
    },
};

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Writes everything, MAIL and every RCPT too (RFC 2920 allows it), and hears
    /// all that the relay says to it.
    pub(super) async fn send_at_once(
        &mut self,
        mail: Commands,
        body: &Body,
        progress: &Progress,
        recipients: &mut [RecipientResult],
        standing: &mut Standing,
    ) -> Result<Reply, Halt> {
        let step = Step::enter(progress, Stage::MailFrom, self.limits.mail);
        let mut group = mail;
        group.add_rest(recipients.iter().map(|it| &it.address), body);
        if self.connection.is_interrupted() {
            return Err(self.connection.unasked(&step).await);
        }
        if !progress.commit() {
            return Err(step.halt(Kind::Abandoned));
        }
        self.mails += 1;
        let mut hearing = Hearing::new(recipients.len());
        let cut = self.converse(&group, &mut hearing, progress).await.err();

        let is_whole = self.connection.unwritten() <= BEHIND_MESSAGE;
        let outcome = self.conclude(&hearing, is_whole, cut, recipients, standing);
        match &outcome {
            Ok(_) => self.has_begun_message = true,
            Err(halt) => {
                // What was refused before is known not to be taken.
                self.has_begun_message |= halt.stage == Stage::EndOfData;
                if !self.has_begun_message {
                    progress.reopen();
                }
            }
        }
        outcome
    }

    /// Sends the message behind accepted recipients, and hears whether the relay
    /// takes it.
    pub(super) async fn send_chunk(
        &mut self,
        to_mail: Reply,
        body: &Body,
        progress: &Progress,
        recipients: &mut [RecipientResult],
        standing: &mut Standing,
    ) -> Result<Reply, Halt> {
        let step = Step::enter(progress, Stage::Data, self.limits.data);
        // What the relay has to say now is no reply to BDAT.
        if self.connection.is_interrupted() {
            return Err(self.connection.unasked(&step).await);
        }
        standing.is_over = true;
        let message = Chunk::new(body);
        self.write(message, BEHIND_MESSAGE, &step, progress).await?;

        let mut hearing = Hearing::of_chunk(to_mail, recipients);
        let cut = self.hear_rest(&mut hearing, progress).await.err();
        standing.is_open = false;
        self.conclude(&hearing, true, cut, recipients, standing)
    }

    fn conclude(
        &mut self,
        hearing: &Hearing,
        is_whole: bool,
        cut: Option<Halt>,
        recipients: &mut [RecipientResult],
        standing: &mut Standing,
    ) -> Result<Reply, Halt> {
        standing.is_over = cut.is_some() || !hearing.is_in_order();
        self.parting = hearing.parting(cut.as_ref());
        hearing.judge(recipients, is_whole, cut)
    }

    /// Writes `group` and hears its replies.
    async fn converse(
        &mut self,
        group: &Commands,
        hearing: &mut Hearing,
        progress: &Progress,
    ) -> Result<(), Halt> {
        let step = Step::enter(progress, Stage::EndOfData, self.limits.mail);
        let first = step.wait(async {
            self.connection.send(group, &step).await?;
            self.connection.reply(&step).await
        });
        match first.await.flatten() {
            Ok(reply) => hearing.hear(reply, self.connection.lacking()),
            Err(halt) => {
                // It may have said why it does not read on.
                while let Some(reply) = self.connection.reply_at_hand() {
                    hearing.hear(reply, self.connection.lacking());
                }
                return Err(halt);
            }
        }
        self.hear_rest(hearing, progress).await
    }

    /// Hears what is still due, as far as it counts.
    async fn hear_rest(&mut self, hearing: &mut Hearing, progress: &Progress) -> Result<(), Halt> {
        let mut leaves_at = None;
        while let Some(due) = hearing.due().filter(|_| !hearing.is_over()) {
            let mut limit = due.limit(&self.limits);
            // Nothing that is still due changes what is known.
            if hearing.is_decided() {
                let until = *leaves_at.get_or_insert_with(|| Instant::now() + TIDY_UP_LIMIT);
                limit = limit.min(until.duration_since(Instant::now()));
            }
            let step = Step::enter(progress, Stage::EndOfData, limit);
            let reply = self.connection.reply(&step).await?;
            hearing.hear(reply, self.connection.lacking());
        }
        // What comes behind a farewell is of no account.
        if hearing.due().is_some() || hearing.farewell_behind().is_some() {
            return Ok(());
        }
        match self.connection.surplus().await {
            None => Ok(()),
            Some(kind) => Err(Halt::new(Stage::EndOfData, kind)),
        }
    }
}
