//! What the relays say to a client that is not posthaste. It is why posthaste
//! does as it does, and what `docs/relays.md` says.

use std::fs;

use super::{
    fixture::{Relay, SIZE_LIMIT},
    wire::Wire,
};

const MAIL: &str = "MAIL FROM:<a@example.com>";

pub(super) async fn the_offers(relay: &Relay) {
    let offers = |lines: Vec<String>| -> Vec<String> {
        lines[1..].iter().map(|line| line[4..].to_owned()).collect()
    };
    let mut wire = Wire::tls(relay).await;
    wire.write("EHLO client.example\r\n").await;
    assert_eq!(offers(wire.hear_lines().await), relay.kind.offers);

    let mut wire = Wire::plaintext(relay).await;
    wire.write("EHLO client.example\r\n").await;
    let mut plaintext = offers(wire.hear_lines().await);
    let mut in_tls: Vec<_> = relay.kind.offers.to_vec();
    in_tls.retain(|line| !line.starts_with("AUTH"));
    let without_starttls = plaintext.len() - 1;
    plaintext.retain(|line| line != "STARTTLS");
    assert_eq!(plaintext.len(), without_starttls);
    assert_eq!(plaintext, in_tls);
}

pub(super) async fn the_size(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    let size = SIZE_LIMIT * 2;
    let reply = wire.say(&format!("{MAIL} SIZE={size}")).await;
    assert_eq!(reply, relay.kind.size_too_large);
    wire.say("RSET").await;

    wire.say(MAIL).await;
    wire.say("RCPT TO:<box-never@example.com>").await;
    wire.say("DATA").await;
    let line = format!("{}\r\n", "x".repeat(98));
    let body = line.repeat(size / line.len());
    let message = format!("From: a@example.com\r\n\r\n{body}.");
    assert_eq!(wire.say(&message).await, relay.kind.message_too_large);
    // They read it to its end, so that the session goes on.
    assert!(wire.say("NOOP").await.starts_with("250"));
}

pub(super) async fn data_for_nobody(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    wire.say(MAIL).await;
    let refused = wire.say("RCPT TO:<nobody@example.com>").await;
    assert_eq!(refused, relay.kind.unknown_recipient);
    assert_eq!(wire.say("DATA").await, relay.kind.data_for_nobody);
}

pub(super) async fn pipelining(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    let both = format!("{MAIL}\r\nRCPT TO:<box-never@example.com>\r\n");
    wire.write(&both).await;
    for &reply in relay.kind.pipelined {
        assert_eq!(wire.hear().await, reply);
    }
    // OpenSMTPD has hung up.
    let goes_on = wire.say("NOOP").await.starts_with("250");
    assert_eq!(goes_on, relay.kind.offers("PIPELINING"));
}

/// A command that an attacker puts behind STARTTLS must not be carried over
/// into TLS. None of them answers it in plaintext.
pub(super) async fn injection_behind_starttls(relay: &Relay) {
    let mut wire = Wire::plaintext(relay).await;
    wire.say("EHLO client.example").await;
    wire.write("STARTTLS\r\nNOOP\r\n").await;
    assert_eq!(wire.hear().await, relay.kind.injection);
}

/// Whether a bare LF ends a line. Where it does, a message with `\n.\n` in it
/// is over there, and the rest is taken for commands.
pub(super) async fn bare_line_feeds(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    wire.say(MAIL).await;
    wire.say("RCPT TO:<box-line-feed@example.com>").await;
    wire.say("DATA").await;
    let reply = wire.say("From: a@example.com\r\n\r\nx\n.\ny\r\n.").await;
    let expected = relay.kind.dot_between_line_feeds;
    assert!(reply.starts_with(expected), "{reply}");
}

pub(super) async fn the_most_mails(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    let (most, refusal) = relay.kind.most_mails.unwrap_or((110, "250"));
    for _ in 0..most {
        wire.say(MAIL).await;
        wire.say("RCPT TO:<box-most@example.com>").await;
        wire.say("DATA").await;
        let reply = wire.say("From: a@example.com\r\n\r\nx\r\n.").await;
        assert!(reply.starts_with("250"), "{reply}");
    }
    let reply = wire.say(MAIL).await;
    assert!(reply.starts_with(refusal), "{reply}");
}

pub(super) async fn the_most_recipients(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    let (most, refusal) = relay.kind.most_recipients.unwrap_or((110, "250"));
    wire.say(MAIL).await;
    for number in 0..most {
        let reply = wire
            .say(&format!("RCPT TO:<box-{number}@example.com>"))
            .await;
        assert!(reply.starts_with("250"), "{number}: {reply}");
    }
    let reply = wire.say("RCPT TO:<box-last@example.com>").await;
    assert!(reply.starts_with(refusal), "{reply}");
}

pub(super) async fn the_most_errors(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    let (most, refusal) = relay.kind.most_errors.unwrap_or((120, "550"));
    wire.say(MAIL).await;
    for number in 0..most {
        let reply = wire.say("RCPT TO:<nobody@example.com>").await;
        assert_eq!(reply, relay.kind.unknown_recipient, "{number}");
    }
    let reply = wire.say("RCPT TO:<nobody@example.com>").await;
    assert!(reply.starts_with(refusal), "{reply}");
}

/// This is why posthaste asks no warm connection with NOOP whether it is alive.
pub(super) async fn the_most_idle_commands(relay: &Relay) {
    let mut wire = Wire::authenticated(relay).await;
    let (most, refusal) = relay.kind.most_idle_commands.unwrap_or((130, "250"));
    for number in 0..most {
        let reply = wire.say("NOOP").await;
        assert!(reply.starts_with("250"), "{number}: {reply}");
    }
    let reply = wire.say("NOOP").await;
    assert!(reply.starts_with(refusal), "{reply}");
    assert_eq!(reply.is_empty(), refusal.is_empty());
}

pub(super) async fn the_docs(relay: &Relay) {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/relays.md");
    let docs = fs::read_to_string(docs).unwrap();
    let docs = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    let kind = relay.kind;
    let mut said: Vec<&str> = kind.offers.to_vec();
    let refusals = kind.pipelined.iter().chain(kind.chunks_for_nobody);
    said.extend(refusals.filter(|reply| reply.starts_with('5')));
    said.extend([
        kind.wrong_password,
        kind.no_password.0,
        kind.unknown_recipient,
        kind.size_too_large,
        kind.message_too_large,
        kind.data_for_nobody,
        kind.injection,
        kind.dot_between_line_feeds.trim_end(),
    ]);
    let limits = [kind.most_mails, kind.most_recipients, kind.most_errors];
    said.extend(limits.iter().flatten().map(|(_, reply)| reply));
    for said in said {
        assert!(docs.contains(&format!("`{said}`")), "{said:?}");
    }
    for (_, change) in kind.changes {
        assert!(docs.contains(change), "{change:?}");
    }
}
