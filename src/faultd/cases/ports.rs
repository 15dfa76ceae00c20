//! Ports that do not speak what the client expects there.

use super::{bare, faulty, secure};
use crate::{
    faultd::case::{Case, in_both},
    report::{
        Reason,
        Stage::{Ehlo, Greeting, TlsHandshake},
        TlsMode::{Implicit, Starttls},
    },
    testrelay::{Answer, Script, Step},
};

const BAD_REQUEST: &str = "HTTP/1.1 400 Bad Request\nServer: nginx\nContent-Length: 0\n\
                           Connection: close\n\n";

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::closed(
            "refused",
            "nothing listens on the port",
            Reason::ConnectRefused,
        ),
        Case::fails(
            Implicit,
            "plaintext-on-tls",
            "a relay for STARTTLS, where the client begins TLS at once",
            (TlsHandshake, Reason::PlaintextOnTlsPort),
            |_| bare(),
        ),
        Case::fails(
            Implicit,
            "plaintext-on-tls-554",
            "the same, and it refuses the client in plaintext",
            (TlsHandshake, Reason::PlaintextOnTlsPort),
            |_| {
                let refusal = Answer::reply("554 5.7.1 no service for you").then(Answer::close());
                bare().script(Script::new().at(Step::Greeting, refusal))
            },
        ),
        Case::fails(
            Starttls,
            "tls-on-plaintext",
            "a relay for implicit TLS, where the client waits for a greeting",
            (Greeting, Reason::TlsOnPlaintextPort),
            |pki| secure(pki).implicit_tls(),
        )
        .passively(Reason::BannerTimeout)
        .within(12),
        Case::fails(
            Implicit,
            "http-on-tls",
            "a web server without TLS, which answers the ClientHello with 400",
            (TlsHandshake, Reason::NotSmtp),
            faulty(
                Step::Handshake,
                Answer::reply(BAD_REQUEST).then(Answer::close()),
            ),
        ),
        // In a session that begins with TLS whatever comes first is an
        // answer to be given to, TLS or not.
        Case::fails(
            Starttls,
            "http",
            "a web server without TLS, which waits for a request",
            (Greeting, Reason::NotSmtp),
            |pki| {
                let answer = Answer::reply(BAD_REQUEST).then(Answer::close());
                secure(pki)
                    .implicit_tls()
                    .script(Script::new().at(Step::Handshake, answer))
            },
        )
        .passively(Reason::BannerTimeout)
        .within(12),
        Case::fails(
            Implicit,
            "https",
            "a web server with TLS, which waits for a request",
            (Greeting, Reason::NotSmtp),
            |pki| {
                let answer = || Answer::reply(BAD_REQUEST).then(Answer::close());
                let script = Script::new()
                    .at(Step::Greeting, Answer::nothing())
                    .at(Step::Ehlo, answer())
                    .at(Step::Unknown, answer());
                secure(pki).script(script)
            },
        )
        .passively(Reason::BannerTimeout)
        .within(12),
        Case::fails(
            Implicit,
            "imaps",
            "an IMAP server with TLS",
            (Greeting, Reason::NotSmtp),
            faulty(Step::Greeting, Answer::reply("* OK IMAP4rev1 ready")),
        ),
        Case::fails(
            Implicit,
            "imap-on-tls",
            "an IMAP server for STARTTLS, where the client begins TLS at once",
            (TlsHandshake, Reason::NotSmtp),
            |_| greets("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready"),
        ),
        Case::fails(
            Starttls,
            "ftp",
            "an FTP server, whose greeting looks like that of a relay",
            (Ehlo, Reason::NotSmtp),
            |_| {
                let refusal = Answer::reply("530 Please login with USER and PASS.");
                let script = Script::new()
                    .at(Step::Greeting, Answer::reply("220 (vsFTPd 3.0.5)"))
                    .at(Step::Ehlo, refusal.clone())
                    .at(Step::Unknown, refusal);
                bare().script(script)
            },
        )
        .or(&[Reason::EhloRejected]),
        Case::fails(
            Starttls,
            "garbage",
            "bytes that are no greeting",
            (Greeting, Reason::NotSmtp),
            |_| {
                let noise = (128..=255).collect::<Vec<u8>>().repeat(4);
                let answer = Answer::raw([&noise[..], b"\r\n"].concat());
                bare().script(Script::new().at(Step::Greeting, answer))
            },
        )
        .or(&[Reason::ReplyMalformed]),
    ];
    for (name, about, greeting) in [
        (
            "imap",
            "an IMAP server",
            "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready",
        ),
        ("pop3", "a POP3 server", "+OK POP3 ready"),
        ("ssh", "an SSH server", "SSH-2.0-OpenSSH_9.9"),
        ("nntp", "a news server", "200 news.example ready"),
        ("vnc", "a server for remote desktops", "RFB 003.008"),
    ] {
        let told = (Greeting, Reason::NotSmtp);
        cases.push(Case::fails(Starttls, name, about, told, move |_| {
            greets(greeting)
        }));
    }
    cases.extend(in_both(Case::fails(
        Implicit,
        "garbage-on-tls",
        "bytes that are no TLS, in answer to the ClientHello",
        (TlsHandshake, Reason::NotTls),
        faulty(
            Step::Handshake,
            Answer::raw(b"\x00\x01\x02\x03\xde\xad\xbe\xef".repeat(16)).then(Answer::close()),
        ),
    )));
    cases
}

fn greets(line: &str) -> crate::testrelay::Builder {
    bare().script(Script::new().at(Step::Greeting, Answer::reply(line)))
}
