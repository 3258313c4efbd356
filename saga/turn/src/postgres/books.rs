//! What the promises are checked on: everything that the database says about some bookings, in one snapshot.
//!
//! What is theirs is looked up booking by booking (`lateral`, and `offset 0` to keep it so). `= any($1)` is planned as a walk
//! through the whole table until that has been analysed for the first time.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::{BookingId, PaymentId, ShowId};
use boxoffice_saga::input::{Input, Outcome};
use boxoffice_saga::journal::Testimony;
use boxoffice_saga::ledger::Entry;
use boxoffice_saga::payment::Payment;
use boxoffice_saga::promises::{Books, Closed, Violation};
use boxoffice_saga::refund::Refund;
use boxoffice_saga::seat::Seat;
use futures::TryStreamExt;
use serde::de::DeserializeOwned;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::read::SNAPSHOT;
use super::rows::{BookingRow, EntryRow, PaymentRow, RefundRow, SeatRow, booking_id};
use crate::error::TurnError;

/// Whose books are opened.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// All bookings of a show, and all its seats.
    Show(ShowId),
    /// These bookings, and the seats that name them.
    Bookings(&'a [BookingId]),
}

/// Books, and what the journal says about them.
#[derive(Clone, Debug)]
pub struct Record {
    /// The rows.
    pub books: Books,
    /// The journal, booking by booking.
    pub testimonies: BTreeMap<BookingId, Testimony>,
}

impl Record {
    /// Every promise that the rows break, alone or against the journal.
    pub fn violations(&self) -> Vec<Violation> {
        let books = &self.books;
        let mut found = books.violations();
        let mut payments: BTreeMap<BookingId, Vec<&Payment>> = BTreeMap::new();
        for payment in books.payments.values() {
            payments.entry(payment.booking).or_default().push(payment);
        }
        let mut refunds: BTreeMap<BookingId, Vec<&Refund>> = BTreeMap::new();
        for refund in &books.refunds {
            refunds.entry(refund.booking).or_default().push(refund);
        }
        let silent = Testimony::default();
        for booking in books.bookings.values() {
            let testimony = self.testimonies.get(&booking.id).unwrap_or(&silent);
            let payments = payments.get(&booking.id).into_iter().flatten().copied();
            let refunds = refunds.get(&booking.id).map_or(&[][..], Vec::as_slice);
            found.extend(testimony.against(booking, payments, refunds));
        }
        found
    }
}

impl super::PgStore {
    /// Begins to read in one snapshot, which can write nothing.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; beginning again is safe.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Postgres>, TurnError> {
        Ok(self.pool.begin_with(SNAPSHOT).await?)
    }

    /// Reads everything about the bookings of `show`, its retained events too, for the promises to be checked.
    ///
    /// # Errors
    /// [`TurnError::Unavailable`]; reading again is safe. [`TurnError::Corrupt`] for rows that cannot be read.
    pub async fn books(&self, show: ShowId) -> Result<Books, TurnError> {
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let (mut books, ids) = read(&mut snapshot, Whose::Show(show)).await?;
        books.sequences = sequences(&mut snapshot, &ids).await?;
        snapshot.commit().await?;
        Ok(books)
    }

    /// Only the retained events of some bookings, known or not, and the bookings.
    ///
    /// # Errors
    /// As [`Self::books`].
    pub async fn events(&self, bookings: &[BookingId]) -> Result<Books, TurnError> {
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let (mut books, _) = read(&mut snapshot, Whose::Bookings(bookings)).await?;
        let ids: Vec<Uuid> = bookings.iter().map(|id| id.uuid()).collect();
        books.sequences = sequences(&mut snapshot, &ids).await?;
        snapshot.commit().await?;
        Ok(books)
    }

    /// Reads everything but the events, and hears the journal. The journal is not kept in memory.
    ///
    /// # Errors
    /// As [`Self::books`].
    pub async fn record(&self, whose: Whose<'_>) -> Result<Record, TurnError> {
        let mut snapshot = self.pool.begin_with(SNAPSHOT).await?;
        let (books, ids) = read(&mut snapshot, whose).await?;
        let testimonies = testimonies(&mut snapshot, &ids).await?;
        snapshot.commit().await?;
        Ok(Record { books, testimonies })
    }
}

/// Reads everything but the events by a connection that is in a snapshot.
///
/// # Errors
/// As [`super::PgStore::books`].
pub async fn books_in(db: &mut PgConnection, whose: Whose<'_>) -> Result<Books, TurnError> {
    Ok(read(db, whose).await?.0)
}

async fn read(db: &mut PgConnection, whose: Whose<'_>) -> Result<(Books, Vec<Uuid>), TurnError> {
    let now = sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#)
        .fetch_one(&mut *db)
        .await?;
    let bookings = bookings(db, whose).await?;
    let ids: Vec<Uuid> = bookings.keys().map(|id| id.uuid()).collect();
    let shows: BTreeSet<ShowId> = match whose {
        Whose::Show(show) => [show].into(),
        Whose::Bookings(bookings) => bookings.iter().map(|id| id.show()).collect(),
    };
    let payments: BTreeMap<PaymentId, Payment> = sqlx::query_as!(
        PaymentRow,
        r#"select p.payment_id as "payment_id!", p.booking_id as "booking_id!", p.gateway as "gateway!",
                  p.account as "account!", p.gateway_payment_id, p.standing as "standing!",
                  p.expected_minor as "expected_minor!", p.expected_currency as "expected_currency!",
                  p.captured_minor, p.captured_currency, p.verdict, p.capture as "capture!",
                  p.retained_minor as "retained_minor!", p.disputes, p.opened_at as "opened_at!", p.decided_at
           from unnest($1::uuid[]) as asked (id)
           cross join lateral (select * from payments where booking_id = asked.id offset 0) as p"#,
        &ids,
    )
    .fetch_all(&mut *db)
    .await?
    .into_iter()
    .map(|row| Payment::try_from(row).map(|payment| (payment.id, payment)))
    .collect::<Result<_, _>>()?;
    let refunds = sqlx::query_as!(
        RefundRow,
        r#"select r.refund_id as "refund_id!", r.payment_id as "payment_id!", r.booking_id as "booking_id!",
                  r.amount_minor as "amount_minor!", r.currency as "currency!", r.cause as "cause!",
                  r.standing as "standing!", r.generation as "generation!", r.gateway_refund_id, r.other_way, r.proof,
                  r.requested_at as "requested_at!", r.done_at
           from unnest($1::uuid[]) as asked (id)
           cross join lateral (select * from refunds where booking_id = asked.id offset 0) as r"#,
        &ids,
    )
    .fetch_all(&mut *db)
    .await?
    .into_iter()
    .map(Refund::try_from)
    .collect::<Result<_, _>>()?;
    let seats = seats(db, whose, &bookings).await?;
    let paid: Vec<Uuid> = payments.keys().map(|id| id.uuid()).collect();
    let ledger = sqlx::query_as!(
        EntryRow,
        r#"select l.booking_id as "booking_id!", l.payment_id as "payment_id!", l.from_account as "from_account!",
                  l.to_account as "to_account!", l.amount_minor as "amount_minor!", l.currency as "currency!",
                  l.at as "at!"
           from unnest($1::uuid[]) as asked (id)
           cross join lateral (select * from ledger where payment_id = asked.id offset 0) as l"#,
        &paid,
    )
    .fetch_all(&mut *db)
    .await?
    .into_iter()
    .map(Entry::try_from)
    .collect::<Result<_, _>>()?;
    let with_person = sqlx::query_scalar!(
        r#"select subject as "subject!" from attention where booking_id = any($1) and closed_at is null
           union all
           -- Who has paused a show's refunds knows of them.
           select refund_id from refunds
           where booking_id = any($1) and cause = 'SHOW_CANCELLED'
             and show_id in (select show_id from refund_pauses)"#,
        &ids
    )
    .fetch_all(&mut *db)
    .await?
    .into_iter()
    .collect();
    let books = Books {
        now,
        bookings,
        payments,
        refunds,
        seats,
        closed: closed(db, &shows).await?,
        ledger,
        sequences: BTreeMap::new(),
        with_person,
    };
    Ok((books, ids))
}

async fn bookings(
    db: &mut PgConnection,
    whose: Whose<'_>,
) -> Result<BTreeMap<BookingId, Booking>, TurnError> {
    let (show, ids): (Option<i64>, Vec<Uuid>) = match whose {
        Whose::Show(show) => (Some(show.as_i64()), Vec::new()),
        Whose::Bookings(ids) => (None, ids.iter().map(|id| id.uuid()).collect()),
    };
    // Two ways to the same columns; one of them is empty.
    let rows = sqlx::query_as!(
        BookingRow,
        r#"select booking_id as "booking_id!", user_id as "user_id!", seats as "seats!",
                  amount_minor as "amount_minor!", currency as "currency!", state as "state!", email as "email!",
                  phone, language, held_at as "held_at!", expires_at as "expires_at!",
                  reclaim_at as "reclaim_at!", waiting_since, cancel_until_ms as "cancel_until_ms!",
                  cancel_fee_bp as "cancel_fee_bp!", confirmed_at, sequence as "sequence!",
                  version as "version!", updated_at as "updated_at!"
           from (select * from bookings where show_id = $1
                 union all select * from bookings where booking_id = any($2)) as b"#,
        show,
        &ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| Booking::try_from(row).map(|booking| (booking.id, booking)))
        .collect()
}

/// All seats of a show; or the seats of some bookings, as far as their rows name one of these.
async fn seats(
    db: &mut PgConnection,
    whose: Whose<'_>,
    bookings: &BTreeMap<BookingId, Booking>,
) -> Result<Vec<Seat>, TurnError> {
    let rows = match whose {
        Whose::Show(show) => {
            sqlx::query_as!(
                SeatRow,
                "select show_id, seat, state, booking_id, reclaim_at, price_minor from show_seats where show_id = $1",
                show.as_i64(),
            )
            .fetch_all(db)
            .await?
        }
        Whose::Bookings(_) => {
            let (shows, names): (Vec<i64>, Vec<String>) = bookings
                .values()
                .flat_map(|row| row.seats.iter().map(|seat| (row.show().as_i64(), seat.clone())))
                .unzip();
            sqlx::query_as!(
                SeatRow,
                r#"select distinct s.show_id, s.seat, s.state, s.booking_id, s.reclaim_at, s.price_minor
                   from unnest($1::bigint[], $2::text[]) as wanted (show_id, seat)
                   join show_seats s using (show_id, seat)"#,
                &shows,
                &names,
            )
            .fetch_all(db)
            .await?
        }
    };
    let mut seats = Vec::with_capacity(rows.len());
    for row in rows {
        let seat = Seat::try_from(row)?;
        let named = seat.booking.is_some_and(|id| bookings.contains_key(&id));
        if named || matches!(whose, Whose::Show(_)) {
            seats.push(seat);
        }
    }
    Ok(seats)
}

async fn closed(
    db: &mut PgConnection,
    shows: &BTreeSet<ShowId>,
) -> Result<BTreeMap<ShowId, Closed>, TurnError> {
    let numbers: Vec<i64> = shows.iter().map(|show| show.as_i64()).collect();
    let rows = sqlx::query!(
        "select show_id, cancelled_at, removed_at from shows
         where show_id = any($1) and (cancelled_at is not null or removed_at is not null)",
        &numbers,
    )
    .fetch_all(db)
    .await?;
    let mut closed = BTreeMap::new();
    for row in rows {
        let show = ShowId::try_from(row.show_id)
            .map_err(|_| TurnError::Corrupt(format!("show {}", row.show_id)))?;
        match (row.cancelled_at, row.removed_at) {
            (_, Some(_)) => closed.insert(show, Closed::Removed),
            (Some(since), None) => closed.insert(show, Closed::Cancelled { since }),
            (None, None) => None,
        };
    }
    Ok(closed)
}

/// The retained events, in the order in which they are published.
async fn sequences(
    db: &mut PgConnection,
    ids: &[Uuid],
) -> Result<BTreeMap<BookingId, Vec<u32>>, TurnError> {
    let wanted: BTreeSet<Uuid> = ids.iter().copied().collect();
    let keys: BTreeSet<String> = ids
        .iter()
        .map(|id| booking_id(*id).map(|id| id.show().kafka_key()))
        .collect::<Result<_, _>>()?;
    let keys: Vec<String> = keys.into_iter().collect();
    // The outbox has no index by booking, and an array of 100,000 would be searched through for each of its rows:
    // those of the shows come here instead.
    let mut rows = sqlx::query!(
        r#"select booking_id as "booking_id!", sequence as "sequence!" from outbox
           where aggregateid = any($1) and booking_id is not null and sequence is not null
           order by position"#,
        &keys,
    )
    .fetch(db);
    let mut sequences: BTreeMap<BookingId, Vec<u32>> = BTreeMap::new();
    while let Some(row) = rows.try_next().await? {
        if wanted.contains(&row.booking_id) {
            sequences
                .entry(booking_id(row.booking_id)?)
                .or_default()
                .push(row.sequence.cast_unsigned());
        }
    }
    Ok(sequences)
}

async fn testimonies(
    db: &mut PgConnection,
    ids: &[Uuid],
) -> Result<BTreeMap<BookingId, Testimony>, TurnError> {
    let mut testimonies: BTreeMap<BookingId, Testimony> = BTreeMap::new();
    let mut entries = sqlx::query!(
        r#"select j.entry as "entry!", j.booking_id as "booking_id!", j.input as "input!", j.outcome as "outcome!"
           from unnest($1::uuid[]) as asked (id)
           cross join lateral (select * from journal where booking_id = asked.id offset 0) as j
           order by j.entry"#,
        ids
    )
    .fetch(db);
    while let Some(row) = entries.try_next().await? {
        let input: Input = of_journal(row.entry, &row.input)?;
        let outcome: Outcome = of_journal(row.entry, &row.outcome)?;
        testimonies
            .entry(booking_id(row.booking_id)?)
            .or_default()
            .hear(&input, &outcome);
    }
    Ok(testimonies)
}

/// Reads one column of a journal entry. One that this build does not understand is named.
fn of_journal<T: DeserializeOwned>(entry: i64, json: &str) -> Result<T, TurnError> {
    serde_json::from_str(json)
        .map_err(|error| TurnError::Corrupt(format!("journal entry {entry}: {error}")))
}
