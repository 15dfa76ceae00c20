//! The JSON Schema against the loader: what the loader takes, the schema does
//! too, and what the schema refuses, the loader does too.

use std::cell::Cell;

use jsonschema::Validator;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value as Json, json};

use super::RELAY;
use crate::config::{
    Sources, all_keys,
    fixture::{Fixture, SECRET},
    load,
    record::Entry,
    schema,
    shape::Form,
};

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

#[test]
fn the_schema_is_one() {
    let schema = schema();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
}

/// What rows of the tables below start with.
const NOTHING: &str = "";
const CREDENTIALS: &str = "[relays.primary]\nhost = 'a.example'\n[relays.primary.credentials]\n";
const RELAY_TLS: &str = "[relays.primary]\nhost = 'a.example'\n[relays.primary.tls]\n";

/// What both take.
const RIGHT: [(&str, &str); 25] = [
    (NOTHING, ""),
    (RELAY, ""),
    (RELAY, "port = 465"),
    (RELAY, "allow_tls_options = ['mode']"),
    (RELAY, "limits.mail = '1s'"),
    (RELAY, "limits.mail = '1m 30s'"),
    (RELAY, "limits.mail = '1.5 s'"),
    (RELAY, "ehlo_name = '[192.0.2.1]'"),
    (NOTHING, "server.listen = '[::1]:0'"),
    (NOTHING, "server.max_request_bytes = 65536"),
    (NOTHING, "server.max_request_bytes = '20 MiB'"),
    (NOTHING, "server.reflection = false"),
    (NOTHING, "log.format = 'text'"),
    (CREDENTIALS, ""),
    (CREDENTIALS, "username = 'a'\npassword_file = 'password'"),
    (
        CREDENTIALS,
        "username_file = 'password'\ntoken_file = 'password'",
    ),
    (RELAY_TLS, "mode = 'starttls_if_offered'"),
    (RELAY_TLS, "min_version = '1.3'"),
    (RELAY_TLS, "server_name = '192.0.2.1'"),
    (RELAY_TLS, "ca_file = 'a.ca.pem'"),
    (
        RELAY_TLS,
        "client_certificate_file = 'a.ca.pem'\nclient_key_file = 'a.key.pem'",
    ),
    (
        RELAY_TLS,
        "key_pins = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']",
    ),
    (
        RELAY,
        "[[routes]]\ndomain = '*.example.com'\nrelay = 'primary'",
    ),
    (NOTHING, "[[custom_relays.allow]]\nhost = '*'\nports = [25]"),
    (NOTHING, "\"$schema\" = 'x'"),
];

/// What both refuse.
const WRONG: [(&str, &str); 44] = [
    (RELAY, "port = 0"),
    (RELAY, "port = 65536"),
    (RELAY, "port = '465'"),
    (RELAY, "prot = 465"),
    (RELAY, "allow_tls_options = ['made']"),
    (RELAY, "allow_tls_options = 'mode'"),
    (RELAY, "limits.mail = '1'"),
    (RELAY, "limits.mail = 1"),
    (RELAY, "limits.male = '1s'"),
    (RELAY, "ehlo_name = ''"),
    (NOTHING, "[relays.primary]\nport = 25"),
    (NOTHING, "[relays.Primary]\nhost = 'a.b'"),
    (NOTHING, "[relays.1]\nhost = 'a.b'"),
    (NOTHING, "relays = 1"),
    (NOTHING, "server = []"),
    (NOTHING, "zzz = 1"),
    (NOTHING, "server.listen = 'localhost:1'"),
    (NOTHING, "server.listen = '1.2.3.4'"),
    (NOTHING, "server.max_request_bytes = 65535"),
    (NOTHING, "server.max_request_bytes = '20MiBi'"),
    (NOTHING, "server.max_connections = 0"),
    (NOTHING, "server.max_connections = 1.5"),
    (NOTHING, "server.reflection = 'false'"),
    (NOTHING, "log.format = 'Text'"),
    (CREDENTIALS, "username = 'a'"),
    (CREDENTIALS, "token_file = 'password'"),
    (CREDENTIALS, "username = 'a'\npassword = 'b'"),
    (
        CREDENTIALS,
        "username = 'a'\nusername_file = 'password'\ntoken_file = 'password'",
    ),
    (
        CREDENTIALS,
        "username = 'a'\npassword_file = 'password'\ntoken_file = 'password'",
    ),
    (CREDENTIALS, "username = 'a'\npassword_file = ''"),
    (RELAY_TLS, "mode = 'starttls-if-offered'"),
    (RELAY_TLS, "min_version = 1.3"),
    (RELAY_TLS, "min_version = '1.1'"),
    (RELAY_TLS, "ca_file = \"a\\nb\""),
    (RELAY_TLS, "client_certificate_file = 'a.ca.pem'"),
    (RELAY_TLS, "client_key_file = 'a.key.pem'"),
    (RELAY_TLS, "key_pins = ['sha1/AAAA']"),
    (NOTHING, "[tls]\nclient_key_file = 'a.key.pem'"),
    (RELAY, "[[routes]]\ndomain = '*.example.com'"),
    (
        RELAY,
        "[[routes]]\ndomain = 'a.b'\nrelay = 'primary'\nweight = 1",
    ),
    (NOTHING, "routes = {}"),
    (NOTHING, "routes = [1]"),
    (
        NOTHING,
        "[[custom_relays.allow]]\nhost = '*'\nports = ['25']",
    ),
    (NOTHING, "[[custom_relays.allow]]\nports = [25]"),
];

/// What the loader refuses, and a schema cannot: it would have to compare, to
/// reckon or to read a file.
const WRONG_IN_CONTEXT: [(&str, &str); 8] = [
    (RELAY, "limits.mail = '2h'"),
    (RELAY, "ehlo_name = 'a b'"),
    (NOTHING, "server.listen = '1.2.3.4:65536'"),
    (NOTHING, "server.max_request_bytes = '2GiB'"),
    (NOTHING, "log.level = 'inof'"),
    (CREDENTIALS, "username = 'a'\npassword_file = 'none'"),
    (RELAY_TLS, "min_version = '1.3'\nmax_version = '1.2'"),
    (RELAY, "[[routes]]\ndomain = 'a.b'\nrelay = 'secondary'"),
];

/// Whether the loader takes `toml`, and the same as JSON.
fn is_loaded(fixture: &Fixture, toml: &str, json: &Json) -> bool {
    let is_loaded = fixture.load(toml).is_ok();
    let file = Some(fixture.write("posthaste.json", json.to_string()));
    let sources = Sources {
        file,
        ..Sources::default()
    };
    assert_eq!(load(&sources).is_ok(), is_loaded, "{toml}");
    is_loaded
}

#[test]
fn schema_and_loader_judge_alike() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    fixture.write("password", SECRET);
    let validator = validator();
    for (rows, is_right, is_valid) in [
        (RIGHT.as_slice(), true, true),
        (WRONG.as_slice(), false, false),
        (WRONG_IN_CONTEXT.as_slice(), false, true),
    ] {
        for (start, rest) in rows {
            let toml = format!("{start}{rest}\n");
            let json: Json = toml::from_str(&toml).unwrap();
            assert_eq!(
                is_loaded(&fixture, &toml, &json),
                is_right,
                "loader: {toml}"
            );
            assert_eq!(validator.is_valid(&json), is_valid, "schema: {toml}");
        }
    }
}

/// Values of this form, and what only looks like them.
fn values_like(form: &Form) -> BoxedStrategy<Json> {
    let select = |values: &[&'static str]| prop::sample::select(values.to_vec());
    let own = match form {
        Form::Boolean => any::<bool>().prop_map(Json::from).boxed(),
        Form::Choice(names) => select(names).prop_map(Json::from).boxed(),
        Form::Duration => {
            "[ \t]?[0-9]{1,3}[ .]?[0-9]{0,2} ?(ns|us|µs|msec|ms|s|sec|m|min|hours|h|d|w|M|y)( 5s)?"
                .prop_map(Json::from)
                .boxed()
        }
        Form::Integer(range) => (*range.start()..=range.end() + 1)
            .prop_map(Json::from)
            .boxed(),
        Form::Size(range) => prop_oneof![
            (*range.start()..=range.end() + 1).prop_map(Json::from),
            "[0-9]{1,6}[ \u{a0}]?(B|kB|KiB|MB|MiB|GB)?".prop_map(Json::from),
        ]
        .boxed(),
        Form::List(item) => prop::collection::vec(values_like(&item.form), 0..3)
            .prop_map(Json::from)
            .boxed(),
        Form::Path(_) => select(&["a.ca.pem", "a.crl.pem", "./a.ca.pem", "none"])
            .prop_map(Json::from)
            .boxed(),
        Form::Line(..) => prop_oneof![
            2 => "[a-z][a-z0-9-]{0,8}(\\.[A-Za-zü_]{1,5}){0,2}".prop_map(Json::from),
            2 => "(127\\.0\\.0\\.1|\\[[0-9a-f:%]{2,8}\\]):[0-9]{1,6}".prop_map(Json::from),
            2 => "(info|debug|TRACE|off)(,[a-z]{1,3}=(warn|1))?[\n ]?".prop_map(Json::from),
            1 => "sha256/[0-9A-Za-z+/]{42}[A-Z]=".prop_map(Json::from),
            1 => "\\PC{0,12}".prop_map(Json::from),
            3 => select(&[
                "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "[192.0.2.1]",
                "[IPv6:::1]", "bücher.example", "*", "*.example.com", "::1", "primary",
            ])
            .prop_map(Json::from),
        ]
        .boxed(),
    };
    let other = prop_oneof![
        ".{0,6}".prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        Just(json!(1.5)),
        Just(json!([])),
        Just(json!({})),
        Just(json!(null)),
    ];
    prop_oneof![4 => own, 1 => other].boxed()
}

/// A key in a configuration that has one of everything, and a value for it.
fn key_and_value() -> impl Strategy<Value = (String, Json)> {
    let keys: Vec<_> = all_keys()
        .in_order()
        .into_iter()
        .filter_map(|(key, entry)| match entry {
            Entry::Setting(record) => Some((key.to_owned(), record.shape.form.clone())),
            Entry::Section(_) => None,
        })
        .collect();
    prop::sample::select(keys).prop_flat_map(|(key, form)| (Just(key), values_like(&form)))
}

#[test]
fn the_schema_refuses_nothing_that_the_loader_takes() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    let validator = validator();
    let (tried, taken) = (Cell::new(0), Cell::new(0));
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let result = TestRunner::new(config).run(&key_and_value(), |(key, value)| {
        let mut json = json!({
            "relays": {"primary": {"host": "a.example"}},
            "routes": [{"domain": "a.example", "relay": "primary"}],
            "custom_relays": {"allow": [{"host": "a.example"}]},
        });
        let mut place = &mut json;
        for part in key
            .replace("NAME", "primary")
            .replace("[]", ".0")
            .split('.')
        {
            place = match part {
                "0" => &mut place[0],
                part => &mut place[part],
            };
        }
        *place = value;
        let file = Some(fixture.write("posthaste.json", json.to_string()));
        let sources = Sources {
            file,
            ..Sources::default()
        };
        let is_loaded = load(&sources).is_ok();
        tried.set(tried.get() + 1);
        taken.set(taken.get() + usize::from(is_loaded));
        prop_assert!(!is_loaded || validator.is_valid(&json), "{json}");
        Ok(())
    });
    result.unwrap();
    let (tried, taken) = (tried.get(), taken.get());
    assert!(taken > tried / 4, "only {taken} of {tried} were taken");
}
