//! `posthaste check`: looks at a relay, in this process, and says whether it
//! takes mail and what would help.

mod args;
mod fragment;
mod html;
mod job;
mod paper;
mod report;
mod verdict;
mod words;

pub use args::Args;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use super::show::{self, Style};
use crate::{
    api::client::{self, Json as _, pb},
    relay::BadRelay,
};
use job::{Job, JobError};

/// A check that could not be made.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Job(#[from] JobError),
    #[error("cannot start")]
    Runtime(#[from] io::Error),
    #[error(transparent)]
    Relay(#[from] BadRelay),
    #[error("cannot write to {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}", refused(.0))]
    Refused(Box<pb::SendError>),
}

fn refused(error: &pb::SendError) -> String {
    let violations = error.violations.iter();
    let told: Vec<_> = violations
        .map(|it| format!("{} {}", it.field, it.description))
        .collect();
    if told.is_empty() {
        error.message.clone()
    } else {
        told.join("; ")
    }
}

/// Checks the relay and prints what was found.
pub fn run(args: &Args) -> ExitCode {
    match check(args) {
        Ok(check) if check.healthy => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            show::complain(&error);
            ExitCode::from(2)
        }
    }
}

fn check(args: &Args) -> Result<pb::CheckRelayResponse, Error> {
    let job = Job::new(args)?;
    let style = Style::new(args.wants_colour());
    let progress = Progress::begin(args, &job);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let answer = runtime.block_on(client::check_here(job.settings, job.request, args.timeout));
    progress.end();
    let check = answer?.map_err(|error| Error::Refused(Box::new(error)))?;
    show::out(&if args.json {
        check.to_json()
    } else {
        report::report(&check, &job.subject, style)
    });
    if let Some(path) = &args.html {
        let page = html::page(&check, &job.subject);
        fs::write(path, page).map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
    }
    Ok(check)
}

/// A line on a terminal while the check takes long, taken away when it is done.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn begin(args: &Args, job: &Job) -> Self {
        let is_shown = (args.probe || args.deep) && io::stderr().is_terminal();
        if is_shown {
            let line = format!(
                "checking {}, for {} s at most ...",
                job.subject.authority(),
                args.timeout.as_secs()
            );
            let line: String = line.chars().take(paper::COLUMNS - 1).collect();
            // Nobody is left to tell when standard error is closed.
            drop(write!(io::stderr(), "{line}"));
        }
        Self { is_shown }
    }

    fn end(self) {
        if self.is_shown {
            drop(write!(io::stderr(), "\r\x1b[K"));
        }
    }
}
