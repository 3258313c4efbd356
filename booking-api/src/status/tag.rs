//! The `ETag` of a status document: the booking's version and what depends on time.
//!
//! Weak, because the pause until the next poll is not part of it; that one goes in a header, with a 304 too.

use std::fmt;

use boxoffice_saga::status::Phase;
use http::{HeaderMap, header};

/// What identifies a status document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) version: u64,
    pub(super) phase: Phase,
    pub(super) pay_again: bool,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W/\"{}\"", self.inner())
    }
}

impl Tag {
    /// What stands between the quotes; also the id of a server-sent event.
    pub(super) fn inner(&self) -> String {
        let phase = match self.phase {
            Phase::Quick => 'q',
            Phase::Backoff => 'b',
            Phase::Stop => 's',
        };
        let pay = if self.pay_again { 'y' } else { 'n' };
        format!("{}-{phase}{pay}", self.version)
    }

    fn parse(text: &str) -> Option<Self> {
        let inner = text
            .trim()
            .trim_start_matches("W/")
            .strip_prefix('"')?
            .strip_suffix('"')?;
        Self::from_inner(inner)
    }

    /// Reads what [`inner`](Self::inner) wrote; `None` for anything else.
    pub(super) fn from_inner(inner: &str) -> Option<Self> {
        let (version, rest) = inner.split_once('-')?;
        let (phase, pay) = match rest.as_bytes() {
            [phase, pay] => (*phase, *pay),
            _ => return None,
        };
        let phase = match phase {
            b'q' => Phase::Quick,
            b'b' => Phase::Backoff,
            b's' => Phase::Stop,
            _ => return None,
        };
        let pay_again = match pay {
            b'y' => true,
            b'n' => false,
            _ => return None,
        };
        Some(Self {
            version: version.parse().ok()?,
            phase,
            pay_again,
        })
    }

    /// The newest of the tags that the client has, by `If-None-Match`. Others than ours are ignored.
    pub(super) fn known(headers: &HeaderMap) -> Option<Self> {
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Self::parse)
            .max_by_key(|tag| tag.version)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn tags_come_back() {
        for phase in [Phase::Quick, Phase::Backoff, Phase::Stop] {
            for pay_again in [true, false] {
                let tag = Tag {
                    version: 12,
                    phase,
                    pay_again,
                };
                assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
                // Some proxies drop the weakness.
                assert_eq!(
                    Tag::parse(tag.to_string().trim_start_matches("W/")),
                    Some(tag)
                );
            }
        }
    }

    #[test]
    fn the_newest_of_several_counts_and_nonsense_does_not() {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::IF_NONE_MATCH,
            HeaderValue::from_static("\"x\", W/\"3-sn\", W/\"5-qn\", *"),
        );
        assert_eq!(Tag::known(&headers).unwrap().version, 5);
        for nonsense in [
            "",
            "*",
            "\"\"",
            "\"1\"",
            "\"-sn\"",
            "\"1-s\"",
            "\"1-xn\"",
            "\"99999999999999999999-sn\"",
        ] {
            assert_eq!(Tag::parse(nonsense), None, "{nonsense}");
        }
    }
}
