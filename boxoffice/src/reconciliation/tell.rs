//! What was found becomes something: a record for the door, an item on the operators' list, a line of the report.

use std::collections::BTreeSet;

use boxoffice_coordinator::batch::fetched;
use boxoffice_failpoints::Role;
use boxoffice_gateways::WebhookRecord;
use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId};
use boxoffice_saga::payment::Payment;
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claimed, Held, Plan, TurnError, Wanted};
use serde::Serialize;
use uuid::Uuid;

/// Items have ids of their own: one for each payment, however often it is found.
const ITEMS: Uuid = Uuid::from_u128(0x2c9e_31a5_7d40_4b8f_9a16_e0c5_58d3_7b42);

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// What came of it.
    pub became: Became,
    /// The gateway's id of the payment.
    pub gateway_payment_id: String,
    /// The booking, where one is known.
    pub booking: Option<BookingId>,
    /// One sentence.
    pub what: String,
    /// What a person does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// What it is known by: the event's id, or `person:` and the gateway's id of the payment.
    pub finding: String,
}

/// What came of something that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// The saga hears of it, through the door.
    Repaired,
    /// A person is called.
    Person,
}

impl Became {
    /// The name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repaired => "REPAIRED",
            Self::Person => "PERSON",
        }
    }
}

/// A record for the door.
pub struct Telling {
    pub record: WebhookRecord,
    pub booking: Option<BookingId>,
    pub gateway_payment_id: String,
    pub what: String,
}

/// A payment that needs a person.
pub struct Call {
    pub payment: Payment,
    pub what: String,
    pub then: String,
}

/// What is to be told together.
#[derive(Default)]
pub struct News {
    pub tellings: Vec<Telling>,
    pub calls: Vec<Call>,
    /// Payments of which both books say the same: what was on the list about them has settled itself.
    pub settled: Vec<PaymentId>,
}

/// Tells it in one turn, and keeps what was found. What had not been found before comes back as fresh.
pub async fn tell(
    store: &PgStore,
    account: &GatewayAccount,
    news: News,
) -> Result<(Vec<Found>, BTreeSet<String>), TurnError> {
    let settled: Vec<Uuid> = news.settled.iter().map(|id| id.uuid()).collect();
    let gone = sqlx::query_scalar!(
        "select subject from attention where kind = $1 and closed_at is null and payment_id = any($2)",
        AttentionKind::BooksDiffer.name(),
        &settled,
    )
    .fetch_all(store.pool())
    .await?;
    if news.tellings.is_empty() && news.calls.is_empty() && gone.is_empty() {
        return Ok((Vec::new(), BTreeSet::new()));
    }
    let turn = Turn {
        account,
        news: &news,
        gone,
    };
    boxoffice_turn::run(store, &turn).await?;
    let found = found(&news);
    for found in &found {
        tracing::warn!(
            gateway = %account,
            payment = found.gateway_payment_id,
            became = found.became.name(),
            what = found.what,
            "the gateway's books and ours differed"
        );
    }
    let fresh = keep(store, account, &found).await?;
    Ok((found, fresh))
}

fn found(news: &News) -> Vec<Found> {
    let told = news.tellings.iter().map(|telling| Found {
        became: Became::Repaired,
        gateway_payment_id: telling.gateway_payment_id.clone(),
        booking: telling.booking,
        what: telling.what.clone(),
        then: None,
        finding: telling.record.event_id.clone(),
    });
    let called = news.calls.iter().map(|call| {
        let id = call.payment.gateway_payment_id.clone().unwrap_or_default();
        Found {
            became: Became::Person,
            finding: format!("person:{id}"),
            gateway_payment_id: id,
            booking: Some(call.payment.booking),
            what: call.what.clone(),
            then: Some(call.then.clone()),
        }
    });
    told.chain(called).collect()
}

/// Writes findings down; which of them are new.
async fn keep(
    store: &PgStore,
    account: &GatewayAccount,
    found: &[Found],
) -> Result<BTreeSet<String>, TurnError> {
    let mut seen = BTreeSet::new();
    let found: Vec<&Found> = found
        .iter()
        .filter(|found| seen.insert(&found.finding))
        .collect();
    let texts = |of: &dyn Fn(&Found) -> &str| -> Vec<String> {
        found.iter().map(|found| of(found).to_owned()).collect()
    };
    let bookings: Vec<Option<Uuid>> = found
        .iter()
        .map(|found| found.booking.map(|id| id.uuid()))
        .collect();
    let kept = sqlx::query!(
        r#"insert into reconciliation_findings as known (gateway, account, finding, gateway_payment_id, booking_id,
               what, cure)
           select $1, $2, * from unnest($3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[])
           on conflict (gateway, account, finding) do update
           set last_found_at = clock_timestamp(), what = excluded.what
           returning finding, xmax = 0 as "fresh!""#,
        account.gateway,
        account.account,
        &texts(&|found| &found.finding),
        &texts(&|found| &found.gateway_payment_id),
        &bookings as &[Option<Uuid>],
        &texts(&|found| &found.what),
        &texts(&|found| found.became.name()),
    )
    .fetch_all(store.pool())
    .await?;
    let fresh = kept.into_iter().filter(|row| row.fresh);
    Ok(fresh.map(|row| row.finding).collect())
}

struct Turn<'a> {
    account: &'a GatewayAccount,
    news: &'a News,
    gone: Vec<Uuid>,
}

impl Plan for Turn<'_> {
    type Answer = ();

    fn role(&self) -> Role {
        Role::Coordinator
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        Wanted::default()
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, appends: &mut Appends) {
        for telling in &self.news.tellings {
            let record = fetched(telling.booking, &telling.record, world.now);
            appends.outgoing.push(record);
        }
        for subject in &self.gone {
            world.dismiss_person(&[AttentionKind::BooksDiffer], *subject);
        }
        for call in &self.news.calls {
            let payment = &call.payment;
            let id = payment.gateway_payment_id.as_deref().unwrap_or_default();
            world.call_person(Attention {
                kind: AttentionKind::BooksDiffer,
                subject: Uuid::new_v5(&ITEMS, format!("{}\n{id}", self.account).as_bytes()),
                booking: Some(payment.booking),
                payment: Some(payment.id),
                amount: Some(payment.captured.unwrap_or(payment.expected)),
                reason: format!("{}; {}", call.what, call.then),
                at: world.now,
            });
        }
    }
}
