//! What became of a booking: the document, the wait for it to change, the ticket.

mod case;
mod follow;
mod recent;
mod route;
mod stream;
mod tag;
mod ticket;
mod wait;
mod watchers;

pub(crate) use case::Cases;
pub(crate) use follow::follow;
pub(crate) use route::POLL_AFTER;
pub(crate) use stream::LAST_EVENT_ID;
pub(crate) use watchers::Watchers;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;

/// Its doors.
pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(route::status))
        .routes(routes!(stream::events))
        .routes(routes!(ticket::ticket))
        .routes(routes!(ticket::ticket_picture))
}
