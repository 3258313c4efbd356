//! Plain reads that are no turns: what those who work on tasks look at before they ask anybody outside.
//!
//! What is read may be old as soon as it is there. It says whom to ask and where a record belongs; what is
//! decided is decided in a turn.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, GatewayAccount, ShowId};
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::task::TaskKind;
use boxoffice_saga::world::World;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::TurnError;

/// A booking with its money, as of one moment.
#[derive(Clone, Debug)]
pub struct Case {
    /// The booking.
    pub booking: Booking,
    /// Its payments, oldest first.
    pub payments: Vec<Payment>,
    /// Its refunds.
    pub refunds: Vec<Refund>,
}

impl Case {
    /// The bookings that a turn has changed, or whose money it has, of those that `wanted` names: as its commit leaves
    /// them. A turn reads a booking's money whole, so nothing is missing.
    pub fn changed_by<'a>(
        world: &'a World,
        wanted: impl Fn(BookingId) -> bool + 'a,
    ) -> impl Iterator<Item = Self> + 'a {
        let changes = &world.changes;
        let payments = changes.payments_changed.iter();
        let refunds = changes.refunds_changed.iter();
        let mut ids: BTreeSet<BookingId> = changes.bookings_changed.clone();
        ids.extend(&changes.bookings_created);
        ids.extend(payments.filter_map(|id| world.payments.get(id).map(|row| row.booking)));
        ids.extend(refunds.filter_map(|id| world.refunds.get(id).map(|row| row.booking)));
        ids.into_iter()
            .filter(move |id| wanted(*id))
            .filter_map(|id| {
                let mut payments: Vec<_> = world.payments_of(id).cloned().collect();
                payments.sort_by_key(|payment| (payment.opened_at, payment.id));
                let mut refunds: Vec<_> = world.refunds_of(id).cloned().collect();
                refunds.sort_by_key(|refund| (refund.requested_at, refund.id));
                Some(Self {
                    booking: world.bookings.get(&id)?.clone(),
                    payments,
                    refunds,
                })
            })
    }
}

/// A record that was set aside: its headers and its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRecord {
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value.
    pub payload: Vec<u8>,
}

/// Reads of committed rows. Reading again is always safe.
///
/// Every function may fail with [`TurnError::Unavailable`] or [`TurnError::Corrupt`].
pub trait Reads: Send + Sync + 'static {
    /// Bookings with their money in one snapshot, and the store's clock. Unknown ids are left out.
    fn cases(
        &self,
        ids: &[BookingId],
    ) -> impl Future<Output = Result<(OffsetDateTime, BTreeMap<BookingId, Case>), TurnError>> + Send;

    /// The bookings that these payments, by the gateways' ids, are for. Unknown ones are left out.
    fn bookings_of_payments(
        &self,
        ids: &[(GatewayAccount, String)],
    ) -> impl Future<Output = Result<BTreeMap<(GatewayAccount, String), BookingId>, TurnError>> + Send;

    /// A parked record, unless it has found its way.
    fn parked_record(
        &self,
        id: Uuid,
    ) -> impl Future<Output = Result<Option<ParkedRecord>, TurnError>> + Send;

    /// The next `limit` bookings of `show` behind `after` that hold or own seats, in order.
    fn live_bookings(
        &self,
        show: ShowId,
        after: Option<BookingId>,
        limit: u16,
    ) -> impl Future<Output = Result<Vec<BookingId>, TurnError>> + Send;

    /// How many tasks of a kind there are, due or not, counted up to `limit`.
    fn tasks_waiting(
        &self,
        kind: TaskKind,
        limit: u16,
    ) -> impl Future<Output = Result<u16, TurnError>> + Send;
}
