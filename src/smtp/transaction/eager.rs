//! A transaction in one write: MAIL, every RCPT, and BDAT with the message
//! (RFC 2920 and RFC 3030 allow it). A relay that accepts nobody discards the
//! message (RFC 3030 section 2).

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Standing, TIDY_UP_LIMIT, hearing::Hearing};
use crate::{
    report::{RecipientResult, Reply, Stage},
    smtp::{
        Body, Progress, Session,
        command::Commands,
        error::{Halt, Kind},
        step::Step,
    },
};

impl<IO: AsyncRead + AsyncWrite + Unpin> Session<IO> {
    /// Writes everything, and hears all that the relay says to it.
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

        let is_whole = self.connection.has_written_all();
        standing.is_over = cut.is_some() || !hearing.is_in_order();
        let outcome = hearing.judge(recipients, is_whole, cut);
        match &outcome {
            Ok(_) => self.has_begun_message = true,
            Err(halt) => {
                // What was refused before is known not to be taken.
                self.has_begun_message |= halt.stage == Stage::EndOfData;
                if !self.has_begun_message {
                    progress.reopen();
                }
                // RSET tells whether the chunk was discarded: were it read as
                // commands, its reply would be that to another.
                standing.is_open = true;
            }
        }
        outcome
    }

    /// Writes `group` and hears its replies, until they are all there.
    async fn converse(
        &mut self,
        group: &Commands,
        hearing: &mut Hearing,
        progress: &Progress,
    ) -> Result<(), Halt> {
        let within = |limit| Step::enter(progress, Stage::EndOfData, limit);
        let step = within(self.limits.mail);
        let first = step.wait(async {
            self.connection.send(group, &step).await?;
            self.connection.reply(&step).await
        });
        match first.await.flatten() {
            Ok(reply) => hearing.hear(reply),
            Err(halt) => {
                // It may have said why it does not read on.
                while let Some(reply) = self.connection.reply_at_hand() {
                    hearing.hear(reply);
                }
                return Err(halt);
            }
        }
        let mut leaves_at = None;
        while let Some(stage) = hearing.due() {
            let mut limit = match stage {
                Stage::RcptTo => self.limits.rcpt,
                _ => self.limits.end_of_data,
            };
            // Nothing that is still due changes what is known.
            if hearing.is_decided() {
                let until = *leaves_at.get_or_insert_with(|| Instant::now() + TIDY_UP_LIMIT);
                limit = limit.min(until.duration_since(Instant::now()));
            }
            let reply = self.connection.reply(&within(limit)).await?;
            hearing.hear(reply);
        }
        match self.connection.surplus().await {
            None => Ok(()),
            Some(kind) => Err(Halt::new(Stage::EndOfData, kind)),
        }
    }
}
