//! What is found is logged once and put on the operators' list; what is gone is taken off it.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_failpoints::Role;
use boxoffice_saga::attention::{Attention, AttentionKind};
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::promises::Promise;
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claimed, Held, Plan, TurnError, Wanted};
use uuid::Uuid;

use super::heading;
use crate::audit::finding::{Finding, Rule};

/// Findings have ids of their own, so that each is one item however often it is found.
const FINDINGS: Uuid = Uuid::from_u128(0x0f1d_b70c_e90e_4d41_8a55_b20c_e4a9_15e5);

/// These bookings were evaluated, but for their events.
pub async fn over(
    store: &PgStore,
    bookings: &[BookingId],
    found: &[Finding],
) -> Result<(), TurnError> {
    let ids: Vec<Uuid> = bookings.iter().map(|id| id.uuid()).collect();
    let open = sqlx::query_scalar!(
        "select subject from attention
         where kind = $1 and closed_at is null and booking_id = any($2) and not starts_with(reason, $3)",
        AttentionKind::PromiseBroken.name(),
        &ids,
        heading(Rule::Promise(Promise::Event1)),
    )
    .fetch_all(store.pool())
    .await?;
    tell(store, open, found).await
}

/// All that there is to say about one promise was looked at.
pub async fn whole(store: &PgStore, promise: Promise, found: &[Finding]) -> Result<(), TurnError> {
    let open = sqlx::query_scalar!(
        "select subject from attention where kind = $1 and closed_at is null and starts_with(reason, $2)",
        AttentionKind::PromiseBroken.name(),
        heading(Rule::Promise(promise)),
    )
    .fetch_all(store.pool())
    .await?;
    tell(store, open, found).await
}

async fn tell(store: &PgStore, open: Vec<Uuid>, found: &[Finding]) -> Result<(), TurnError> {
    let open: BTreeSet<Uuid> = open.into_iter().collect();
    let found: BTreeMap<Uuid, &Finding> =
        found.iter().map(|finding| (id(finding), finding)).collect();
    let news = News {
        fresh: found
            .iter()
            .filter(|(id, _)| !open.contains(*id))
            .map(|(id, finding)| (*id, *finding))
            .collect(),
        gone: open
            .iter()
            .filter(|id| !found.contains_key(*id))
            .copied()
            .collect(),
    };
    if news.fresh.is_empty() && news.gone.is_empty() {
        return Ok(());
    }
    boxoffice_turn::run(store, &news).await?;
    for finding in news.fresh.values() {
        tracing::error!(
            promise = finding.promise.name(),
            what = finding.what,
            look = finding.look,
            "a promise is broken"
        );
    }
    for finding in &news.gone {
        tracing::info!(%finding, "a promise that was broken holds again");
    }
    Ok(())
}

fn id(finding: &Finding) -> Uuid {
    let what = format!("{}{}", heading(finding.promise), finding.what);
    Uuid::new_v5(&FINDINGS, what.as_bytes())
}

struct News<'a> {
    fresh: BTreeMap<Uuid, &'a Finding>,
    gone: Vec<Uuid>,
}

impl Plan for News<'_> {
    type Answer = ();

    fn role(&self) -> Role {
        Role::Coordinator
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        Wanted::default()
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, _: &mut Appends) {
        for id in &self.gone {
            world.dismiss_person(&[AttentionKind::PromiseBroken], *id);
        }
        for (id, finding) in &self.fresh {
            world.call_person(Attention {
                kind: AttentionKind::PromiseBroken,
                subject: *id,
                booking: finding.booking,
                payment: None,
                amount: None,
                reason: format!(
                    "{}{}; look at: {}",
                    heading(finding.promise),
                    finding.what,
                    finding.look
                ),
                at: world.now,
            });
        }
    }
}
