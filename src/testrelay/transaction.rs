//! MAIL, RCPT, DATA and BDAT. The relay is a stickler here, so that a client
//! which gets by it gets by others.

use std::borrow::Cow;

use bytes::Buf as _;
use smtp_proto::{
    MAIL_BODY_8BITMIME, MAIL_BODY_BINARYMIME, MAIL_SMTPUTF8, MailFrom, RcptTo,
    request::receiver::DataReceiver,
};

use super::{Mail, Step, record::Path, reply::Reply, session::Session, wire::Over};

#[derive(Debug)]
pub(super) struct Transaction {
    reverse_path: Path,
    flags: u64,
    forward_paths: Vec<Path>,
    recipients_tried: u32,
    /// What came by BDAT so far.
    chunks: Option<Content>,
}

/// A message that is coming in.
#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    too_big: bool,
}

impl Content {
    fn hold_to(&mut self, limit: usize) {
        self.too_big |= self.bytes.len() > limit;
        if self.too_big {
            self.bytes.clear();
        }
    }
}

impl Session {
    pub(super) async fn mail(
        &mut self,
        from: &MailFrom<Cow<'_, str>>,
        line: &[u8],
    ) -> Result<(), Over> {
        self.transactions += 1;
        let path = Path::of_command(&String::from_utf8_lossy(line));
        let usual = self
            .refuse_mail(from, &path)
            .unwrap_or_else(|| Reply::new(250, "2.1.0", "sender ok"));
        let chosen = self.choose(Step::Mail(self.transactions), usual);
        if chosen.is_positive() {
            self.wishes.clear();
            self.transaction = Some(Transaction {
                reverse_path: path,
                flags: from.flags,
                forward_paths: Vec::new(),
                recipients_tried: 0,
                chunks: None,
            });
        }
        self.give(chosen).await
    }

    fn refuse_mail(&self, from: &MailFrom<Cow<'_, str>>, path: &Path) -> Option<Reply> {
        let settings = &self.relay.settings;
        if self.name.is_none() {
            return Some(Reply::new(503, "5.5.1", "say EHLO first"));
        }
        if settings.require_tls && self.tls.is_none() {
            return Some(Reply::new(530, "5.7.0", "say STARTTLS first"));
        }
        if settings.require_auth && self.identity.is_none() {
            return Some(Reply::new(530, "5.7.0", "authentication is required"));
        }
        if self.transaction.is_some() {
            return Some(Reply::new(503, "5.5.1", "a transaction is under way"));
        }
        for parameter in &path.parameters {
            let keyword = parameter.split('=').next().unwrap_or(parameter);
            let extension = match keyword.to_ascii_uppercase().as_str() {
                "BODY" if from.flags & MAIL_BODY_BINARYMIME != 0 => "BINARYMIME",
                "BODY" => "8BITMIME",
                "SMTPUTF8" => "SMTPUTF8",
                "SIZE" => "SIZE",
                "AUTH" if !settings.mechanisms.is_empty() => continue,
                _ => "",
            };
            if !self.extended || !settings.extensions.has(extension) {
                let text = format!("{keyword} was not offered");
                return Some(Reply::new(555, "5.5.4", text));
            }
        }
        if from.size > settings.extensions.size_limit() {
            return Some(Reply::new(552, "5.3.4", "this message is too big"));
        }
        (!path.address.is_ascii() && from.flags & MAIL_SMTPUTF8 == 0)
            .then(|| Reply::new(553, "5.6.7", "SMTPUTF8 was not asked for"))
    }

    pub(super) async fn rcpt(
        &mut self,
        to: &RcptTo<Cow<'_, str>>,
        line: &[u8],
    ) -> Result<(), Over> {
        let path = Path::of_command(&String::from_utf8_lossy(line));
        let tried = self.transaction.as_mut().map_or(1, |transaction| {
            transaction.recipients_tried += 1;
            transaction.recipients_tried
        });
        let usual = match &self.transaction {
            None => Reply::new(503, "5.5.1", "say MAIL first"),
            Some(_) if path.address.is_empty() => {
                Reply::new(501, "5.1.3", "this is no forward-path")
            }
            Some(_) if to.flags != 0 || !path.parameters.is_empty() => {
                Reply::new(555, "5.5.4", "no parameters were offered")
            }
            Some(it) if !path.address.is_ascii() && it.flags & MAIL_SMTPUTF8 == 0 => {
                Reply::new(553, "5.6.7", "SMTPUTF8 was not asked for")
            }
            Some(it) if it.forward_paths.len() >= self.relay.settings.most_recipients => {
                Reply::new(452, "4.5.3", "too many recipients")
            }
            Some(_) => Reply::new(250, "2.1.5", "recipient ok"),
        };
        let magic = self.relay.magic.as_ref();
        match magic.and_then(|magic| magic.wish(&path.address)) {
            Some((Step::AnyRcpt, answer)) => self.wishes.push((Step::Rcpt(tried), answer)),
            Some(later) => self.wishes.push(later),
            None => {}
        }
        let chosen = self.choose(Step::Rcpt(tried), usual);
        if chosen.is_positive()
            && let Some(transaction) = &mut self.transaction
        {
            transaction.forward_paths.push(path);
        }
        self.give(chosen).await
    }

    pub(super) async fn data(&mut self) -> Result<(), Over> {
        let usual = match &self.transaction {
            None => Reply::new(503, "5.5.1", "say MAIL first"),
            // RFC 3030 section 2.
            Some(it) if it.chunks.is_some() => Reply::new(503, "5.5.1", "BDAT has begun"),
            Some(it) if it.forward_paths.is_empty() => no_recipients(),
            Some(_) => Reply::plain(354, "end with <CRLF>.<CRLF>"),
        };
        let chosen = self.choose(Step::Data, usual);
        let goes_on = chosen.code == Some(354);
        self.give(chosen).await?;
        if goes_on {
            let content = self.receive_data().await?;
            self.end_of_data(content).await?;
        }
        Ok(())
    }

    async fn receive_data(&mut self) -> Result<Content, Over> {
        let limit = self.relay.settings.extensions.size_limit();
        let mut content = Content::default();
        let mut receiver = DataReceiver::new();
        // The receiver looks for a dot behind CRLF only, but the first line
        // may begin with one too: that of a message without any lines (RFC
        // 2920 section 3.1), or a stuffed one. So it is told of a CRLF that
        // is not part of the message.
        receiver.ingest(&mut b"\r\n".iter(), &mut content.bytes);
        content.bytes.clear();
        loop {
            let input = self.wire.input();
            let mut octets = input.iter();
            let ended = receiver.ingest(&mut octets, &mut content.bytes);
            let taken = input.len() - octets.len();
            input.advance(taken);
            if ended {
                content.hold_to(limit);
                return Ok(content);
            }
            // One octet more than the limit may be the CR of the last line.
            content.hold_to(limit.saturating_add(1));
            self.wire.fill().await?;
        }
    }

    pub(super) async fn bdat(&mut self, size: usize, last: bool) -> Result<(), Over> {
        if !self.extended || !self.relay.settings.extensions.has("CHUNKING") {
            let reply = Reply::new(502, "5.5.1", "BDAT is not implemented");
            return self.answer(Step::Unknown, reply).await;
        }
        let mut transaction = self.transaction.take();
        let refusal = match &transaction {
            None => Some(Reply::new(503, "5.5.1", "say MAIL first")),
            Some(it) if it.forward_paths.is_empty() => Some(no_recipients()),
            Some(_) => None,
        };
        let mut content = transaction
            .as_mut()
            .and_then(|it| it.chunks.take())
            .unwrap_or_default();
        if self.relay.settings.reads_refused_chunks
            && let Some(refusal) = refusal
        {
            self.transaction = transaction;
            return self.answer(Step::EndOfData, refusal).await;
        }
        // The chunk is read whatever becomes of it, or its octets would be
        // taken for commands (RFC 3030 section 2).
        self.receive_chunk(size, &mut content).await?;
        if let Some(refusal) = refusal {
            self.transaction = transaction;
            let step = if last { Step::EndOfData } else { Step::Chunk };
            return self.answer(step, refusal).await;
        }
        if last {
            self.transaction = transaction;
            return self.end_of_data(content).await;
        }
        let usual = if content.too_big {
            too_big()
        } else {
            Reply::new(250, "2.0.0", format!("{size} octets received"))
        };
        let chosen = self.choose(Step::Chunk, usual);
        if chosen.is_positive() {
            self.transaction = transaction.map(|transaction| Transaction {
                chunks: Some(content),
                ..transaction
            });
        }
        self.give(chosen).await
    }

    async fn receive_chunk(&mut self, size: usize, content: &mut Content) -> Result<(), Over> {
        let limit = self.relay.settings.extensions.size_limit();
        let mut left = size;
        loop {
            let input = self.wire.input();
            let taken = left.min(input.len());
            content.bytes.extend_from_slice(&input[..taken]);
            content.hold_to(limit);
            input.advance(taken);
            left -= taken;
            if left == 0 {
                return Ok(());
            }
            self.wire.fill_up().await?;
        }
    }

    async fn end_of_data(&mut self, content: Content) -> Result<(), Over> {
        let transaction = self.transaction.take();
        let number = self.relay.next_mail_number();
        let usual = self
            .refuse_content(transaction.as_ref(), &content)
            .unwrap_or_else(|| Reply::new(250, "2.0.0", format!("queued as {number}")));
        let mut chosen = self.choose(Step::EndOfData, usual);
        if chosen.is_positive()
            && let Some(transaction) = transaction
        {
            let mail = Mail {
                session: self.number,
                ehlo_name: self.name.clone().unwrap_or_default(),
                reverse_path: transaction.reverse_path,
                forward_paths: transaction.forward_paths,
                bytes: content.bytes.into(),
                tls: self.tls.clone(),
                identity: self.identity.clone(),
            };
            if let Err(error) = self.relay.take(mail, number, &self.meters).await {
                tracing::warn!(%error, "a mail could not be kept");
                let reply = Reply::new(451, "4.3.0", "the mail could not be kept");
                chosen = self.choose(Step::Unknown, reply);
            }
        }
        self.give(chosen).await
    }

    fn refuse_content(
        &self,
        transaction: Option<&Transaction>,
        content: &Content,
    ) -> Option<Reply> {
        let Some(transaction) = transaction else {
            return Some(Reply::new(503, "5.5.1", "say MAIL first"));
        };
        if transaction.forward_paths.is_empty() {
            return Some(no_recipients());
        }
        if content.too_big {
            return Some(too_big());
        }
        let bytes = &content.bytes;
        if transaction.flags & MAIL_BODY_BINARYMIME == 0 && has_bare_cr_or_lf(bytes) {
            return Some(Reply::new(550, "5.5.2", "a CR or an LF stands alone"));
        }
        let may_be_8bit = MAIL_BODY_8BITMIME | MAIL_BODY_BINARYMIME;
        if transaction.flags & may_be_8bit == 0 && !bytes.is_ascii() {
            return Some(Reply::new(554, "5.6.1", "BODY=8BITMIME was not asked for"));
        }
        (!self.relay.record.has_room(bytes.len()))
            .then(|| Reply::new(452, "4.3.1", "there is no room for more"))
    }
}

fn no_recipients() -> Reply {
    Reply::new(554, "5.5.1", "there are no valid recipients")
}

fn too_big() -> Reply {
    Reply::new(552, "5.3.4", "this message is too big")
}

/// RFC 5321 section 2.3.8.
fn has_bare_cr_or_lf(bytes: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', b'\n', bytes).any(|at| match bytes[at] {
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        _ => at == 0 || bytes[at - 1] != b'\r',
    })
}
