//! Just enough DER (X.690 section 10) to take a certificate apart and put it
//! together otherwise. It trusts what it reads: certificates that rcgen made.

/// The elements that stand one behind the other in `der`, each with its
/// header.
pub(super) fn elements(mut der: &[u8]) -> Vec<Vec<u8>> {
    let mut elements = Vec::new();
    while let Some(length) = whole(der) {
        let (element, rest) = der.split_at(length);
        elements.push(element.to_vec());
        der = rest;
    }
    elements
}

/// What stands in an element.
pub(super) fn contents(element: &[u8]) -> &[u8] {
    header(element).map_or(&[], |(start, length)| &element[start..start + length])
}

/// An element with this tag around `contents`.
pub(super) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let significant = length.iter().position(|byte| *byte != 0);
    let length = &length[significant.unwrap_or(length.len() - 1)..];
    let mut der = vec![tag];
    match (length, u8::try_from(length.len())) {
        ([short], _) if *short < 0x80 => der.push(*short),
        (_, Ok(octets)) => {
            der.push(0x80 | octets);
            der.extend_from_slice(length);
        }
        (_, Err(_)) => {}
    }
    der.extend_from_slice(contents);
    der
}

/// The length of the element that `der` begins with, if all of it is there.
fn whole(der: &[u8]) -> Option<usize> {
    let (start, length) = header(der)?;
    start.checked_add(length).filter(|end| *end <= der.len())
}

/// Where the contents of an element start, and how long they are.
fn header(der: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*der.get(1)?);
    if first < 0x80 {
        return Some((2, first));
    }
    let octets = der.get(2..2 + (first & 0x7f))?;
    let length = octets
        .iter()
        .fold(0, |length, octet| length << 8 | usize::from(*octet));
    Some((2 + octets.len(), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_apart_can_be_put_together() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let inner = element(0x04, &vec![7; length]);
            let outer = element(0x30, &[&inner[..], &[5, 0]].concat());
            let parts = elements(contents(&outer));
            assert_eq!(parts, [inner, vec![5, 0]]);
            assert_eq!(contents(&parts[0]).len(), length);
            assert_eq!(elements(&outer).concat(), outer);
        }
        assert_eq!(elements(&[0x30, 0x05, 1]), [[0; 0]; 0]);
    }
}
