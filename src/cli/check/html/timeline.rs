//! The session, drawn: who said what, when, and from where on in TLS.

use std::fmt::Write as _;

use super::{
    super::words::{self, milliseconds},
    escaped,
};
use crate::api::client::pb;

/// Where the two sides stand, and how far a row reaches down.
const POSTHASTE: u32 = 150;
const RELAY: u32 = 700;
const ROW: u32 = 30;
const TOP: u32 = 50;
const WIDTH: u32 = 800;

/// As much of a reply as fits between the two sides.
const MAX_LABEL: usize = 66;

/// One line between the two sides.
struct Arrow {
    at: String,
    label: String,
    direction: Direction,
    is_failure: bool,
    in_tls: bool,
}

#[derive(Clone, Copy)]
enum Direction {
    Out,
    In,
    /// Nothing goes over.
    Here,
}

/// An SVG of the steps of `check`.
pub(super) fn timeline(check: &pb::CheckRelayResponse) -> String {
    let arrows = arrows(check);
    let rows = u32::try_from(arrows.len()).unwrap_or(u32::MAX / ROW / 2);
    let bottom = TOP + ROW * rows + ROW / 2;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"The steps of the session\">\n\
         <defs>{}{}</defs>\n",
        bottom + 10,
        tip("good"),
        tip("bad")
    );
    let first_in_tls = arrows.iter().position(|arrow| arrow.in_tls);
    if let Some(first) = first_in_tls.and_then(|it| u32::try_from(it).ok()) {
        let y = TOP + ROW * first - ROW / 2 + 8;
        let height = bottom - y;
        let width = RELAY - POSTHASTE;
        put(
            &mut svg,
            &format!(
                "<rect class=\"tls\" x=\"{POSTHASTE}\" y=\"{y}\" width=\"{width}\" \
                 height=\"{height}\"/><text class=\"faint\" x=\"{}\" y=\"{}\" \
                 text-anchor=\"end\">in TLS</text>",
                RELAY - 8,
                bottom - 6
            ),
        );
    }
    for (x, name) in [(POSTHASTE, "posthaste"), (RELAY, "relay")] {
        put(
            &mut svg,
            &format!(
                "<text class=\"side\" x=\"{x}\" y=\"20\" text-anchor=\"middle\">{name}</text>\
                 <line class=\"side\" x1=\"{x}\" y1=\"30\" x2=\"{x}\" y2=\"{bottom}\"/>"
            ),
        );
    }
    let mut y = TOP;
    for arrow in &arrows {
        draw(&mut svg, arrow, y);
        y += ROW;
    }
    svg.push_str("</svg>\n");
    svg
}

/// The tip of an arrow.
fn tip(class: &str) -> String {
    format!(
        "<marker id=\"{class}\" class=\"{class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" \
         markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\"/></marker>"
    )
}

fn put(svg: &mut String, element: &str) {
    svg.push_str(element);
    svg.push('\n');
}

fn draw(svg: &mut String, arrow: &Arrow, y: u32) {
    let class = if arrow.is_failure { "bad" } else { "good" };
    let (from, to) = match arrow.direction {
        Direction::Out => (POSTHASTE + 2, RELAY - 2),
        Direction::In => (RELAY - 2, POSTHASTE + 2),
        Direction::Here => (POSTHASTE, POSTHASTE + 10),
    };
    let marker = match arrow.direction {
        Direction::Here => String::new(),
        Direction::Out | Direction::In => format!(" marker-end=\"url(#{class})\""),
    };
    let label = escaped(&arrow.label);
    let at = escaped(&arrow.at);
    let line = y + 4;
    // Writing to a string cannot fail.
    let _ = writeln!(
        svg,
        "<g class=\"{class}\"><text class=\"faint\" x=\"{}\" y=\"{line}\" \
         text-anchor=\"end\">{at}</text><line x1=\"{from}\" y1=\"{line}\" x2=\"{to}\" \
         y2=\"{line}\"{marker}/><text x=\"{}\" y=\"{}\">{label}</text></g>",
        POSTHASTE - 12,
        POSTHASTE + 14,
        y - 1
    );
}

fn clipped(label: &str) -> String {
    match label.char_indices().nth(MAX_LABEL) {
        None => label.to_owned(),
        Some((end, _)) => format!("{} ...", label[..end].trim_end()),
    }
}

/// The steps as lines between the two sides.
fn arrows(check: &pb::CheckRelayResponse) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    let mut in_tls = false;
    for step in &check.steps {
        let elapsed = step.elapsed.as_ref();
        let took = elapsed.map(|it| milliseconds(it.seconds, it.nanos));
        let took = took.unwrap_or_default();
        let failure = step.failure.as_ref();
        let mut add = |label: &str, direction, at: &str, is_failure| {
            arrows.push(Arrow {
                at: at.to_owned(),
                label: clipped(label),
                direction,
                is_failure,
                in_tls,
            });
        };
        let out = match step.stage() {
            pb::SmtpStage::Resolve => Some(("resolve the name", Direction::Here)),
            pb::SmtpStage::Connect => Some(("connect", Direction::Out)),
            pb::SmtpStage::TlsHandshake => Some(("ClientHello", Direction::Out)),
            pb::SmtpStage::Greeting => None,
            stage => Some((words::stage(stage), Direction::Out)),
        };
        if let Some((label, direction)) = out {
            add(label, direction, &took, false);
        }
        let at = if out.is_some() { "" } else { &took };
        if let Some(failure) = failure {
            let reason = words::reason(failure.reason());
            let label = match &step.reply {
                Some(reply) => format!("{reason}: {}", words::reply(reply)),
                None => reason.to_owned(),
            };
            add(&label, Direction::In, at, true);
        } else if let Some(reply) = &step.reply {
            add(&words::reply(reply), Direction::In, at, false);
        } else if step.stage() == pb::SmtpStage::TlsHandshake {
            let tls = check.session.as_ref().and_then(|it| it.tls.as_ref());
            let settled = tls.map_or_else(String::new, |tls| {
                format!("{}, {}", words::version(tls.version()), tls.cipher_suite)
            });
            add(&settled, Direction::In, at, false);
        }
        if step.stage() == pb::SmtpStage::TlsHandshake && failure.is_none() {
            in_tls = true;
        }
    }
    arrows
}
