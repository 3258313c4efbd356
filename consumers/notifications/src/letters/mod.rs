//! What we tell customers, one file per occasion. A file holds the data and the whole text, as a letter and in
//! short, in every language.
//!
//! The reader is anxious: money has left their account. So each message says first what is the case, then what
//! happens next without them, and promises nothing that we do not know. Written from plain data, without clock
//! or I/O: the same data give the same text.

mod booking_cancelled;
mod booking_confirmed;
mod booking_failed_refunding;
mod facts;
mod hold_expired;
mod hold_expiring;
mod page;
mod refunded;
mod short;

pub use booking_cancelled::{BookingCancelled, CancelledBy};
pub use booking_confirmed::BookingConfirmed;
pub use booking_failed_refunding::{BookingFailedRefunding, ReturnReason};
pub use facts::BookingFacts;
pub use hold_expired::HoldExpired;
pub use hold_expiring::HoldExpiring;
pub use page::{Letterhead, Page};
pub use refunded::Refunded;
pub use short::{Encoding, MOST_SEGMENTS, segments};

pub(crate) use page::line;

use boxoffice_tickets::TicketCode;

use crate::language::Language;
use crate::template::Template;

/// What is said on one occasion, in every language.
pub trait Wording: Send + Sync {
    /// On which occasion.
    fn template(&self) -> Template;

    /// The letter.
    fn page(&self, language: Language) -> Page;

    /// The same in one or two segments of a text message, for SMS and push. It names no address and carries no
    /// code: the letter does. `None` for what is told by letter alone.
    fn short(&self, language: Language) -> Option<String>;

    /// The ticket that the letter carries, as a picture in it and as an attachment.
    fn ticket(&self) -> Option<&TicketCode> {
        None
    }
}
