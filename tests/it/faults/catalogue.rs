//! What the program says of its cases, and that its page says the same.

use std::{fs, process::Output};

use posthaste::{
    faultd::{RECIPIENTS, catalogue, exception, markdown, markdown_of_recipients},
    report::Reason,
};
use serde_json::Value;
use strum::IntoEnumIterator as _;

use super::faultd::program;

async fn run(args: &[&str]) -> Output {
    program().args(args).output().await.unwrap()
}

async fn printed(args: &[&str]) -> String {
    let output = run(args).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

async fn complaint(args: &[&str]) -> String {
    let output = run(args).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn the_list_has_every_case_and_every_recipient() {
    let list = printed(&["list"]).await;
    for case in catalogue() {
        let row = list.lines().find(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(&case.name) && words.next() == Some(&case.mode.to_string())
        });
        let row = row.unwrap_or_else(|| panic!("{}", case.name));
        assert!(row.contains(case.reason.map_or("-", Reason::name)), "{row}");
    }
    for recipient in RECIPIENTS {
        let start = format!("{}@", recipient.local_part);
        assert!(list.lines().any(|line| line.starts_with(&start)), "{start}");
    }

    let json: Value = serde_json::from_str(&printed(&["list", "--json"]).await).unwrap();
    let names = json.as_array().unwrap().iter().map(|it| it["name"].clone());
    let expected: Vec<_> = catalogue().into_iter().map(|it| it.name).collect();
    assert_eq!(names.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_case_has_the_same_port_whatever_is_served_beside_it() {
    let ports = |json: &str| {
        let manifest: Value = serde_json::from_str(json).unwrap();
        let cases = manifest["cases"].as_array().unwrap().clone();
        let ports = cases.iter().map(|case| {
            let port = case["port"].as_u64().unwrap();
            (case["name"].as_str().unwrap().to_owned(), port)
        });
        ports.collect::<Vec<_>>()
    };
    let all = ports(&printed(&["manifest"]).await);
    assert_eq!(all.len(), catalogue().len());
    assert_eq!(all[0].1, 25_000);
    assert_eq!(all[all.len() - 1].1, 24_999 + all.len() as u64);
    let some = ports(&printed(&["manifest", "--case", "cert-sha1", "refused"]).await);
    assert_eq!(some.len(), 2);
    assert!(some.iter().all(|it| all.contains(it)), "{some:?}");
}

#[tokio::test]
async fn mistakes_are_told() {
    let told = complaint(&["list", "--case", "cert-expird"]).await;
    assert!(told.contains("did you mean `cert-expired`?"), "{told}");
    let told = complaint(&["manifest", "--base-port", "65500"]).await;
    assert!(told.contains("from 65500 on"), "{told}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let state = file.to_str().unwrap();
    let told = complaint(&[
        "serve",
        "--base-port",
        "0",
        "--case",
        "ok",
        "--state",
        state,
    ])
    .await;
    assert!(told.contains(&format!("cannot write {state}")), "{told}");

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let state = folder.path().join("state");
    let state = state.to_str().unwrap();
    let args = ["serve", "--case", "ok", "--state", state, "--base-port"];
    let told = complaint(&[&args[..], &[&port]].concat()).await;
    assert!(told.contains("cannot serve the case `ok`"), "{told}");
    assert!(told.contains(&format!("127.0.0.1:{port}")), "{told}");
}

#[test]
fn the_page_says_what_the_catalogue_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faultd.md");
    let page = fs::read_to_string(path).unwrap();
    let exceptions: String = Reason::iter()
        .filter_map(|reason| Some(format!("| {} | {} |\n", reason.name(), exception(reason)?)))
        .collect();
    for table in [markdown(&catalogue()), markdown_of_recipients(), exceptions] {
        if page.contains(&table) {
            continue;
        }
        // To be pasted into the page.
        panic!("docs/faultd.md lacks:\n{table}");
    }
}
