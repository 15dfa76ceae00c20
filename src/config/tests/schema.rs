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

/// Who takes a configuration.
#[derive(Debug, Eq, PartialEq)]
enum Taken {
    ByBoth,
    ByNeither,
    /// What is wrong with it is not for a schema to see.
    BySchemaAlone,
    ByLoaderAlone,
}

fn judge(validator: &Validator, fixture: &Fixture, toml: &str) -> Taken {
    let json: Json = toml::from_str(toml).unwrap();
    let is_loaded = fixture.load(toml).is_ok();
    // The same as a JSON file is the same.
    let file = Some(fixture.write("posthaste.json", json.to_string()));
    let sources = Sources {
        file,
        ..Sources::default()
    };
    assert_eq!(load(&sources).is_ok(), is_loaded, "{toml}");
    match (validator.is_valid(&json), is_loaded) {
        (true, true) => Taken::ByBoth,
        (false, false) => Taken::ByNeither,
        (true, false) => Taken::BySchemaAlone,
        (false, true) => Taken::ByLoaderAlone,
    }
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

#[test]
fn schema_and_loader_judge_alike() {
    let fixture = Fixture::new();
    fixture.write_pki("a");
    fixture.write("password", SECRET);
    let validator = validator();
    let relay = |rest: &str| format!("{RELAY}{rest}");
    let credentials = |rest: &str| relay(&format!("[relays.primary.credentials]\n{rest}"));
    let tls = |rest: &str| relay(&format!("[relays.primary.tls]\n{rest}"));
    for (toml, expected) in [
        (String::new(), Taken::ByBoth),
        (relay(""), Taken::ByBoth),
        (relay("port = 465"), Taken::ByBoth),
        (relay("port = 0"), Taken::ByNeither),
        (relay("port = 65536"), Taken::ByNeither),
        (relay("port = '465'"), Taken::ByNeither),
        (relay("prot = 465"), Taken::ByNeither),
        (relay("allow_tls_options = ['mode']"), Taken::ByBoth),
        (relay("allow_tls_options = ['made']"), Taken::ByNeither),
        (relay("allow_tls_options = 'mode'"), Taken::ByNeither),
        (relay("limits.mail = '1s'"), Taken::ByBoth),
        (relay("limits.mail = '1m 30s'"), Taken::ByBoth),
        (relay("limits.mail = '1.5 s'"), Taken::ByBoth),
        (relay("limits.mail = '1'"), Taken::ByNeither),
        (relay("limits.mail = 1"), Taken::ByNeither),
        (relay("limits.mail = '2h'"), Taken::BySchemaAlone),
        (relay("limits.male = '1s'"), Taken::ByNeither),
        (relay("ehlo_name = '[192.0.2.1]'"), Taken::ByBoth),
        (relay("ehlo_name = ''"), Taken::ByNeither),
        (relay("ehlo_name = 'a b'"), Taken::BySchemaAlone),
        ("[relays.primary]\nport = 25".to_owned(), Taken::ByNeither),
        (
            "[relays.Primary]\nhost = 'a.b'".to_owned(),
            Taken::ByNeither,
        ),
        ("[relays.1]\nhost = 'a.b'".to_owned(), Taken::ByNeither),
        ("relays = 1".to_owned(), Taken::ByNeither),
        ("server = []".to_owned(), Taken::ByNeither),
        ("zzz = 1".to_owned(), Taken::ByNeither),
        ("server.listen = '[::1]:0'".to_owned(), Taken::ByBoth),
        ("server.listen = 'localhost:1'".to_owned(), Taken::ByNeither),
        ("server.listen = '1.2.3.4'".to_owned(), Taken::ByNeither),
        (
            "server.listen = '1.2.3.4:65536'".to_owned(),
            Taken::BySchemaAlone,
        ),
        ("server.max_request_bytes = 65536".to_owned(), Taken::ByBoth),
        (
            "server.max_request_bytes = 65535".to_owned(),
            Taken::ByNeither,
        ),
        (
            "server.max_request_bytes = '20 MiB'".to_owned(),
            Taken::ByBoth,
        ),
        (
            "server.max_request_bytes = '20MiBi'".to_owned(),
            Taken::ByNeither,
        ),
        (
            "server.max_request_bytes = '2GiB'".to_owned(),
            Taken::BySchemaAlone,
        ),
        ("server.max_connections = 0".to_owned(), Taken::ByNeither),
        ("server.max_connections = 1.5".to_owned(), Taken::ByNeither),
        ("server.reflection = false".to_owned(), Taken::ByBoth),
        ("server.reflection = 'false'".to_owned(), Taken::ByNeither),
        ("log.format = 'text'".to_owned(), Taken::ByBoth),
        ("log.format = 'Text'".to_owned(), Taken::ByNeither),
        ("log.level = 'inof'".to_owned(), Taken::BySchemaAlone),
        (credentials(""), Taken::ByBoth),
        (
            credentials("username = 'a'\npassword_file = 'password'"),
            Taken::ByBoth,
        ),
        (
            credentials("username_file = 'password'\ntoken_file = 'password'"),
            Taken::ByBoth,
        ),
        (credentials("username = 'a'"), Taken::ByNeither),
        (credentials("token_file = 'password'"), Taken::ByNeither),
        (
            credentials("username = 'a'\npassword = 'b'"),
            Taken::ByNeither,
        ),
        (
            credentials("username = 'a'\nusername_file = 'password'\ntoken_file = 'password'"),
            Taken::ByNeither,
        ),
        (
            credentials("username = 'a'\npassword_file = 'password'\ntoken_file = 'password'"),
            Taken::ByNeither,
        ),
        (
            credentials("username = 'a'\npassword_file = 'none'"),
            Taken::BySchemaAlone,
        ),
        (
            credentials("username = 'a'\npassword_file = ''"),
            Taken::ByNeither,
        ),
        (tls("mode = 'starttls_if_offered'"), Taken::ByBoth),
        (tls("mode = 'starttls-if-offered'"), Taken::ByNeither),
        (tls("min_version = '1.3'"), Taken::ByBoth),
        (tls("min_version = 1.3"), Taken::ByNeither),
        (tls("min_version = '1.1'"), Taken::ByNeither),
        (
            tls("min_version = '1.3'\nmax_version = '1.2'"),
            Taken::BySchemaAlone,
        ),
        (tls("server_name = '192.0.2.1'"), Taken::ByBoth),
        (tls("ca_file = 'a.ca.pem'"), Taken::ByBoth),
        (tls("ca_file = \"a\\nb\""), Taken::ByNeither),
        (
            tls("client_certificate_file = 'a.ca.pem'\nclient_key_file = 'a.key.pem'"),
            Taken::ByBoth,
        ),
        (
            tls("client_certificate_file = 'a.ca.pem'"),
            Taken::ByNeither,
        ),
        (tls("client_key_file = 'a.key.pem'"), Taken::ByNeither),
        (
            tls("key_pins = ['sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=']"),
            Taken::ByBoth,
        ),
        (tls("key_pins = ['sha1/AAAA']"), Taken::ByNeither),
        (
            "[tls]\nclient_key_file = 'a.key.pem'".to_owned(),
            Taken::ByNeither,
        ),
        (
            relay("[[routes]]\ndomain = '*.example.com'\nrelay = 'primary'"),
            Taken::ByBoth,
        ),
        (
            relay("[[routes]]\ndomain = '*.example.com'"),
            Taken::ByNeither,
        ),
        (
            relay("[[routes]]\ndomain = 'a.b'\nrelay = 'primary'\nweight = 1"),
            Taken::ByNeither,
        ),
        (
            relay("[[routes]]\ndomain = 'a.b'\nrelay = 'secondary'"),
            Taken::BySchemaAlone,
        ),
        ("routes = {}".to_owned(), Taken::ByNeither),
        ("routes = [1]".to_owned(), Taken::ByNeither),
        (
            "[[custom_relays.allow]]\nhost = '*'\nports = [25]".to_owned(),
            Taken::ByBoth,
        ),
        (
            "[[custom_relays.allow]]\nhost = '*'\nports = ['25']".to_owned(),
            Taken::ByNeither,
        ),
        (
            "[[custom_relays.allow]]\nports = [25]".to_owned(),
            Taken::ByNeither,
        ),
        ("\"$schema\" = 'x'".to_owned(), Taken::ByBoth),
    ] {
        assert_eq!(judge(&validator, &fixture, &toml), expected, "{toml}");
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
