//! Reading bookings: many clients, one statement.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use boxoffice_saga::identity::BookingId;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_saga::status::{self, Phase, Status, StatusDocument};
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::postgres::read::Case;
use futures::FutureExt;
use lru::LruCache;
use time::{Duration, OffsetDateTime};

use super::tag::Tag;
use crate::gather::{Gather, ReadFailed};
use crate::metric;

/// Seconds after the customer's last step at which what they are told changes without anything happening.
const STEPS_S: [i64; 2] = [10, 30];

/// A booking as it was at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) case: Arc<Case>,
    /// The database's clock at that moment.
    pub(crate) now: OffsetDateTime,
}

/// Bookings that somebody polls are remembered, at most so many: the ones polled last.
const POLLED: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

/// Reads bookings.
pub(crate) struct Cases {
    reads: Gather<BookingId, Seen>,
    versions: Gather<BookingId, (u64, OffsetDateTime)>,
    /// As they were read for those who poll.
    polled: Mutex<LruCache<BookingId, Arc<Case>>>,
}

impl Cases {
    /// The bookings of this store.
    pub(crate) fn new(store: PgStore) -> Self {
        let whole = store.clone();
        let reads = Gather::new(500, 2, move |ids: Vec<BookingId>| {
            let store = whole.clone();
            async move {
                metrics::histogram!(metric::STATUS_BATCH).record(ids.len() as f64);
                let (now, cases) = store.cases(&ids).await?;
                Ok(cases
                    .into_iter()
                    .map(|(id, case)| {
                        (
                            id,
                            Seen {
                                case: Arc::new(case),
                                now,
                            },
                        )
                    })
                    .collect())
            }
            .boxed()
        });
        let versions = Gather::new(500, 1, move |ids: Vec<BookingId>| {
            let store = store.clone();
            async move {
                metrics::histogram!(metric::STATUS_BATCH).record(ids.len() as f64);
                Ok(store.versions(&ids).await?.into_iter().collect())
            }
            .boxed()
        });
        Self {
            reads,
            versions,
            polled: Mutex::new(LruCache::new(POLLED)),
        }
    }

    /// A booking as it is now.
    pub(crate) async fn read(&self, booking: BookingId) -> Result<Option<Seen>, ReadFailed> {
        self.reads.read(booking).await
    }

    /// A booking as it is now, for whoever asks again and again: as long as its row is at the version that is remembered, the
    /// rest is not read again. The version says which document there is, as its `ETag` does.
    pub(crate) async fn read_again(&self, booking: BookingId) -> Result<Option<Seen>, ReadFailed> {
        let remembered = self.polled().get(&booking).cloned();
        if let Some(case) = remembered
            && let Some((version, now)) = self.versions.read(booking).await?
            && version == case.booking.version
        {
            return Ok(Some(Seen { case, now }));
        }
        let seen = self.read(booking).await?;
        if let Some(seen) = &seen {
            self.polled().put(booking, seen.case.clone());
        }
        Ok(seen)
    }

    fn polled(&self) -> MutexGuard<'_, LruCache<BookingId, Arc<Case>>> {
        self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The document. The pause until the next poll is in whole seconds, so that it does not change with every
    /// look.
    pub(crate) fn document(&self) -> StatusDocument {
        let payments: Vec<&Payment> = self.case.payments.iter().collect();
        let refunds: Vec<&Refund> = self.case.refunds.iter().collect();
        let mut document = status::document(&self.case.booking, &payments, &refunds, self.now);
        document.poll.after_ms = document.poll.after_ms / 1_000 * 1_000;
        document
    }

    /// How long until time alone changes what the document says, if it ever does.
    pub(crate) fn changes_in(&self, document: &StatusDocument) -> Option<std::time::Duration> {
        let booking = &self.case.booking;
        let since = booking.waiting_since.unwrap_or(booking.held_at);
        let next = match document.status {
            Status::PaymentPending if document.poll.phase != Phase::Stop => STEPS_S
                .into_iter()
                .map(|seconds| since + Duration::seconds(seconds))
                .find(|step| *step > self.now),
            Status::Held if document.pay_again => Some(booking.expires_at),
            _ => None,
        };
        // A millisecond more, so that the next look is past it.
        next.and_then(|next| (next - self.now + Duration::MILLISECOND).try_into().ok())
    }
}

impl From<&StatusDocument> for Tag {
    fn from(document: &StatusDocument) -> Self {
        Self {
            version: document.version,
            phase: document.poll.phase,
            pay_again: document.pay_again,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use boxoffice_saga::booking::{Booking, BookingState, Contact};
    use boxoffice_saga::identity::{GatewayAccount, PaymentId, ShowId, UserId};
    use boxoffice_saga::money::Money;
    use boxoffice_saga::payment::PaymentStanding;

    use super::*;

    pub(in super::super) fn seen(after_s: f64, attempt: Option<PaymentStanding>) -> Seen {
        let held_at = OffsetDateTime::UNIX_EPOCH;
        let id = BookingId::pack(0, ShowId::try_from(1_u64).unwrap(), 0);
        let amount = Money::new(100, "INR".parse().unwrap());
        let booking = Booking {
            id,
            user: UserId("u".into()),
            seats: vec!["A-1".into()],
            amount,
            state: BookingState::Held,
            contact: Contact::default(),
            held_at,
            expires_at: held_at + Duration::minutes(10),
            reclaim_at: held_at + Duration::minutes(11),
            waiting_since: attempt.map(|_| held_at),
            cancel_until_ms: 0,
            cancel_fee_bp: 0,
            confirmed_at: None,
            sequence: 1,
            version: 1,
            updated_at: held_at,
        };
        let payments = attempt.into_iter().map(|standing| Payment {
            id: PaymentId::from(uuid::Uuid::nil()),
            booking: id,
            account: GatewayAccount::new("stripe", "default"),
            gateway_payment_id: None,
            standing,
            expected: amount,
            captured: None,
            verdict: None,
            capture: Default::default(),
            retained: 0,
            disputes: Vec::new(),
            opened_at: held_at,
            decided_at: None,
        });
        let case = Case {
            booking,
            payments: payments.collect(),
            refunds: Vec::new(),
        };
        Seen {
            case: Arc::new(case),
            now: held_at + Duration::seconds_f64(after_s),
        }
    }

    /// Whenever the document changes by time alone, `changes_in` has said so, and the tag differs.
    #[test]
    fn every_change_by_time_is_foretold_and_tagged() {
        for attempt in [
            None,
            Some(PaymentStanding::Open),
            Some(PaymentStanding::Declined),
        ] {
            let mut before = seen(0.0, attempt);
            for tenth in 1..7_000 {
                let after = seen(f64::from(tenth) / 10.0, attempt);
                let (mut was, mut is) = (before.document(), after.document());
                let foretold = before
                    .changes_in(&was)
                    .is_some_and(|until| before.now + until <= after.now + Duration::MILLISECOND);
                let retagged = Tag::from(&was) != Tag::from(&is);
                // The pause until the next poll travels beside the tag.
                was.poll.after_ms = 0;
                is.poll.after_ms = 0;
                assert_eq!(was != is, retagged, "{attempt:?} at {tenth}");
                assert!(foretold || !retagged, "{attempt:?} at {tenth}");
                before = after;
            }
        }
    }
}
