//! What all doors stand on.

use std::sync::Arc;

use boxoffice_gateways::Gateways;
use boxoffice_saga::identity::{BookingId, UserId};
use boxoffice_stream::StreamError;
use boxoffice_tickets::{StatusTokens, TicketKeys};
use boxoffice_turn::postgres::PgStore;
use http::HeaderMap;
use time::Duration;
use tokio_util::sync::CancellationToken;

use crate::addresses::Addresses;
use crate::auth::TokenVerifier;
use crate::desk::HoldDesk;
use crate::health::Health;
use crate::limits::{Admission, Rates, TrustedProxies};
use crate::options::Options;
use crate::problem::Problem;
use crate::shows::{Catalogue, SeatMaps};
use crate::status::{self, Cases, Watchers};

/// What the booking API is made of.
pub struct Parts {
    /// Where turns happen.
    pub store: PgStore,
    /// The gateways that take payments.
    pub gateways: Arc<Gateways>,
    /// Who may ask.
    pub verifier: TokenVerifier,
    /// Signs and checks status addresses.
    pub status_tokens: StatusTokens,
    /// Signs tickets.
    pub ticket_keys: TicketKeys,
    /// How it behaves.
    pub options: Options,
}

/// The booking API, shared by all requests.
pub struct Api {
    pub(crate) store: PgStore,
    pub(crate) gateways: Arc<Gateways>,
    pub(crate) verifier: TokenVerifier,
    pub(crate) ticket_keys: TicketKeys,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) options: Options,
    pub(crate) catalogue: Catalogue,
    pub(crate) seat_maps: SeatMaps,
    pub(crate) desk: HoldDesk,
    pub(crate) cases: Cases,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) admission: Admission,
    pub(crate) rates: Rates,
    pub(crate) proxies: TrustedProxies,
    pub(crate) health: Health,
    /// Cancelled when the process is asked to stop: who waits is answered, readiness ends.
    pub(crate) draining: CancellationToken,
}

impl Api {
    /// Puts the parts together. Nothing is connected to or read before the first request.
    pub fn new(parts: Parts) -> Arc<Self> {
        let life = Duration::days(parts.options.status_link_days.into());
        let addresses = Arc::new(Addresses::new(
            &parts.options.public_base_url,
            parts.status_tokens,
            life,
        ));
        let db = parts.store.pool().clone();
        let api = Arc::new(Self {
            desk: HoldDesk::new(parts.store.clone(), addresses.clone(), &parts.options),
            catalogue: Catalogue::new(db.clone()),
            seat_maps: SeatMaps::new(db.clone()),
            cases: Cases::new(parts.store.clone()),
            health: Health::new(db),
            store: parts.store,
            gateways: parts.gateways,
            verifier: parts.verifier,
            ticket_keys: parts.ticket_keys,
            addresses,
            admission: Admission::new(
                parts.options.requests_under_way,
                parts.options.waiting_clients,
            ),
            rates: Rates::new(parts.options.user_rate, parts.options.address_rate),
            proxies: parts.options.trusted_proxies.clone(),
            options: parts.options,
            watchers: Arc::default(),
            draining: CancellationToken::new(),
        });
        let shown = Arc::downgrade(&api);
        api.store.show_commits(move |world| {
            if let Some(api) = shown.upgrade() {
                api.watchers.show(world);
                api.desk.show(world);
            }
        });
        api
    }

    /// Who acts, by their token, within their own rate.
    ///
    /// # Errors
    /// `unauthorised`, `slow_down`.
    pub(crate) async fn acting(&self, headers: &HeaderMap) -> Result<UserId, Problem> {
        let user = self.verifier.caller(headers).await?;
        self.rates.user(&user)?;
        Ok(user)
    }

    /// Tells those who wait for a booking of its event of this `sequence`. They read what has become of it, if that was
    /// not done here; nothing else is believed. May be called for any booking, at any time and from any thread. What turns
    /// of the same store change is known without.
    pub fn heard(&self, booking: BookingId, sequence: u32) {
        self.watchers.heard(booking, sequence);
    }

    /// Follows booking events from now on, so that long polls are answered when something happens rather than
    /// at their end. Returns at once, also while Kafka is away; it ends with this API. A second call
    /// changes nothing.
    ///
    /// # Errors
    /// If librdkafka refuses a setting, or no thread can be started.
    pub fn follow(
        self: &Arc<Self>,
        brokers: &str,
        extra: &[(String, String)],
    ) -> Result<(), StreamError> {
        if self.health.follower().is_none() {
            self.health.follows(status::follow(self, brokers, extra)?);
        }
        Ok(())
    }
}
