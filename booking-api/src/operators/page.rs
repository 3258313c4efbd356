//! Pages of what operators list, and the cursors between them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many entries a page has: 1 to 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

impl Limit {
    /// The most.
    pub const MOST: u16 = 500;

    /// A limit, if it is one: 1 to [`Limit::MOST`].
    pub fn new(entries: u16) -> Option<Self> {
        (1..=Self::MOST).contains(&entries).then_some(Self(entries))
    }

    /// One more than a page has, to see whether there is more.
    pub(super) fn and_one(self) -> i64 {
        i64::from(self.0) + 1
    }

    fn entries(self) -> usize {
        self.0.into()
    }
}

impl Default for Limit {
    /// 50.
    fn default() -> Self {
        Self(50)
    }
}

/// A page, and the place where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// Its entries.
    pub entries: Vec<T>,
    /// After the last of them; `None`: there is nothing more.
    pub next: Option<P>,
}

impl<T, P> Page<T, P> {
    /// A page of `found`, which may be longer.
    pub(super) fn of(mut found: Vec<T>, limit: Limit, place: impl FnOnce(&T) -> P) -> Self {
        let more = found.len() > limit.entries();
        found.truncate(limit.entries());
        let next = found.last().filter(|_| more).map(place);
        Self {
            entries: found,
            next,
        }
    }
}

/// A place as text that means nothing to others.
pub fn cursor<P: Serialize>(place: &P) -> String {
    // Plain data: this cannot fail.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// Reads what [`cursor`] wrote.
pub fn place<P: DeserializeOwned>(cursor: &str) -> Option<P> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    // A text with a zero byte is no text to the database.
    if text.contains("\\u0000") {
        return None;
    }
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_where_the_next_one_begins_only_if_there_is_one() {
        let limit = Limit::new(2).unwrap();
        let page = Page::of(vec![1, 2, 3], limit, |last| *last);
        assert_eq!((page.entries, page.next), (vec![1, 2], Some(2)));
        let page = Page::of(vec![1, 2], limit, |last| *last);
        assert_eq!((page.entries, page.next), (vec![1, 2], None));
    }

    #[test]
    fn cursors_come_back_and_nonsense_does_not() {
        let there = ("2026-11-21".to_owned(), 7_i64);
        assert_eq!(place::<(String, i64)>(&cursor(&there)), Some(there));
        for nonsense in [
            "",
            "x",
            "\u{0}",
            "AAAA",
            &"_".repeat(500),
            &cursor(&("\0", 7)),
        ] {
            assert_eq!(place::<(String, i64)>(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_page_is_neither_empty_nor_endless() {
        assert_eq!(Limit::new(0), None);
        assert_eq!(Limit::new(Limit::MOST + 1), None);
        assert!(Limit::new(Limit::MOST).is_some());
    }
}
