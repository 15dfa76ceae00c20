//! What a relay does at one step, as plain data.

use std::time::Duration;

use bytes::Bytes;

/// What the relay does at one step of a [`Script`](super::Script).
///
/// The reply code that the client gets to see decides what becomes of the
/// command: a scripted `550` to RCPT TO refuses the recipient, a scripted `250`
/// accepts it. [`Answer::as_if`] changes that.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(super) acts: Vec<Act>,
    pub(super) in_pieces: bool,
    pub(super) as_if: Option<u16>,
}

#[derive(Clone, Debug)]
pub(super) enum Act {
    /// What it would have said without a script.
    Usual,
    Send(Bytes),
    /// The same again and again, until the peer leaves.
    Endless(Bytes),
    Wait(Duration),
    /// Until the peer has said something more.
    Hear,
    /// Until it has said this.
    HearOf(&'static str),
    /// Reads, and never says another word.
    Stall,
    /// Neither reads nor says another word.
    Freeze,
    /// Ends the stream in order: close_notify and FIN.
    Close,
    /// FIN without close_notify.
    Cut,
    /// RST.
    Reset,
}

impl Answer {
    /// What the relay would have said without a script. At a step that has no
    /// reply (such as [`Step::Connect`](super::Step::Connect)): to go on.
    pub fn usual() -> Self {
        Self::one(Act::Usual)
    }

    /// A reply. Its lines are sent as given, each with CRLF behind it.
    pub fn reply(lines: &str) -> Self {
        let mut bytes = Vec::with_capacity(lines.len() + 2);
        for line in lines.lines() {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        Self::raw(bytes)
    }

    /// These bytes, and nothing more.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::one(Act::Send(bytes.into()))
    }

    /// Bytes that are neither SMTP nor TLS.
    pub fn garbage() -> Self {
        Self::raw(&b"\x00\xff\xfe\x80\x01\x9d garbage \x00\x7f\r\n\xc3\x28\r\n"[..])
    }

    /// A fatal TLS alert in plaintext, as it is sent in reply to a
    /// ClientHello, with the number of its AlertDescription (RFC 8446
    /// section 6).
    pub fn alert(description: u8) -> Self {
        Self::raw(vec![0x15, 0x03, 0x03, 0x00, 0x02, 0x02, description])
    }

    /// A line that does not end.
    pub fn endless_line() -> Self {
        let mut answer = Self::raw(&b"250-"[..]);
        answer
            .acts
            .push(Act::Endless(Bytes::from(vec![b'x'; 1024])));
        answer
    }

    /// A reply whose lines do not end.
    pub fn endless_reply() -> Self {
        Self::one(Act::Endless(Bytes::from_static(b"250-and more\r\n")))
    }

    /// No reply; the relay goes on reading commands.
    pub fn nothing() -> Self {
        Self {
            acts: Vec::new(),
            in_pieces: false,
            as_if: None,
        }
    }

    /// No reply, and none to anything that follows, until the peer leaves or
    /// the relay stops.
    pub fn stall() -> Self {
        Self::one(Act::Stall)
    }

    /// No reply, and nothing is read any more: what the client writes is stuck
    /// once the buffers in between are full. The relay gives up after an hour,
    /// or when it stops.
    pub fn freeze() -> Self {
        Self::one(Act::Freeze)
    }

    /// Nothing, until the client has said something more.
    pub fn hear() -> Self {
        Self::one(Act::Hear)
    }

    /// Nothing, until the client has said `text` behind what is answered, or as
    /// much as the relay takes in ahead, 64 KiB.
    pub fn hear_of(text: &'static str) -> Self {
        Self::one(Act::HearOf(text))
    }

    /// Closes the connection in order: close_notify (in TLS), then FIN.
    pub fn close() -> Self {
        Self::one(Act::Close)
    }

    /// Ends the connection with a FIN, without close_notify.
    pub fn cut() -> Self {
        Self::one(Act::Cut)
    }

    /// Resets the connection (RST). A stream that is not TCP (see
    /// [`TestRelay::serve`](super::TestRelay::serve)) has no resets, and is
    /// cut instead.
    pub fn reset() -> Self {
        Self::one(Act::Reset)
    }

    /// The same, after a while.
    #[must_use]
    pub fn after(mut self, wait: Duration) -> Self {
        self.acts.insert(0, Act::Wait(wait));
        self
    }

    /// The same, and then `next`.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        self.acts.extend(next.acts);
        self.in_pieces |= next.in_pieces;
        self.as_if = next.as_if.or(self.as_if);
        self
    }

    /// The same, twice.
    #[must_use]
    pub fn twice(self) -> Self {
        self.clone().then(self)
    }

    /// The same, one byte in each write.
    #[must_use]
    pub fn in_pieces(mut self) -> Self {
        self.in_pieces = true;
        self
    }

    /// The same to the client, but the relay itself goes on as if it had
    /// replied with `code`: `Answer::cut().as_if(250)` at the end of data takes
    /// the mail and loses the connection before it can say so.
    #[must_use]
    pub fn as_if(mut self, code: u16) -> Self {
        self.as_if = Some(code);
        self
    }

    /// The code that the relay acts upon. `None`: no reply was given.
    pub(super) fn code(&self, usual: u16) -> Option<u16> {
        self.as_if.or_else(|| {
            self.acts.iter().find_map(|act| match act {
                Act::Usual => Some(usual),
                Act::Send(bytes) => code_of(bytes),
                _ => None,
            })
        })
    }

    fn one(act: Act) -> Self {
        Self {
            acts: vec![act],
            in_pieces: false,
            as_if: None,
        }
    }
}

fn code_of(reply: &[u8]) -> Option<u16> {
    let digits = reply.get(..3)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_code_counts() {
        assert_eq!(Answer::reply("550 5.1.1 no").code(250), Some(550));
        assert_eq!(
            Answer::usual().after(Duration::from_secs(1)).code(250),
            Some(250)
        );
        assert_eq!(Answer::close().code(250), None);
        assert_eq!(Answer::garbage().code(250), None);
        assert_eq!(Answer::cut().as_if(250).code(354), Some(250));
        assert_eq!(
            Answer::reply("421 bye").then(Answer::close()).code(250),
            Some(421)
        );
    }
}
