//! What became of a booking: the document, the wait for it to change, the ticket.

mod case;
mod follow;
mod route;
mod stream;
mod tag;
mod ticket;
mod wait;
mod watchers;

pub(crate) use case::Cases;
pub(crate) use follow::follow;
pub(crate) use route::{POLL_AFTER, status};
pub(crate) use stream::{LAST_EVENT_ID, events};
pub(crate) use ticket::{ticket, ticket_picture};
pub(crate) use watchers::Watchers;
