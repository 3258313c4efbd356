//! The sweep: finds open business that nobody is at work on, and has it taken up again; and what has waited for half a
//! day without anybody knowing, for a person to look at.
//!
//! A refund is taken on by the worker that reads its event, and everything else has its task in the transaction that
//! made it necessary; so there should be nothing to find. But an event may have gone to the dead letters, a table may
//! have been mended by hand, and money must not wait for somebody to notice. Safe to run in many instances at once:
//! what is there already stays as it is.

use std::time::Duration;

use boxoffice_failpoints::Role;
use boxoffice_saga::LONG_WAIT;
use boxoffice_saga::identity::BookingId;
use boxoffice_saga::input::Input;
use boxoffice_saga::world::World;
use boxoffice_turn::postgres::PgStore;
use boxoffice_turn::{Appends, Claim, Claimed, Held, Plan, TurnError, Wanted};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::metric;

/// How the sweep runs.
#[derive(Clone, Copy, Debug)]
pub struct SweepOptions {
    /// The pause between two sweeps.
    pub every: Duration,
    /// How old business must be before somebody should have been at work on it.
    pub after: Duration,
}

/// The most bookings that one sweep takes up; the rest is found by the next one.
const MOST: i64 = 200;

/// Sweeps until `shutdown`. What fails is logged and tried again at the next sweep.
pub async fn run(store: PgStore, options: SweepOptions, shutdown: CancellationToken) {
    loop {
        let pause = tokio::time::sleep(options.every);
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = pause => {}
        }
        match sweep(&store, options.after).await {
            Ok(0) => {}
            Ok(found) => tracing::warn!(
                found,
                "bookings had open business that nobody was at work on; it is taken up again"
            ),
            Err(error) => tracing::warn!(%error, "the sweep could not be made; it is tried again"),
        }
    }
}

/// One sweep. Gives back how many bookings were taken up.
///
/// # Errors
/// [`TurnError`]; sweeping again is safe.
pub async fn sweep(store: &PgStore, after: Duration) -> Result<usize, TurnError> {
    let found = find(store, after).await?;
    let mut bookings = Vec::with_capacity(found.len());
    for id in &found {
        bookings.push(BookingId::try_from(*id).map_err(|_| {
            TurnError::Corrupt(format!("{id} is no booking's id, and has open business"))
        })?);
    }
    if !bookings.is_empty() {
        boxoffice_turn::run(store, &Sweep(&bookings)).await?;
        metrics::counter!(metric::SWEPT).increment(bookings.len() as u64);
    }
    Ok(bookings.len())
}

async fn find(store: &PgStore, after: Duration) -> Result<Vec<Uuid>, TurnError> {
    let seconds = i32::try_from(after.as_secs()).unwrap_or(i32::MAX);
    let long = i32::try_from(LONG_WAIT.whole_seconds()).unwrap_or(i32::MAX);
    // `not exists` might be planned as a hash of all tasks of a kind, and of everything that ever needed a person.
    let found = sqlx::query_scalar!(
        r#"with old as (select clock_timestamp() - make_interval(secs => $1::int) as than,
                              clock_timestamp() - make_interval(secs => $3::int) as long)
           select r.booking_id as "booking_id!"
           from old, refunds r
           where r.standing in ('REQUESTED', 'UNDER_WAY', 'PENDING') and r.cause <> 'NOT_ASKED_FOR'
             and r.requested_at < old.than
             and ((select true from tasks t
                   where t.subject = r.refund_id and t.kind || '' in ('refund', 'mass_refund') limit 1) is null
                  or r.standing <> 'PENDING' and r.requested_at < old.long
                     and (select true from refund_pauses p where p.show_id = r.show_id limit 1) is null
                     and (select true from attention a
                          where a.subject = r.refund_id and a.closed_at is null limit 1) is null)
           union
           select p.booking_id
           from old, payments p join bookings b using (booking_id)
           where p.standing in ('OPEN', 'AUTHORISED', 'GIVING_UP') and p.opened_at < old.than
             and case
                 when b.state <> 'HELD' and p.opened_at < old.long
                      and (select true from attention a
                           where a.subject = p.payment_id and a.closed_at is null limit 1) is null
                 then true
                 when p.standing = 'AUTHORISED'
                 then (select true from tasks t where t.subject = p.payment_id and t.kind || '' = 'capture' limit 1) is null
                 when p.standing = 'OPEN' and b.state = 'HELD'
                 then b.reclaim_at < old.than
                      and (select true from tasks t where t.subject = b.booking_id and t.kind || '' = 'hold_timer' limit 1) is null
                 else (select true from tasks t where t.subject = p.payment_id and t.kind || '' = 'void' limit 1) is null
             end
           limit $2"#,
        seconds,
        MOST,
        long,
    )
    .fetch_all(store.pool())
    .await?;
    Ok(found)
}

/// Takes bookings up in one turn.
struct Sweep<'a>(&'a [BookingId]);

impl Plan for Sweep<'_> {
    type Answer = ();

    fn role(&self) -> Role {
        Role::Coordinator
    }

    fn claim(&self) -> Claim {
        Claim::default()
    }

    fn wanted(&self, _: &Claimed) -> Wanted {
        Wanted {
            bookings: self.0.iter().copied().collect(),
            ..Wanted::default()
        }
    }

    fn decide(&self, _: &Claimed, _: &Held, world: &mut World, _: &mut Appends) {
        for booking in self.0 {
            world.apply(*booking, Input::Swept);
        }
    }
}
