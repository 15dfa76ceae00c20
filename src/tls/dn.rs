//! Distinguished names as text.

use std::fmt::Write as _;

use x509_parser::{
    asn1_rs::ToDer as _,
    x509::{AttributeTypeAndValue, X509Name},
};

/// A name as RFC 4514 writes it: the most specific part first.
pub(super) fn rfc4514(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| rdn.iter().map(attribute).collect::<Vec<_>>().join("+"))
        .collect();
    parts.reverse();
    parts.join(",")
}

/// What a sentence calls the holder of a name: its common name, else all of it.
pub(super) fn short(name: &X509Name<'_>) -> String {
    let common_name = name
        .iter_common_name()
        .last()
        .and_then(|it| it.as_str().ok());
    common_name.map_or_else(|| rfc4514(name), str::to_owned)
}

/// The content of a name in DER: what is within its SEQUENCE. webpki keeps
/// names like that.
pub(super) fn content<'a>(name: &'a X509Name<'_>) -> &'a [u8] {
    match name.as_raw() {
        // The long form of the length (X.690 section 8.1.3.5).
        [_, length, rest @ ..] if *length >= 0x80 => {
            rest.get(usize::from(length & 0x7f)..).unwrap_or_default()
        }
        [_, _, rest @ ..] => rest,
        _ => &[],
    }
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let value = attribute.as_str();
    match (keyword(&oid), value) {
        (Some(keyword), Ok(value)) => format!("{keyword}={}", escape(value)),
        // RFC 4514 section 2.4: the DER form where there is no string.
        (Some(keyword), Err(_)) => format!("{keyword}=#{}", der(attribute)),
        (None, _) => format!("{oid}=#{}", der(attribute)),
    }
}

fn keyword(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

/// RFC 4514 section 2.4; control characters as well, so that a name stays on
/// its line.
fn escape(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (index, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            '#' | ' ' if index == 0 => {
                text.push('\\');
                text.push(character);
            }
            ' ' if index == last => text.push_str("\\ "),
            control if control.is_control() => {
                for byte in control.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a string cannot fail.
                    let _ = write!(text, "\\{byte:02X}");
                }
            }
            plain => text.push(plain),
        }
    }
    text
}

/// The value in DER, in hexadecimal.
fn der(attribute: &AttributeTypeAndValue<'_>) -> String {
    let der = attribute.attr_value().to_der_vec().unwrap_or_default();
    der.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_part_is_escaped() {
        assert_eq!(escape("Zoo, Inc."), "Zoo\\, Inc.");
        assert_eq!(escape(" #x "), "\\ #x\\ ");
        assert_eq!(escape("#x"), "\\#x");
        assert_eq!(escape(" "), "\\ ");
        assert_eq!(escape("a\r\nb"), "a\\0D\\0Ab");
        assert_eq!(escape("Jörg"), "Jörg");
    }
}
