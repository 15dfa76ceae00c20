//! The fault relay: every case of its catalogue, served by the program and
//! told by the service, and the recipients that say what becomes of a mail.

mod catalogue;
mod faultd;
mod recipients;
mod run;
mod told;

use std::{collections::BTreeSet, io::Write as _, sync::Arc, time::Instant};

use posthaste::{faultd::exception, report::Reason};
use strum::IntoEnumIterator as _;
use tokio::{sync::Semaphore, task::JoinSet};

use self::{
    faultd::Faultd,
    run::{Services, Verdict},
};

/// How many cases are under way at once. Those that wait do not compete for
/// the processor, so that there may be more of them.
const AT_WORK: usize = 16;
const WAITING: usize = 48;

fn repeats() -> usize {
    let repeats = std::env::var("POSTHASTE_FAULTS_REPEATS");
    repeats.map_or(1, |it| it.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_is_told_as_the_catalogue_has_it() {
    let repeats = repeats();
    let faultd = Faultd::start().await;
    let services = Arc::new(Services::start(&faultd.manifest).await);
    let at_work = Arc::new(Semaphore::new(AT_WORK));
    let waiting = Arc::new(Semaphore::new(WAITING));
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..repeats {
        for case in faultd.manifest.cases.clone() {
            let services = Arc::clone(&services);
            let turn = Arc::clone(match case.max_seconds {
                None => &waiting,
                Some(_) => &at_work,
            });
            running.spawn(async move {
                let _turn = turn.acquire_owned().await.unwrap();
                let told = services.run(&case).await;
                (case, told)
            });
        }
    }

    let tried = running.len();
    let mut times = Vec::new();
    let mut seen = BTreeSet::new();
    let (mut right, mut ambiguous, mut hung) = (0, 0, 0);
    let mut not_told_apart = BTreeSet::new();
    let mut wrong = Vec::new();
    while let Some(outcome) = running.join_next().await {
        let (case, told) = outcome.unwrap();
        times.push(told.elapsed);
        match told.verdict {
            Verdict::Right => {
                right += 1;
                seen.extend(case.reason);
            }
            Verdict::Ambiguous => {
                ambiguous += 1;
                seen.extend(case.reason);
                not_told_apart.insert(case.name);
            }
            Verdict::Hung => {
                hung += 1;
                wrong.push(format!("{}: hung", case.name));
            }
            Verdict::Wrong(what) => wrong.push(format!("{}: {what}", case.name)),
        }
    }
    times.sort();
    wrong.sort();
    let reasons = Reason::iter().filter(|it| exception(*it).is_none()).count();
    // Past the test harness, which would keep it to itself.
    let _ = writeln!(
        std::io::stderr(),
        "faults: {tried} tries of {} cases, {} of {reasons} reasons, {right} right, \
         {ambiguous} ambiguous {not_told_apart:?}, \
         {} wrong, {hung} hung; median {} ms, worst {:.1} s; {:.1} s",
        faultd.manifest.cases.len(),
        seen.len(),
        wrong.len() - hung,
        times[times.len() / 2].as_millis(),
        times[times.len() - 1].as_secs_f64(),
        started.elapsed().as_secs_f64(),
    );
    assert!(
        wrong.is_empty(),
        "{} of {tried} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    faultd.stop().await;
}
