//! No control character gets through any field into a header, an address or a
//! command. The fields are found in the descriptors, so that none is forgotten.

use std::collections::BTreeSet;

use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value,
};

use super::{broken, full, parse};
use crate::api::pb;

/// These are no part of a header, an address or a command: bodies, which are
/// transfer-encoded, and certificates, of which only the DER form goes on.
const FREE: [&str; 3] = [
    "posthaste.v1.Message.text",
    "posthaste.v1.Message.html",
    "posthaste.v1.TlsOptions.trust_anchors_pem",
];

/// Calls `each` with every string in `message`.
fn visit(message: &mut DynamicMessage, each: &mut dyn FnMut(&FieldDescriptor, &mut String)) {
    let fields: Vec<FieldDescriptor> = message.fields().map(|(field, _)| field).collect();
    for field in fields {
        visit_value(&field, message.get_field_mut(&field), each);
    }
}

fn visit_value(
    field: &FieldDescriptor,
    value: &mut Value,
    each: &mut dyn FnMut(&FieldDescriptor, &mut String),
) {
    match value {
        Value::String(text) => each(field, text),
        Value::Message(message) => visit(message, each),
        Value::List(items) => {
            for item in items {
                visit_value(field, item, each);
            }
        }
        Value::Map(map) => {
            for (key, mut value) in std::mem::take(map) {
                let MapKey::String(mut key) = key else {
                    panic!("no map of the API has other keys");
                };
                each(field, &mut key);
                visit_value(field, &mut value, each);
                map.insert(MapKey::String(key), value);
            }
        }
        _ => {}
    }
}

fn reflect(request: &pb::SendMailRequest) -> DynamicMessage {
    let descriptor = pb::DESCRIPTORS
        .get_message_by_name("posthaste.v1.SendMailRequest")
        .unwrap();
    let mut message = DynamicMessage::new(descriptor);
    message.transcode_from(request).unwrap();
    message
}

/// The names of all string fields that a message of this kind can hold.
fn string_fields(message: &MessageDescriptor, names: &mut BTreeSet<String>) {
    for field in message.fields() {
        match field.kind() {
            Kind::String => {
                names.insert(field.full_name().to_owned());
            }
            Kind::Message(entry) if field.is_map() => {
                assert!(matches!(entry.map_entry_value_field().kind(), Kind::String));
                names.insert(field.full_name().to_owned());
            }
            Kind::Message(inner) => string_fields(&inner, names),
            _ => {}
        }
    }
}

#[test]
fn no_control_character_gets_through_any_field() {
    let mut seen = BTreeSet::new();
    for request in full() {
        let mut strings = Vec::new();
        visit(&mut reflect(&request), &mut |field, _| {
            strings.push(field.full_name().to_owned());
        });
        for (index, name) in strings.iter().enumerate() {
            seen.insert(name.clone());
            for bad in ["\r", "\n", "\0", "\r\n", "\r\nX-Injected: yes"] {
                for at in [Place::Start, Place::Middle, Place::End] {
                    let injected = inject(&request, index, bad, at);
                    let told = broken(injected);
                    let free = FREE.contains(&name.as_str());
                    assert!(free || !told.is_empty(), "{name} takes {bad:?}");
                }
            }
        }
    }
    let mut all = BTreeSet::new();
    string_fields(&reflect(&full()[0]).descriptor(), &mut all);
    assert_eq!(seen, all);
}

#[derive(Clone, Copy)]
enum Place {
    Start,
    Middle,
    End,
}

fn inject(
    request: &pb::SendMailRequest,
    index: usize,
    bad: &str,
    place: Place,
) -> pb::SendMailRequest {
    let mut message = reflect(request);
    let mut next = 0;
    visit(&mut message, &mut |_, text| {
        if next == index {
            let at = match place {
                Place::Start => 0,
                Place::Middle => text.len() / 2,
                Place::End => text.len(),
            };
            text.insert_str(at, bad);
        }
        next += 1;
    });
    pb::SendMailRequest::decode(message.encode_to_vec().as_slice()).unwrap()
}

#[test]
fn a_request_survives_the_walk_unchanged() {
    for request in full() {
        let mut message = reflect(&request);
        visit(&mut message, &mut |_, _| {});
        let back = pb::SendMailRequest::decode(message.encode_to_vec().as_slice()).unwrap();
        assert_eq!(back, request);
        assert!(parse(back).is_ok());
    }
}
