//! The report as one page that needs no other file, to attach to a ticket.
//! Whatever a relay said stands in it as text.

mod timeline;

use std::fmt::{Display, Write as _};

use super::{fragment, job::Subject, paper::harmless, report::details, verdict::verdict, words};
use crate::api::client::pb;

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--soft:#5b6470;--line:#d5dae0;\
--good:#14713b;--bad:#b3261e;--warn:#8a5a00;--tls:#14713b14;--code:#f3f5f7}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#15181c;--soft:#9aa4b0;\
--line:#353b43;--good:#5fce8c;--bad:#ff8a80;--warn:#f0b429;--tls:#5fce8c1a;--code:#20252b}}\
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);\
max-width:52rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}\
h1{font-size:1.4rem;line-height:1.3}h2{font-size:1.1rem;margin-top:2rem}\
h3{font-size:1rem;margin-bottom:0}p{margin:.3rem 0}.faint{color:var(--soft);fill:var(--soft)}\
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}\
pre{background:var(--code);padding:.8rem;overflow-x:auto;font-size:.85rem}\
code{font-size:.9em}svg{width:100%;height:auto;font:13px ui-monospace,monospace}\
svg text{fill:var(--ink)}svg text.faint{fill:var(--soft)}svg text.side{font-weight:bold}\
svg line{stroke:var(--ink);stroke-width:1.2}svg line.side{stroke:var(--line);stroke-width:2}\
svg marker path{fill:var(--ink)}svg marker.bad path{fill:var(--bad)}svg .tls{fill:var(--tls)}svg .bad text{fill:var(--bad)}\
svg .bad text.faint{fill:var(--soft)}svg .bad line{stroke:var(--bad);stroke-dasharray:5 4}\
.scroll{overflow-x:auto}.scroll svg{min-width:40rem}";

/// The page.
pub(super) fn page(check: &pb::CheckRelayResponse, subject: &Subject) -> String {
    let now = words::now();
    let verdict = verdict(check, subject, now);
    let class = if check.healthy { "good" } else { "bad" };
    let mut page = Page(String::new());
    page.put(format_args!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1 class=\"{class}\">{title}</h1>\n\
         <p class=\"faint\">Checked by posthaste {version} on {day}.</p>\n",
        title = escaped(&verdict),
        version = env!("CARGO_PKG_VERSION"),
        day = words::day(now),
    ));
    findings(&mut page, check);
    warnings(&mut page, check);
    if let Some(fragment) = fragment::fragment(check, subject) {
        page.heading(fragment.title);
        page.pre(&fragment.lines.join("\n"));
    }
    if !check.steps.is_empty() {
        page.heading("Session");
        let timeline = timeline::timeline(check);
        page.put(format_args!("<div class=\"scroll\">{timeline}</div>\n"));
    }
    page.heading("Details");
    page.pre(details(check).trim());
    page.put("</body>\n</html>\n");
    page.0
}

fn findings(page: &mut Page, check: &pb::CheckRelayResponse) {
    if !check.findings.is_empty() {
        page.heading("Findings");
    }
    for failure in &check.findings {
        page.put(format_args!(
            "<h3 class=\"bad\">{}</h3>\n<p class=\"faint\">at {}, {}</p>\n<p>{}</p>\n",
            words::reason(failure.reason()),
            words::stage(failure.stage()),
            words::confidence(failure.confidence()),
            escaped(&failure.summary)
        ));
        page.remedies(&failure.remedies);
    }
}

fn warnings(page: &mut Page, check: &pb::CheckRelayResponse) {
    if !check.warnings.is_empty() {
        page.heading("Warnings");
    }
    for warning in &check.warnings {
        page.put(format_args!(
            "<h3 class=\"warn\">{}</h3>\n<p>{}</p>\n",
            words::warning(warning.code()),
            escaped(&warning.summary)
        ));
        page.remedies(warning.remedy.as_slice());
    }
}

struct Page(String);

impl Page {
    fn put(&mut self, html: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{html}");
    }

    fn heading(&mut self, text: &str) {
        self.put(format_args!("<h2>{}</h2>\n", escaped(text)));
    }

    fn pre(&mut self, text: &str) {
        let lines: Vec<_> = text.lines().map(escaped).collect();
        self.put(format_args!("<pre>{}</pre>\n", lines.join("\n")));
    }

    fn remedies(&mut self, remedies: &[pb::Remedy]) {
        if remedies.is_empty() {
            return;
        }
        self.put("<ul>\n");
        for remedy in remedies {
            self.put(format_args!(
                "<li>{} <span class=\"faint\">({})</span>",
                escaped(&remedy.summary),
                words::party(remedy.party())
            ));
            if !remedy.setting.is_empty() {
                self.put(format_args!("<br><code>{}", escaped(&remedy.setting)));
                if !remedy.value.is_empty() {
                    self.put(format_args!(" = {}", escaped(&remedy.value)));
                }
                self.put("</code>");
            }
            self.put("</li>\n");
        }
        self.put("</ul>\n");
    }
}

/// `text` as text of HTML or of an attribute, without control characters.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in harmless(text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_relay_says_is_text() {
        let evil = "</pre></title><script>alert('x')</script>\" onload=\"\x1b";
        let reply = pb::SmtpReply {
            code: 220,
            lines: vec![evil.into()],
            ..pb::SmtpReply::default()
        };
        let failure = pb::RelayFailure {
            summary: evil.into(),
            remedies: vec![pb::Remedy {
                summary: evil.into(),
                setting: evil.into(),
                value: evil.into(),
                ..pb::Remedy::default()
            }],
            ..pb::RelayFailure::default()
        };
        let certificate = pb::Certificate {
            subject: evil.into(),
            subject_alt_names: vec![evil.into()],
            ..pb::Certificate::default()
        };
        let check = pb::CheckRelayResponse {
            steps: vec![pb::check_relay_response::Step {
                stage: pb::SmtpStage::Greeting.into(),
                reply: Some(reply),
                failure: Some(failure.clone()),
                ..pb::check_relay_response::Step::default()
            }],
            findings: vec![failure],
            certificates: vec![certificate],
            ports: vec![pb::check_relay_response::Port {
                banner: evil.into(),
                ..pb::check_relay_response::Port::default()
            }],
            ..pb::CheckRelayResponse::default()
        };
        let subject = Subject {
            name: "x".into(),
            host: "mail.example.com".into(),
            port: 587,
            mode: None,
            is_configured: false,
        };
        let page = page(&check, &subject);
        assert!(page.contains("&lt;script&gt;"));
        for part in ["<script", "\" onload", "\x1b"] {
            assert!(!page.contains(part), "{part}: {page}");
        }
        assert_eq!(page.matches("</pre>").count(), 1);
        assert!(!page.contains("http://") && !page.contains("https://"));
    }
}
