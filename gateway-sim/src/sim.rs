//! The running simulator: books, clock, and what is under way.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::books::Books;
use crate::clock::Clock;
use crate::mail_server::MailServer;
use crate::wire::Wire;
use crate::{Options, SimError, persist};

/// Webhooks under way at a time.
const SENDING: usize = 64;
/// How long a receiver may take to answer a webhook.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Sim {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    books: Mutex<Books>,
    /// Idempotency keys of calls that have not been answered yet.
    in_flight: Mutex<HashSet<String>>,
    /// Per payment, deliveries that wait for the next event to go first.
    pub(crate) held_back: Mutex<HashMap<String, Vec<usize>>>,
    /// Something changed that is not on disk yet.
    pub(crate) dirty: Notify,
    pub(crate) http: reqwest::Client,
    pub(crate) sending: Semaphore,
    pub(crate) mail: Option<MailServer>,
    pub(crate) shutdown: CancellationToken,
}

impl Sim {
    pub(crate) async fn open(
        options: Options,
        shutdown: CancellationToken,
    ) -> Result<Self, SimError> {
        let mut books = persist::load(options.state_file.as_deref()).await?;
        if books.script.is_none() {
            books.script.clone_from(&options.script);
        }
        books.cashfree_reserves = options
            .cashfree
            .as_ref()
            .is_some_and(|account| account.reserves);
        // Taken only if the process has not chosen a provider itself; without one reqwest would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        let webhooks = [Wire::Stripe, Wire::Razorpay, Wire::Cashfree, Wire::Adyen]
            .map(|wire| options.webhook_of(wire));
        if webhooks
            .into_iter()
            .flatten()
            .all(|webhook| webhook.url.starts_with("http://"))
        {
            http = http.no_proxy().tls_certs_only([]);
        }
        let http = http.build().map_err(SimError::Client)?;
        Ok(Self {
            clock: Clock::new(books.clock_ahead_ms),
            mail: options.mail.clone().map(MailServer::new),
            options,
            books: Mutex::new(books),
            in_flight: Mutex::default(),
            held_back: Mutex::default(),
            dirty: Notify::new(),
            http,
            sending: Semaphore::new(SENDING),
            shutdown,
        })
    }

    /// The books, for as long as the guard lives. A handler that panicked has written whole objects or none.
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Claims an idempotency key while its call is under way. None: another call has it.
    pub(crate) fn claim(&self, key: &str) -> Option<Claim<'_>> {
        let mut in_flight = self
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        in_flight.insert(key.to_owned()).then(|| Claim {
            sim: self,
            key: key.to_owned(),
        })
    }
}

/// An idempotency key under way; free again when dropped.
pub(crate) struct Claim<'a> {
    sim: &'a Sim,
    key: String,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.sim
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}
