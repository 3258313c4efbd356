//! How many requests are under way, and how many clients wait.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::PeerAddress;
use super::address::counted;
use crate::api::Api;
use crate::metric;
use crate::problem::{Code, Problem};

/// The rooms of this process.
pub(crate) struct Admission {
    under_way: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Admission {
    /// Lets so many requests be under way, and so many clients wait beside them.
    pub(crate) fn new(under_way: usize, waiting: usize) -> Self {
        let room = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        Self {
            under_way: room(under_way),
            waiting: room(waiting),
        }
    }
}

/// A request that was let in. Its place is free again when the answer is out and every copy of this is gone.
#[derive(Clone)]
pub(crate) struct Admitted {
    place: Arc<Mutex<OwnedSemaphorePermit>>,
    waiting: Arc<Semaphore>,
}

impl Admitted {
    /// Moves over to those who wait, who cost little and stay long. False if that room is full: then the
    /// request must not wait.
    pub(crate) fn waits(&self) -> bool {
        let Ok(place) = self.waiting.clone().try_acquire_owned() else {
            metrics::counter!(metric::REQUESTS_TURNED_AWAY, "reason" => "waiting").increment(1);
            return false;
        };
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        true
    }
}

impl<S: Sync> FromRequestParts<S> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // The router puts it there for every route that can ask for it.
        std::future::ready(
            parts
                .extensions
                .get()
                .cloned()
                .ok_or_else(Problem::internal),
        )
        .await
    }
}

/// Lets a request in, or says why not: its address asks too often, or there is no room.
pub(crate) async fn admitted(
    State(api): State<Arc<Api>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(PeerAddress(peer)) = request.extensions().get() {
        let client = counted(api.proxies.client(peer.ip(), request.headers()));
        if let Err(problem) = api.rates.address(client) {
            return problem.into_response();
        }
    }
    let Ok(place) = api.admission.under_way.clone().try_acquire_owned() else {
        metrics::counter!(metric::REQUESTS_TURNED_AWAY, "reason" => "overloaded").increment(1);
        let full = Problem::new(
            Code::Overloaded,
            "This instance has as much under way as it can carry. Nothing was done; try again in a moment.",
        );
        // Spread out, so that those who were turned away together do not come back together.
        return full.retry_after(rand::random_range(1..=4)).into_response();
    };
    let admitted = Admitted {
        place: Arc::new(Mutex::new(place)),
        waiting: api.admission.waiting.clone(),
    };
    request.extensions_mut().insert(admitted.clone());
    let response = next.run(request).await;
    drop(admitted);
    response
}
