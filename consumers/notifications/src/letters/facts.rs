//! What every message says about the booking.

use time::OffsetDateTime;
use uuid::Uuid;

use super::page::{Block, Page};
use crate::language::Language;

/// Seats are named in a short message as long as they take no more than this, in bytes; then they are counted.
const SHORT_SEATS: usize = 20;

/// What a message says about the booking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingFacts {
    /// The booking: the reference that the customer quotes.
    pub booking_id: Uuid,
    /// The show's title.
    pub show_title: String,
    /// When it starts, in the offset from UTC in which it is to be read; left out when unknown.
    pub starts_at: Option<OffsetDateTime>,
    /// Where it is; left out when unknown.
    pub venue: Option<String>,
    /// The seats, in the order in which they are to be read.
    pub seats: Vec<String>,
    /// Where the booking's status is seen; must be an `http` or `https` address, else it is left out.
    pub status_url: Option<String>,
}

impl BookingFacts {
    /// A letter about the booking: `blocks`, and where its status is seen.
    pub(super) fn page(&self, language: Language, title: String, mut blocks: Vec<Block>) -> Page {
        let status = language.words().status;
        blocks.extend(self.status_url.clone().map(|url| Block::Link(status, url)));
        Page {
            language,
            title,
            blocks,
        }
    }

    /// The rows of the booking itself, and `more`.
    pub(super) fn rows<const N: usize>(
        &self,
        language: Language,
        more: [(&'static str, String); N],
    ) -> Block {
        let words = language.words();
        let mut rows = vec![(words.show, self.show_title.clone())];
        rows.extend(self.starts_at.map(|at| (words.starts, language.moment(at))));
        rows.extend(self.venue.clone().map(|venue| (words.venue, venue)));
        let seats = if self.seats.len() == 1 {
            words.seat
        } else {
            words.seats
        };
        rows.push((seats, self.seats.join(", ")));
        rows.push((words.reference, self.booking_id.to_string()));
        rows.extend(more);
        Block::Facts(rows)
    }

    /// The seats for a short message: `A-1, A-2`, or `9 seats`.
    pub(super) fn short_seats(&self, language: Language) -> String {
        let named = self.seats.join(", ");
        if named.len() <= SHORT_SEATS {
            named
        } else {
            format!("{} {}", self.seats.len(), language.words().seats_counted)
        }
    }

    /// `, 2 Jan 19:30`, to stand behind the show's title in a short message; nothing when unknown.
    pub(super) fn short_start(&self, language: Language) -> String {
        self.starts_at
            .map(|at| format!(", {}", language.short_moment(at)))
            .unwrap_or_default()
    }
}
