//! A letter, and the plain data that letters are written from.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;

use super::message_id::MessageId;
use super::page::Page;

/// Where a customer is reached, as given with the hold: unchecked outside data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// The e-mail address alone, without a name.
    pub email: String,
    /// The telephone number, for messages other than letters.
    pub phone: Option<String>,
    /// The language wanted, as a BCP 47 tag such as `en-IN`.
    pub language: Option<String>,
}

/// The languages that letters are written in. Another one is a variant here and a text in each letter; the
/// compiler names the letters that lack it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English, and what everybody gets whose language is not written yet.
    English,
}

impl Language {
    /// Every language there is.
    pub const ALL: [Self; 1] = [Self::English];

    /// The language for a contact: by the first part of the tag (`en` of `en-IN`).
    pub fn of(contact: &Contact) -> Self {
        let wanted = contact
            .language
            .as_deref()
            .and_then(|tag| tag.split('-').next());
        let written = Self::ALL.into_iter();
        let mut fitting = written
            .filter(|language| wanted.is_some_and(|tag| tag.eq_ignore_ascii_case(language.tag())));
        fitting.next().unwrap_or(Self::English)
    }

    /// The BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
        }
    }
}

/// Who writes: the same on every letter of a box office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letterhead {
    /// The name that the letter is signed with.
    pub name: String,
    /// Where a worried customer finds a person: an address or a telephone number.
    pub help: Option<String>,
}

/// What a letter says about the booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingFacts {
    /// The booking: the reference that the customer quotes.
    pub booking_id: Uuid,
    /// The show's title.
    pub show_title: String,
    /// When it starts, in the venue's own offset from UTC; left out when unknown.
    pub starts_at: Option<OffsetDateTime>,
    /// Where it is; left out when unknown.
    pub venue: Option<String>,
    /// The seats, in the order in which they are to be read.
    pub seats: Vec<String>,
    /// Where the booking's status is seen; must be an `http` or `https` address, else it is left out.
    pub status_url: Option<String>,
}

/// A PNG that stands in the letter and is attached to it as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The Content-ID, without angle brackets.
    pub content_id: String,
    /// The name as an attachment.
    pub file_name: String,
    /// The PNG.
    pub png: Vec<u8>,
}

/// A letter ready for the [`Postman`](super::Postman).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The address, as given: the postman checks it.
    pub to: String,
    /// Its Message-ID.
    pub message_id: MessageId,
    /// The `Date` header.
    pub written_at: OffsetDateTime,
    /// The subject, one line.
    pub subject: String,
    /// The plain form.
    pub text: String,
    /// The HTML form, which says the same.
    pub html: String,
    /// The pictures to which the HTML refers.
    pub pictures: Vec<Picture>,
}

impl Letter {
    pub(crate) fn from_page(
        page: &Page,
        to: &Contact,
        pictures: Vec<Picture>,
        letterhead: &Letterhead,
        message_id: MessageId,
        written_at: OffsetDateTime,
    ) -> Self {
        Self {
            to: to.email.clone(),
            message_id,
            written_at,
            subject: super::page::line(&page.title),
            text: page.text(letterhead),
            html: page.html(letterhead, &pictures),
            pictures,
        }
    }
}

const CLOCK: &[BorrowedFormatItem<'static>] =
    format_description!("[weekday], [day padding:none] [month repr:long] [year], [hour]:[minute]");
const OFFSET: &[BorrowedFormatItem<'static>] =
    format_description!("UTC[offset_hour sign:mandatory]:[offset_minute]");
const DAY: &[BorrowedFormatItem<'static>] =
    format_description!("[day padding:none] [month repr:long] [year]");

/// `Friday, 2 January 2026, 19:30 (UTC+05:30)`.
pub(crate) fn english_time(at: OffsetDateTime) -> String {
    let offset = if at.offset().is_utc() {
        Ok("UTC".to_owned())
    } else {
        at.format(OFFSET)
    };
    match (at.format(CLOCK), offset) {
        (Ok(clock), Ok(offset)) => format!("{clock} ({offset})"),
        _ => at.to_string(),
    }
}

/// `2 January 2026`.
pub(crate) fn english_day(day: time::Date) -> String {
    day.format(DAY).unwrap_or_else(|_| day.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    #[test]
    fn times_name_their_offset() {
        assert_eq!(
            english_time(datetime!(2026-01-02 19:30 +05:30)),
            "Friday, 2 January 2026, 19:30 (UTC+05:30)"
        );
        assert_eq!(
            english_time(datetime!(2026-01-12 9:05 UTC)),
            "Monday, 12 January 2026, 09:05 (UTC)"
        );
        assert_eq!(english_day(date!(2026 - 02 - 01)), "1 February 2026");
    }
}
