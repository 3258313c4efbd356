//! What became of a booking: the document, the wait for it to change, the ticket.

mod case;
mod follow;
mod route;
mod tag;
mod ticket;
mod watchers;

pub(crate) use case::Cases;
pub(crate) use follow::follow;
pub(crate) use route::status;
pub(crate) use ticket::{ticket, ticket_picture};
pub(crate) use watchers::Watchers;
