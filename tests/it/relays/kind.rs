//! What sets the relays apart. All else is the same for all, and in the cases.

use posthaste::api::pb::relay_failure::{Fault, Reason};

/// A relay's software, with its defaults but for what its `etc/` says.
///
/// Replies are whole, or their beginning where an ID follows. `docs/relays.md`
/// tells operators all of this: a test holds it to it.
#[derive(Debug)]
pub(super) struct Kind {
    /// Where its configuration is, and what its files are called.
    pub(super) folder: &'static str,
    /// The lines of the reply to EHLO in TLS. In plaintext, STARTTLS stands for
    /// AUTH.
    pub(super) offers: &'static [&'static str],
    /// To a wrong password.
    pub(super) wrong_password: &'static str,
    /// To MAIL without AUTH, and what posthaste makes of it.
    pub(super) no_password: (&'static str, Reason, Fault),
    /// To a recipient that does not exist.
    pub(super) unknown_recipient: &'static str,
    /// To MAIL with a SIZE beyond the limit.
    pub(super) size_too_large: &'static str,
    /// To a message beyond the limit.
    pub(super) message_too_large: &'static str,
    /// To DATA after no recipient was accepted.
    pub(super) data_for_nobody: &'static str,
    /// To a BDAT that comes first, a MAIL, another BDAT and RSET, in one packet.
    /// Empty where there is no CHUNKING.
    pub(super) chunks_for_nobody: &'static [&'static str],
    /// To STARTTLS with a command behind it.
    pub(super) injection: &'static str,
    /// To MAIL and RCPT in one packet.
    pub(super) pipelined: &'static [&'static str],
    /// To a dot between bare LFs, and more behind it.
    pub(super) dot_between_line_feeds: &'static str,
    /// How many mails a connection takes, and the reply to the next. `None`: at
    /// least 110, as below.
    pub(super) most_mails: Option<(usize, &'static str)>,
    /// How many recipients a mail takes, and the reply to the next.
    pub(super) most_recipients: Option<(usize, &'static str)>,
    /// How many commands that send nothing a connection takes, and the reply to
    /// the next. Empty: it is gone.
    pub(super) most_idle_commands: Option<(usize, &'static str)>,
    /// The odd mails (`tests/data/raw`) that it does not deliver as they are, and
    /// what it does to them.
    pub(super) changes: &'static [(&'static str, &'static str)],
    /// How many refused commands a connection takes, and the reply to the next.
    pub(super) most_errors: Option<(usize, &'static str)>,
}

impl Kind {
    /// The mechanisms that it offers.
    pub(super) fn mechanisms(&self) -> impl Iterator<Item = &'static str> {
        let auth = self
            .offers
            .iter()
            .find_map(|line| line.strip_prefix("AUTH "));
        auth.unwrap_or_default().split(' ')
    }

    pub(super) fn offers(&self, line: &str) -> bool {
        self.offers.contains(&line)
    }
}

pub(super) static POSTFIX: Kind = Kind {
    folder: "postfix",
    offers: &[
        "PIPELINING",
        "SIZE 2097152",
        "VRFY",
        "ETRN",
        "AUTH SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "DSN",
        "SMTPUTF8",
        "CHUNKING",
    ],
    wrong_password: "535 5.7.8 Error: authentication failed: authentication failure",
    no_password: (
        "554 5.7.1 <a@example.com>: Sender address rejected: Access denied",
        Reason::SenderRejected,
        Fault::Caller,
    ),
    unknown_recipient: "550 5.1.1 <nobody@example.com>: Recipient address rejected: \
                        User unknown in virtual mailbox table",
    size_too_large: "552 5.3.4 Message size exceeds fixed limit",
    message_too_large: "552 5.3.4 Error: message file too big",
    data_for_nobody: "554 5.5.1 Error: no valid recipients",
    chunks_for_nobody: &[
        "503 5.5.1 Error: need RCPT command",
        "250 2.1.0 Ok",
        "554 5.5.1 Error: no valid recipients",
        "250 2.0.0 Ok",
    ],
    injection: "220 2.0.0 Ready to start TLS",
    pipelined: &["250 2.1.0 Ok", "250 2.1.5 Ok"],
    dot_between_line_feeds: "250 2.0.0 Ok: queued as ",
    most_mails: None,
    most_recipients: Some((1000, "452 4.5.3 Error: too many recipients")),
    most_errors: Some((20, "421 4.7.0 localhost Error: too many errors")),
    most_idle_commands: Some((120, "421 4.7.0 localhost Error: too many errors")),
    changes: &[
        ("blind-copies", "drops `Bcc` and `Resent-Bcc`"),
        (
            "fields-of-delivery",
            "drops `Return-Path` and `Content-Length`",
        ),
        (
            "mbox-line-first",
            "makes `X-Mailbox-Line` of a `From ` line",
        ),
        (
            "space-before-colon",
            "drops space between a field's name and its colon",
        ),
    ],
};

pub(super) static EXIM: Kind = Kind {
    folder: "exim",
    offers: &[
        "SIZE 2097152",
        "LIMITS MAILMAX=1000 RCPTMAX=50000",
        "8BITMIME",
        "PIPELINING",
        "PIPECONNECT",
        "AUTH PLAIN LOGIN",
        "CHUNKING",
        "SMTPUTF8",
        "HELP",
    ],
    wrong_password: "535 Incorrect authentication data",
    no_password: (
        "530 5.7.0 authentication required",
        Reason::AuthRequired,
        Fault::Operator,
    ),
    unknown_recipient: "550 Unrouteable address",
    size_too_large: "552 Message size exceeds maximum permitted",
    message_too_large: "552 Message size exceeds maximum permitted",
    data_for_nobody: "503 All RCPT commands were rejected with this error: \
                      Unrouteable address Valid RCPT command must precede DATA",
    chunks_for_nobody: &[
        "503 valid RCPT command must precede BDAT",
        "250 OK",
        "503 valid RCPT command must precede BDAT",
        "250 Reset OK",
    ],
    injection: "220 TLS go ahead",
    pipelined: &["250 OK", "250 Accepted"],
    dot_between_line_feeds: "250 OK id=",
    // Both as LIMITS has it: too many for a test.
    most_mails: None,
    most_recipients: None,
    most_errors: None,
    // It says why in plaintext, within TLS.
    most_idle_commands: Some((10, "")),
    changes: &[
        (
            "fields-alone",
            "ends a header without a body with an empty line",
        ),
        (
            "fields-of-delivery",
            "drops `Return-Path`, `Envelope-To` and `Delivery-Date`",
        ),
        (
            "fields-without-end",
            "ends a header without a body with an empty line",
        ),
        (
            "mbox-line-first",
            "takes a `From ` line for the body, all fields with it",
        ),
    ],
};

pub(super) static OPENSMTPD: Kind = Kind {
    folder: "opensmtpd",
    offers: &[
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "SIZE 2097152",
        "DSN",
        "AUTH PLAIN LOGIN",
        "HELP",
    ],
    wrong_password: "535 Authentication failed",
    no_password: (
        "530 5.5.1 Invalid command: Must issue an AUTH command first",
        Reason::AuthRequired,
        Fault::Operator,
    ),
    unknown_recipient: "550 Invalid recipient: <nobody@example.com>",
    size_too_large: "250 2.0.0 Ok",
    message_too_large: "554 5.3.4 Message too big for system: \
                        Transaction failed, message too big",
    data_for_nobody: "503 5.5.4 Invalid command arguments: No recipient specified",
    chunks_for_nobody: &[],
    injection: "500 5.5.1 Invalid command: Pipelining not supported",
    pipelined: &["500 5.5.1 Invalid command: Pipelining not supported"],
    dot_between_line_feeds: "500 5.5.1 Invalid command: Pipelining not supported",
    most_mails: Some((100, "452 4.5.3 Too many recipients: Too many messages sent")),
    most_recipients: Some((1000, "451 4.5.3 Too many recipients: Too many recipients")),
    most_errors: None,
    most_idle_commands: None,
    changes: &[
        ("blind-copies", "drops `Bcc`"),
        (
            "body-alone",
            "adds `Date` and `Message-ID` where they are missing",
        ),
    ],
};
