//! Looking at payments: our rows, and what their gateways say.
//!
//! What is on its way right now is no difference, so whatever differs is looked at a second time, rows and gateway,
//! after a pause.

use std::collections::BTreeMap;
use std::time::Duration;

use boxoffice_gateways::client::Answer;
use boxoffice_gateways::{CallError, GatewayClient, Gateways, RefundNews};
use boxoffice_saga::fact::{PaymentState, RefundFact};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::refund::Refund;
use boxoffice_turn::TurnError;
use boxoffice_turn::postgres::PgStore;
use futures::{FutureExt, StreamExt};
use uuid::Uuid;

use super::compare::{Theirs, compare};

/// Payments asked for at a time.
pub const AT_ONCE: usize = 4;
/// Before the second look.
pub const SETTLE: Duration = Duration::from_secs(3);
/// So often is a question asked that gets no usable answer.
const TRIES: u32 = 4;
/// The longest pause between two of them.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A payment with its refunds.
pub type Ours = (Payment, Vec<Refund>);

/// Looks at payments (by our ids, each with its booking), and again at those that differ.
///
/// # Errors
/// When the database cannot be read.
pub async fn settled(
    store: &PgStore,
    gateways: &Gateways,
    wanted: &BTreeMap<Uuid, Uuid>,
) -> Result<Vec<Look>, TurnError> {
    let seen = look(store, gateways, wanted).await?;
    let doubtful: BTreeMap<Uuid, Uuid> = seen
        .iter()
        .filter(|look| look.in_doubt())
        .map(|look| (look.ours.0.id.uuid(), look.ours.0.booking.uuid()))
        .collect();
    let mut settled: Vec<Look> = seen
        .into_iter()
        .filter(|look| !doubtful.contains_key(&look.ours.0.id.uuid()))
        .collect();
    if !doubtful.is_empty() {
        tokio::time::sleep(SETTLE).await;
        settled.extend(look(store, gateways, &doubtful).await?);
    }
    Ok(settled)
}

/// Our rows of payments (by our ids, each with its booking).
///
/// # Errors
/// When the database cannot be read.
pub async fn rows(store: &PgStore, wanted: &BTreeMap<Uuid, Uuid>) -> Result<Vec<Ours>, TurnError> {
    let mut bookings: Vec<BookingId> = Vec::with_capacity(wanted.len());
    for id in wanted.values() {
        let id = BookingId::try_from(*id)
            .map_err(|error| TurnError::Corrupt(format!("booking {id}: {error}")))?;
        bookings.push(id);
    }
    bookings.sort_unstable();
    bookings.dedup();
    let (_, cases) = store.cases(&bookings).await?;
    let ours = cases.into_values().flat_map(|case| {
        let refunds = case.refunds;
        case.payments.into_iter().map(move |payment| {
            let of = refunds.iter().filter(|row| row.payment == payment.id);
            let refunds = of.cloned().collect();
            (payment, refunds)
        })
    });
    Ok(ours
        .filter(|(payment, _)| wanted.contains_key(&payment.id.uuid()))
        .collect())
}

/// One look at one payment.
pub struct Look {
    /// Our rows.
    pub ours: Ours,
    /// What the gateway says; `None`: nobody to ask, or no call to ask with.
    pub theirs: Option<Result<Theirs, CallError>>,
}

impl Look {
    fn in_doubt(&self) -> bool {
        let (payment, refunds) = &self.ours;
        matches!(&self.theirs, Some(Ok(theirs)) if !compare(payment, refunds, theirs).is_empty())
    }
}

async fn look(
    store: &PgStore,
    gateways: &Gateways,
    wanted: &BTreeMap<Uuid, Uuid>,
) -> Result<Vec<Look>, TurnError> {
    let ours = rows(store, wanted).await?;
    let looks: Vec<_> = ours
        .into_iter()
        .map(|ours| look_at(gateways, ours).boxed())
        .collect();
    let looks = futures::stream::iter(looks).buffer_unordered(AT_ONCE);
    Ok(looks.collect().await)
}

async fn look_at(gateways: &Gateways, ours: Ours) -> Look {
    let client = gateways.client(&ours.0.account);
    let theirs = match (client, &ours.0.gateway_payment_id) {
        (Some(client), Some(id)) => match ask(client.as_ref(), id, &ours.1).await {
            Err(error) if error.is_cannot_be_asked() => None,
            answer => Some(answer),
        },
        _ => None,
    };
    Look { ours, theirs }
}

/// Asks for a payment and its refunds: all of them, or, where the gateway lists none, those that are `ours`, or, where it
/// only tells of refunds, none.
///
/// # Errors
/// The last one of a few tries.
pub async fn ask(
    client: &dyn GatewayClient,
    id: &str,
    ours: &[Refund],
) -> Result<Theirs, CallError> {
    let payment = match patiently(|| client.fetch_payment(id)).await {
        Ok(fact) => fact,
        Err(CallError::NotFound) => return Ok(Theirs::default()),
        Err(error) => return Err(error),
    };
    // What was never captured has nothing to return.
    let mut only_told = false;
    let refunds = if payment.state == PaymentState::Captured {
        match patiently(|| client.refunds_of(id)).await {
            Err(error) if error.is_cannot_be_asked() => match client.refund_news() {
                RefundNews::Asked => one_by_one(client, id, ours).await?,
                RefundNews::Told { .. } => {
                    only_told = true;
                    Vec::new()
                }
            },
            all => all?,
        }
    } else {
        Vec::new()
    };
    Ok(Theirs {
        payment: Some(payment),
        refunds,
        only_told,
    })
}

async fn one_by_one(
    client: &dyn GatewayClient,
    id: &str,
    ours: &[Refund],
) -> Result<Vec<RefundFact>, CallError> {
    let mut there = Vec::new();
    for refund in ours {
        there.extend(patiently(|| client.goes_at(id, refund.id, refund.generation)).await?);
    }
    Ok(there)
}

/// Asks again where the gateway is busy or says nothing, with growing pauses.
///
/// # Errors
/// The last one.
pub async fn patiently<'a, T>(question: impl Fn() -> Answer<'a, T>) -> Result<T, CallError> {
    let mut pause = Duration::from_secs(1);
    for _ in 1..TRIES {
        let wait = match question().await {
            Err(CallError::RetryLater { after, .. }) => after.unwrap_or(pause),
            Err(CallError::Unknown { .. }) => pause,
            answer => return answer,
        };
        tokio::time::sleep(wait.min(LONGEST_PAUSE)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    question().await
}
