//! A show to be created, and what must be true of it.

use std::collections::BTreeSet;

use boxoffice_saga::booking::Terms;
use boxoffice_saga::identity::{SeatName, ShowId};
use boxoffice_saga::money::Currency;
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;

/// The most seats of one show.
pub const MOST_SEATS: usize = 40_000;
/// The highest price of a seat, in minor units.
const HIGHEST_PRICE: i64 = 1_000_000_000_000;
/// The longest time in any of the terms: 30 days, in milliseconds.
const LONGEST_TERM_MS: i64 = 30 * 24 * 3_600_000;
const LONGEST_TEXT: usize = 200;

/// A show to be created.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewShow {
    /// Its number; without one it gets the next that is free.
    #[serde(default)]
    pub show: Option<ShowId>,
    /// The owner's own name for it, unique if given.
    #[serde(default)]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub external_ref: Option<String>,
    /// What people read.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub title: String,
    /// When it begins.
    #[serde(with = "time::serde::rfc3339")]
    pub starts_at: OffsetDateTime,
    /// Under which rules it is sold, and in which currency. In JSON all but the currency may be left out.
    #[serde(deserialize_with = "given_terms")]
    #[schema(value_type = GivenTerms)]
    pub terms: Terms,
    /// Its seats, each name once.
    #[schema(min_items = 1, max_items = 40_000)]
    pub seats: Vec<NewSeat>,
}

/// A seat of a show to be created.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSeat {
    /// Its name, unique within the show: 1 to 16 printable ASCII characters without spaces, for example
    /// `A-12`.
    #[schema(value_type = String, min_length = 1, max_length = 16, pattern = "^[!-~]+$")]
    pub seat: SeatName,
    /// The row that it stands in, as people read it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub row: String,
    /// Its number within the row.
    pub number: i32,
    /// The section, as people read it.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub section: String,
    /// Its price, in minor units of the show's currency: 0 to 10^12.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64)]
    pub price_minor: i64,
}

/// Terms as they are given: what is left out is as [usual](Terms::usual).
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = NewTerms)]
#[serde(deny_unknown_fields)]
pub struct GivenTerms {
    /// The currency of all prices.
    pub currency: Currency,
    /// How long a hold lives, in milliseconds.
    #[schema(minimum = 1, maximum = 2_592_000_000_i64)]
    pub hold_ms: Option<i64>,
    /// How much longer nobody else gets the seats, in milliseconds.
    #[schema(minimum = 0, maximum = 2_592_000_000_i64)]
    pub grace_ms: Option<i64>,
    /// How long opening a payment keeps the seats at least, in milliseconds.
    #[schema(minimum = 0, maximum = 2_592_000_000_i64)]
    pub extension_ms: Option<i64>,
    /// How long after the promised end it keeps them at most, in milliseconds.
    #[schema(minimum = 0, maximum = 2_592_000_000_i64)]
    pub extension_limit_ms: Option<i64>,
    /// How long before the promised end the customer is warned, in milliseconds.
    #[schema(minimum = 0, maximum = 2_592_000_000_i64)]
    pub warning_ms: Option<i64>,
    /// At most this many seats in one hold.
    #[schema(minimum = 1, maximum = 100)]
    pub seat_limit: Option<u16>,
    /// Until how long before the beginning a customer may cancel what is paid, in milliseconds.
    #[schema(minimum = 0, maximum = 2_592_000_000_i64)]
    pub cancel_until_ms: Option<i64>,
    /// What is kept of the price when a customer cancels, in hundredths of a percent.
    #[schema(minimum = 0, maximum = 10_000)]
    pub cancel_fee_bp: Option<u16>,
}

impl From<GivenTerms> for Terms {
    fn from(given: GivenTerms) -> Self {
        let usual = Self::usual(given.currency);
        Self {
            currency: given.currency,
            hold_ms: given.hold_ms.unwrap_or(usual.hold_ms),
            grace_ms: given.grace_ms.unwrap_or(usual.grace_ms),
            extension_ms: given.extension_ms.unwrap_or(usual.extension_ms),
            extension_limit_ms: given.extension_limit_ms.unwrap_or(usual.extension_limit_ms),
            warning_ms: given.warning_ms.unwrap_or(usual.warning_ms),
            seat_limit: given.seat_limit.unwrap_or(usual.seat_limit),
            cancel_until_ms: given.cancel_until_ms.unwrap_or(usual.cancel_until_ms),
            cancel_fee_bp: given.cancel_fee_bp.unwrap_or(usual.cancel_fee_bp),
        }
    }
}

fn given_terms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Terms, D::Error> {
    GivenTerms::deserialize(deserializer).map(Terms::from)
}

/// What is wrong with a show to be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShow {
    /// The title, a row, a section or the owner's name is empty, too long or has control characters.
    #[error("{0} must be 1 to {LONGEST_TEXT} characters without line breaks")]
    Text(&'static str),
    /// No seats.
    #[error("a show needs at least one seat")]
    NoSeats,
    /// More than [`MOST_SEATS`].
    #[error("a show has at most {MOST_SEATS} seats, this one has {0}")]
    TooManySeats(usize),
    /// A seat's name cannot be.
    #[error(
        "seat {0:?}: a name is 1 to 16 printable ASCII characters without spaces, for example A-12"
    )]
    SeatName(SeatName),
    /// The same name twice.
    #[error("seat {0:?} is there twice")]
    SeatTwice(SeatName),
    /// A price out of bounds.
    #[error("seat {seat:?}: a price is 0 to {HIGHEST_PRICE} minor units, not {price}")]
    Price {
        /// Whose.
        seat: SeatName,
        /// Which.
        price: i64,
    },
    /// A term out of bounds.
    #[error("{term} must be {lowest} to {highest}, not {value}")]
    Term {
        /// Which.
        term: &'static str,
        /// What it is.
        value: i64,
        /// The lowest that it may be.
        lowest: i64,
        /// The highest that it may be.
        highest: i64,
    },
}

impl NewShow {
    /// A hall of `rows` rows (A, B, …, Z, AA, …) with `per_row` seats each, one section, one price, the usual
    /// terms: for demonstrations and tests.
    pub fn hall(
        title: &str,
        starts_at: OffsetDateTime,
        currency: Currency,
        rows: u16,
        per_row: u16,
        price_minor: i64,
    ) -> Self {
        let seats = (0..rows).flat_map(|row| {
            let row = row_name(row);
            (1..=i32::from(per_row)).map(move |number| NewSeat {
                seat: format!("{row}-{number}"),
                row: row.clone(),
                number,
                section: "Stalls".into(),
                price_minor,
            })
        });
        Self {
            show: None,
            external_ref: None,
            title: title.into(),
            starts_at,
            terms: Terms::usual(currency),
            seats: seats.collect(),
        }
    }

    /// Checks everything that the database would refuse, and what it could not know.
    ///
    /// # Errors
    /// [`InvalidShow`] for the first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidShow> {
        check_title(&self.title)?;
        if let Some(external_ref) = &self.external_ref {
            text("external_ref", external_ref)?;
        }
        check_terms(&self.terms)?;
        if self.seats.is_empty() {
            return Err(InvalidShow::NoSeats);
        }
        if self.seats.len() > MOST_SEATS {
            return Err(InvalidShow::TooManySeats(self.seats.len()));
        }
        let mut names = BTreeSet::new();
        for seat in &self.seats {
            seat.check()?;
            if !names.insert(&seat.seat) {
                return Err(InvalidShow::SeatTwice(seat.seat.clone()));
            }
        }
        Ok(())
    }
}

impl NewSeat {
    /// Checks a seat by itself.
    ///
    /// # Errors
    /// [`InvalidShow`] for the first thing that is wrong.
    pub fn check(&self) -> Result<(), InvalidShow> {
        if !seat_name(&self.seat) {
            return Err(InvalidShow::SeatName(self.seat.clone()));
        }
        text("a row's name", &self.row)?;
        text("a section's name", &self.section)?;
        if !(0..=HIGHEST_PRICE).contains(&self.price_minor) {
            return Err(InvalidShow::Price {
                seat: self.seat.clone(),
                price: self.price_minor,
            });
        }
        Ok(())
    }
}

/// Could there be a seat of this name?
pub(crate) fn seat_name(name: &str) -> bool {
    (1..=16).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_graphic())
}

/// Could this be a show's title?
pub(super) fn check_title(title: &str) -> Result<(), InvalidShow> {
    text("the title", title)
}

fn text(what: &'static str, value: &str) -> Result<(), InvalidShow> {
    let fits = !value.trim().is_empty()
        && value.chars().count() <= LONGEST_TEXT
        && !value.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(InvalidShow::Text(what))
    }
}

fn check_terms(terms: &Terms) -> Result<(), InvalidShow> {
    let bounds = [
        ("hold_ms", terms.hold_ms, 1, LONGEST_TERM_MS),
        ("grace_ms", terms.grace_ms, 0, LONGEST_TERM_MS),
        ("extension_ms", terms.extension_ms, 0, LONGEST_TERM_MS),
        (
            "extension_limit_ms",
            terms.extension_limit_ms,
            0,
            LONGEST_TERM_MS,
        ),
        ("warning_ms", terms.warning_ms, 0, LONGEST_TERM_MS),
        ("seat_limit", i64::from(terms.seat_limit), 1, 100),
        ("cancel_until_ms", terms.cancel_until_ms, 0, LONGEST_TERM_MS),
        ("cancel_fee_bp", i64::from(terms.cancel_fee_bp), 0, 10_000),
    ];
    for (term, value, lowest, highest) in bounds {
        if !(lowest..=highest).contains(&value) {
            return Err(InvalidShow::Term {
                term,
                value,
                lowest,
                highest,
            });
        }
    }
    Ok(())
}

/// A, B, …, Z, AA, AB, …
fn row_name(row: u16) -> String {
    let mut left = u32::from(row) + 1;
    let mut name = String::new();
    while left > 0 {
        left -= 1;
        let letter = u8::try_from(left % 26).unwrap_or(0) + b'A';
        name.insert(0, char::from(letter));
        left /= 26;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show() -> NewShow {
        NewShow::hall(
            "A show",
            OffsetDateTime::UNIX_EPOCH,
            "INR".parse().unwrap(),
            28,
            10,
            45_000,
        )
    }

    #[test]
    fn a_hall_is_a_good_show() {
        let show = show();
        assert_eq!(show.check(), Ok(()));
        assert_eq!(show.seats[0].seat, "A-1");
        assert_eq!(show.seats[279].seat, "AB-10");
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let wrong = |change: fn(&mut NewShow)| {
            let mut show = show();
            change(&mut show);
            show.check().unwrap_err().to_string()
        };
        assert!(wrong(|show| show.seats.clear()).contains("at least one"));
        assert!(wrong(|show| show.seats[3].seat = "A-1".into()).contains("twice"));
        assert!(wrong(|show| show.seats[3].seat = "A 1".into()).contains("printable"));
        assert!(wrong(|show| show.seats[3].seat = "x".repeat(17)).contains("printable"));
        assert!(wrong(|show| show.seats[3].price_minor = -1).contains("price"));
        assert!(wrong(|show| show.terms.hold_ms = 0).contains("hold_ms"));
        assert!(wrong(|show| show.terms.seat_limit = 101).contains("seat_limit"));
        assert!(wrong(|show| show.title = " ".into()).contains("title"));
        assert!(wrong(|show| show.seats = vec![show.seats[0].clone(); 40_001]).contains("40000"));
        let mut free = show();
        free.terms.grace_ms = 0;
        free.seats[0].price_minor = 0;
        assert_eq!(free.check(), Ok(()));
    }
}
