//! W3C `traceparent`: taken over when it is well-formed, dropped when it is not. None is made up here.

use http::HeaderMap;

/// `00-` 32 hex `-` 16 hex `-` 2 hex.
const LENGTH: usize = 55;

/// The sender's trace, if it names one that others can join.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("traceparent").iter();
    let value = values.next()?.as_bytes();
    if values.next().is_some() || !well_formed(value) {
        return None;
    }
    std::str::from_utf8(value).ok().map(str::to_owned)
}

fn well_formed(value: &[u8]) -> bool {
    if value.len() != LENGTH {
        return false;
    }
    let mut parts = value.split(|byte| *byte == b'-');
    let lengths = [2, 32, 16, 2];
    let whole = lengths.iter().all(|length| {
        parts.next().is_some_and(|part| {
            part.len() == *length
                && part
                    .iter()
                    .all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(c))
        })
    });
    let zero = |part: Option<&[u8]>| part.is_none_or(|part| part.iter().all(|c| *c == b'0'));
    // Version 00 is the only one whose whole shape is known; all-zero ids mean none.
    whole
        && parts.next().is_none()
        && value.starts_with(b"00-")
        && !zero(value.get(3..35))
        && !zero(value.get(36..52))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn taken(value: &str) -> bool {
        let headers = HeaderMap::from_iter([(
            "traceparent".parse().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        )]);
        traceparent(&headers).is_some()
    }

    #[test]
    fn only_whole_ones_are_taken() {
        assert!(taken(
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ));
        for broken in [
            "",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319cb-7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0-",
        ] {
            assert!(!taken(broken), "{broken}");
        }
    }
}
