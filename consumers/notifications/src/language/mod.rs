//! The languages that we write in.
//!
//! To add one: a variant here with its tag, a file beside this one with its [`Words`], and a text in each file
//! of [`letters`](crate::letters). The compiler names every place that lacks it, and the tests of the letters
//! run over [`Language::ALL`].

mod english;
mod hindi;
mod money;

pub use money::{money_text, plain_money_text};

use boxoffice_saga::money::Money;
use time::{Date, OffsetDateTime};

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, and what everybody gets whose language is not written yet.
    English,
    /// Hindi.
    Hindi,
}

/// What a language calls the things that stand in every letter.
pub(crate) struct Words {
    pub show: &'static str,
    pub starts: &'static str,
    pub venue: &'static str,
    pub seat: &'static str,
    pub seats: &'static str,
    /// Seats in a short message, where there are too many to name: stands behind their number.
    pub seats_counted: &'static str,
    pub reference: &'static str,
    /// Leads to the status of the booking.
    pub status: &'static str,
    /// Stands before the address where help is found.
    pub help: &'static str,
    pub weekdays: [&'static str; 7],
    pub months: [&'static str; 12],
    pub short_months: [&'static str; 12],
}

impl Language {
    /// Every language there is.
    pub const ALL: [Self; 2] = [Self::English, Self::Hindi];

    /// The language for a contact's BCP 47 tag, by its first part: `hi` of `hi-IN`. English where there is no
    /// tag, or none that is written here.
    pub fn of_tag(tag: Option<&str>) -> Self {
        let wanted = tag.and_then(|tag| tag.split('-').next());
        let mut fitting = Self::ALL.into_iter().filter(|language| {
            wanted.is_some_and(|part| part.eq_ignore_ascii_case(language.tag()))
        });
        fitting.next().unwrap_or(Self::English)
    }

    /// The BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Hindi => "hi",
        }
    }

    pub(crate) const fn words(self) -> &'static Words {
        match self {
            Self::English => &english::WORDS,
            Self::Hindi => &hindi::WORDS,
        }
    }

    /// `Friday, 2 January 2026, 19:30 (UTC+05:30)`.
    pub(crate) fn moment(self, at: OffsetDateTime) -> String {
        let weekday = self.words().weekdays[usize::from(at.weekday().number_days_from_monday())];
        let day = self.day(at.date());
        let (hours, minutes, _) = at.offset().as_hms();
        let offset = if at.offset().is_utc() {
            String::new()
        } else {
            let sign = if at.offset().is_negative() { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", hours.abs(), minutes.abs())
        };
        format!("{weekday}, {day}, {} (UTC{offset})", clock(at))
    }

    /// `2 January 2026`.
    pub(crate) fn day(self, day: Date) -> String {
        let month = self.words().months[month_index(day)];
        format!("{} {month} {}", day.day(), day.year())
    }

    /// `2 Jan 19:30`, for short messages.
    pub(crate) fn short_moment(self, at: OffsetDateTime) -> String {
        let month = self.words().short_months[month_index(at.date())];
        format!("{} {month} {}", at.day(), clock(at))
    }

    /// An amount in a short message: without a sign that would halve what fits, where the language itself
    /// does not.
    pub(crate) fn short_money(self, amount: Money) -> String {
        match self {
            Self::English => plain_money_text(amount),
            Self::Hindi => money_text(amount),
        }
    }
}

fn month_index(day: Date) -> usize {
    usize::from(u8::from(day.month())) - 1
}

fn clock(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    #[test]
    fn the_first_part_of_the_tag_decides() {
        for (tag, language) in [
            (None, Language::English),
            (Some(""), Language::English),
            (Some("en-IN"), Language::English),
            (Some("ta"), Language::English),
            (Some("hil"), Language::English),
            (Some("hi"), Language::Hindi),
            (Some("hi-IN"), Language::Hindi),
            (Some("HI-Deva-IN"), Language::Hindi),
        ] {
            assert_eq!(Language::of_tag(tag), language, "{tag:?}");
        }
        for language in Language::ALL {
            assert_eq!(Language::of_tag(Some(language.tag())), language);
        }
    }

    #[test]
    fn times_name_their_offset() {
        for (language, at, text) in [
            (
                Language::English,
                datetime!(2026-01-02 19:30 +05:30),
                "Friday, 2 January 2026, 19:30 (UTC+05:30)",
            ),
            (
                Language::English,
                datetime!(2026-01-12 9:05 UTC),
                "Monday, 12 January 2026, 09:05 (UTC)",
            ),
            (
                Language::English,
                datetime!(2026-12-31 0:00 -03:30),
                "Thursday, 31 December 2026, 00:00 (UTC-03:30)",
            ),
            (
                Language::Hindi,
                datetime!(2026-01-02 19:30 +05:30),
                "शुक्रवार, 2 जनवरी 2026, 19:30 (UTC+05:30)",
            ),
        ] {
            assert_eq!(language.moment(at), text);
        }
        let day = date!(2026 - 02 - 01);
        assert_eq!(Language::English.day(day), "1 February 2026");
        assert_eq!(Language::Hindi.day(day), "1 फ़रवरी 2026");
        let at = datetime!(2026-08-15 18:00 +05:30);
        assert_eq!(Language::English.short_moment(at), "15 Aug 18:00");
        assert_eq!(Language::Hindi.short_moment(at), "15 अग॰ 18:00");
    }
}
