//! The matrix: a relay that goes wrong at every stage, in every way, in each
//! TLS mode, on cold and warm sessions, with one recipient and with three, with
//! PIPELINING and without, with CHUNKING and in one write. What should come of it is written in `expected.txt`.

mod cell;
mod run;
mod table;

use std::{io::Write as _, sync::Arc, time::Instant};

use tokio::{sync::Semaphore, task::JoinSet};

use self::{cell::Fault, table::Table};

/// How many cells are under way at once. Those that wait do not compete for
/// the processor, so that there may be more of them.
const AT_WORK: usize = 8;
const WAITING: usize = 24;
/// So many wrong cells are shown.
const SHOWN: usize = 40;

fn table() -> Table {
    Table::parse(include_str!("expected.txt")).unwrap()
}

/// With `POSTHASTE_MATRIX=long`: the fault comes with the first, second, third
/// and sixth mail of a session, and every cell ten times.
fn is_long() -> bool {
    std::env::var_os("POSTHASTE_MATRIX").is_some_and(|it| it == "long")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stage_times_every_fault() {
    let (earlier, repeats): (&[u32], usize) = if is_long() {
        (&[0, 1, 2, 5], 10)
    } else {
        (&[0, 1], 1)
    };
    let table = Arc::new(table());
    let cells = table.assign(&cell::all(earlier)).unwrap_or_else(|wrong| {
        panic!("expected.txt is wrong:\n{}", wrong.join("\n"));
    });

    let started = Instant::now();
    let at_work = Arc::new(Semaphore::new(AT_WORK));
    let waiting = Arc::new(Semaphore::new(WAITING));
    let mut running = JoinSet::new();
    for _ in 0..repeats {
        for (cell, expected) in cells.clone() {
            let table = Arc::clone(&table);
            let turn = match cell.fault {
                Fault::Stall => Arc::clone(&waiting),
                _ => Arc::clone(&at_work),
            };
            running.spawn(async move {
                let _turn = turn.acquire_owned().await.unwrap();
                run::run(cell, &expected, &table.codes)
                    .await
                    .map_err(|wrong| format!("{cell}: {wrong}"))
            });
        }
    }
    let tried = running.len();
    let mut wrong = Vec::new();
    while let Some(outcome) = running.join_next().await {
        match outcome {
            Ok(Ok(())) => {}
            Ok(Err(error)) => wrong.push(error),
            Err(panic) => wrong.push(panic.to_string()),
        }
    }
    wrong.sort();

    // Past the test harness, which would keep it to itself.
    let right = tried - wrong.len();
    let _ = writeln!(
        std::io::stderr(),
        "matrix: {tried} cells, {right} right, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(
        wrong.is_empty(),
        "{} of {tried} cells are wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(SHOWN)].join("\n")
    );
}

#[test]
fn a_table_with_a_row_too_few_or_too_many_is_refused() {
    let text = include_str!("expected.txt");
    assert!(table().assign(&cell::all(&[0, 1, 2, 5])).is_ok());
    let cells = cell::all(&[0, 1]);
    let rows = text.split_once("[outcomes]").unwrap().1;
    let is_row = |line: &&str| !line.is_empty() && !line.starts_with('#');
    for row in rows.lines().filter(is_row) {
        let without = Table::parse(&text.replace(row, "")).unwrap();
        let wrong = without.assign(&cells).unwrap_err();
        assert!(wrong.iter().all(|it| it.starts_with("no row")), "{row}");

        let doubled = Table::parse(&format!("{text}\n{row}")).unwrap();
        let wrong = doubled.assign(&cells).unwrap_err();
        assert!(wrong.iter().any(|it| it.contains("both fit")), "{row}");
    }
    for unused in [
        "lone-dot pieces serial SENT - 250 - taken yes accepted",
        "greeting pieces warm SENT - 250 - taken yes accepted",
    ] {
        let more = Table::parse(&format!("{text}\n{unused}")).unwrap();
        let wrong = more.assign(&cells).unwrap_err();
        assert!(wrong[0].contains("no cell is"), "{wrong:?}");
    }
    for bad in [
        "nothing 4yz * SENT - 250 - taken yes accepted",
        "mail 4yz *",
    ] {
        assert!(Table::parse(&format!("{text}\n{bad}")).is_err(), "{bad}");
    }
}
