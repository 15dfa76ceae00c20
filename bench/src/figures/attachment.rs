//! What it takes to make the octets on the wire of a large attachment.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use lettre::message::{Attachment, MultiPart, SinglePart, header::ContentType};
use posthaste::{
    mail::{Attachment as File, Content, Message},
    mime,
};

use super::Benchmark;
use crate::{
    Result,
    clients::lettre::sink,
    contest::{Outcome, Score, Settings},
    load::{self, Turn},
    machine, message,
    report::{Report, at_least},
};

pub const BENCHMARK: Benchmark = Benchmark {
    name: "attachment",
    limit: Duration::from_mins(2),
    run: |settings| run(settings).boxed_local(),
};

const FILE: usize = 10 << 20;

/// How much posthaste takes of a message at once.
const CHUNK: usize = 64 * 1024;

const OURS: &str = "posthaste: compose and read";
const THEIRS: &str = "lettre: build, format and codec";

/// How often in a turn.
const TIMES: u32 = 5;

async fn run(settings: &Settings) -> Result<Report> {
    let mut report = Report::new(BENCHMARK.name);
    let file = message::file(FILE);
    let content = Content::Message(Box::new(ours(file.clone())?));
    let mut connection = sink::connect().await?;
    let (mut posthaste, mut lettre) = (Vec::new(), Vec::new());
    let mut loads = vec![machine::load()?];
    // The first round is the warm-up.
    for round in 0..=settings.rounds {
        let mut times = Vec::new();
        let started = Instant::now();
        for _ in 0..TIMES {
            let began = Instant::now();
            let written = write(&content);
            times.push(began.elapsed());
            if written < FILE as u64 {
                return Err("posthaste left something out".into());
            }
        }
        let mine = load::turn(times, started.elapsed(), None);
        let mut times = Vec::new();
        let started = Instant::now();
        for _ in 0..TIMES {
            // It takes a vector, which is not its fault.
            let content = file.to_vec();
            let began = Instant::now();
            let formatted = theirs(content)?.formatted();
            connection.message(&formatted).await?;
            times.push(began.elapsed());
        }
        let yours = load::turn(times, started.elapsed(), None);
        if round > 0 {
            eprintln!(
                "  round {round} of {}: {:?}, {:?}",
                settings.rounds,
                mine.quantile(0.5),
                yours.quantile(0.5)
            );
            posthaste.push(mine);
            lettre.push(yours);
            loads.push(machine::load()?);
        }
    }
    let score = |name: &str, turns| Score {
        name: name.to_owned(),
        turns,
    };
    let outcome = Outcome {
        scores: vec![score(OURS, posthaste), score(THEIRS, lettre)],
        loads,
    };
    report.contest("10 MiB", &outcome);
    report.ratio(
        "P11",
        &outcome,
        (OURS, THEIRS),
        Turn::rate,
        at_least(8.0, 15.0),
    );
    report.note("In memory: no socket, no TLS, and nothing that reads.");
    Ok(report)
}

/// Composes a message and makes its octets, chunk by chunk, as a transaction
/// does.
fn write(content: &Content) -> u64 {
    let composed = mime::compose(content.clone());
    let mut reader = composed.body.reader();
    let mut written = 0;
    let mut chunk = Vec::with_capacity(CHUNK);
    while let Some(octets) = reader.next(CHUNK) {
        chunk.clear();
        chunk.extend_from_slice(octets);
        written += std::hint::black_box(&chunk).len() as u64;
    }
    written
}

fn ours(content: bytes::Bytes) -> Result<Message> {
    let mailbox = |address: &str| -> Result<_> {
        Ok(posthaste::mail::Mailbox {
            address: address.parse()?,
            display_name: "".parse()?,
        })
    };
    Ok(Message {
        from: mailbox(message::FROM)?,
        sender: None,
        reply_to: Vec::new(),
        to: vec![mailbox(message::TO)?],
        cc: Vec::new(),
        subject: "A benchmark".parse()?,
        text: Some("It might act upon other things besides number.\n".into()),
        html: None,
        alternatives: Vec::new(),
        attachments: vec![File {
            filename: "engine.bin".parse()?,
            content_type: "application/octet-stream".parse()?,
            content,
            content_id: None,
        }],
        headers: Vec::new(),
        message_id: None,
        date: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        list_unsubscribe: None,
    })
}

fn theirs(content: Vec<u8>) -> Result<lettre::Message> {
    let text = "It might act upon other things besides number.\n".to_owned();
    let file = Attachment::new("engine.bin".into())
        .body(content, ContentType::parse("application/octet-stream")?);
    Ok(lettre::Message::builder()
        .from(message::FROM.parse()?)
        .to(message::TO.parse()?)
        .subject("A benchmark")
        .multipart(
            MultiPart::mixed()
                .singlepart(SinglePart::plain(text))
                .singlepart(file),
        )?)
}
