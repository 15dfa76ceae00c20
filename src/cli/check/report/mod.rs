//! The report for people: the verdict, what was done, what is wrong and what
//! helps.

mod certificates;
mod findings;
mod steps;
mod tables;

use super::{
    fragment,
    job::Subject,
    paper::{Ink, Paper},
    verdict::verdict,
    words,
};
use crate::{api::client::pb, cli::show::Style};

/// The report, in lines of at most 80 columns.
pub(super) fn report(check: &pb::CheckRelayResponse, subject: &Subject, style: Style) -> String {
    let now = words::now();
    let mut paper = Paper::new(style);
    let ink = if check.healthy { Ink::Good } else { Ink::Bad };
    paper.paragraph(0, ink, &verdict(check, subject, now));
    steps::steps(&mut paper, check);
    certificates::certificates(&mut paper, check, now);
    findings::findings(&mut paper, check);
    findings::warnings(&mut paper, check);
    tables::ports(&mut paper, check);
    tables::accepted(&mut paper, check);
    if let Some(fragment) = fragment::fragment(check, subject) {
        paper.heading(fragment.title);
        for line in &fragment.lines {
            paper.verbatim(&format!("  {line}"));
        }
    }
    paper.into_text()
}

/// What the report has beside the findings and what helps, without colours.
pub(super) fn details(check: &pb::CheckRelayResponse) -> String {
    let mut paper = Paper::new(Style::new(false));
    steps::steps(&mut paper, check);
    certificates::certificates(&mut paper, check, words::now());
    tables::ports(&mut paper, check);
    tables::accepted(&mut paper, check);
    paper.into_text()
}

/// A label of a block, and what stands beside it.
fn field(paper: &mut Paper, label: &str, text: &str) {
    if !text.is_empty() {
        paper.hanging(&format!("  {label:<10} "), Ink::Plain, Ink::Plain, text);
    }
}
