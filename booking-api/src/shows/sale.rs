//! Creating shows and putting them on sale: for the command line, for demonstrations, for tests.

use boxoffice_saga::identity::ShowId;
use boxoffice_turn::TurnError;
use sqlx::PgPool;

use super::new_show::{InvalidShow, NewShow};

/// How often the next free number is looked for, should others take it meanwhile.
const TRIES: u32 = 10;

/// Why a show was not created or put on sale. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// It cannot be.
    #[error(transparent)]
    Invalid(#[from] InvalidShow),
    /// The number, or the owner's name for it, belongs to another show.
    #[error("another show has the {0}; choose another")]
    Taken(&'static str),
    /// There is no such show.
    #[error("there is no show {0}; create it first")]
    Unknown(ShowId),
    /// It has been cancelled.
    #[error("show {0} is cancelled and cannot go on sale")]
    Cancelled(ShowId),
    /// The database says no, or is not there.
    #[error("the database could not do it")]
    Database(#[from] TurnError),
}

/// Writes a show and the plan of its seats. It is not on sale yet, and the public does not see it. Gives
/// back its number.
///
/// # Errors
/// [`ShowError`].
pub async fn create_show(db: &PgPool, show: &NewShow) -> Result<ShowId, ShowError> {
    show.check()?;
    for _ in 0..TRIES {
        match insert(db, show).await {
            Ok(id) => return ShowId::try_from(id).map_err(|_| ShowError::Taken("last number")),
            Err(error) => match error
                .as_database_error()
                .and_then(|database| database.constraint())
            {
                Some("shows_pkey") if show.show.is_none() => {}
                Some("shows_pkey") => return Err(ShowError::Taken("number")),
                Some("shows_show_id_check") => return Err(ShowError::Taken("last number")),
                Some("shows_external_ref_key") => return Err(ShowError::Taken("external_ref")),
                _ => return Err(TurnError::from(error).into()),
            },
        }
    }
    Err(ShowError::Taken("next number"))
}

/// One statement is one transaction: the show and its whole plan, or neither.
async fn insert(db: &PgPool, show: &NewShow) -> Result<i64, sqlx::Error> {
    let seats = &show.seats;
    let terms = &show.terms;
    sqlx::query_scalar!(
        r#"with created as (
             insert into shows (show_id, external_ref, title, starts_at, currency, hold_ms, grace_ms,
                 extension_ms, extension_limit_ms, warning_ms, seat_limit)
             values (coalesce($1::bigint, (select coalesce(max(show_id), 0) + 1 from shows)), $2, $3, $4, $5,
                 $6, $7, $8, $9, $10, $11)
             returning show_id
           ), planned as (
             insert into seat_plans (show_id, seat, row_name, number, section, price_minor)
             select created.show_id, plan.seat, plan.row_name, plan.number, plan.section, plan.price_minor
             from created,
                  unnest($12::text[], $13::text[], $14::int[], $15::text[], $16::bigint[])
                      as plan (seat, row_name, number, section, price_minor)
           )
           select show_id as "show_id!" from created"#,
        show.show.map(ShowId::as_i64),
        show.external_ref,
        show.title,
        show.starts_at,
        terms.currency.code(),
        terms.hold_ms,
        terms.grace_ms,
        terms.extension_ms,
        terms.extension_limit_ms,
        terms.warning_ms,
        i32::from(terms.seat_limit),
        &seats.iter().map(|seat| seat.seat.clone()).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.row.clone()).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.number).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.section.clone()).collect::<Vec<_>>(),
        &seats.iter().map(|seat| seat.price_minor).collect::<Vec<_>>(),
    )
    .fetch_one(db)
    .await
}

/// What putting a show on sale came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSale {
    /// It is on sale from now on, with so many seats.
    Now {
        /// How many.
        seats: u64,
    },
    /// It was on sale before; nothing has changed.
    Already,
}

/// Puts a show on sale: its plan becomes seats. Doing it twice is doing it once.
///
/// # Errors
/// [`ShowError`].
pub async fn put_on_sale(db: &PgPool, show: ShowId) -> Result<OnSale, ShowError> {
    // One statement is one transaction; a second caller waits for the show's row and then finds it sold.
    let created = sqlx::query!(
        "with opened as (
           update shows set status = 'ON_SALE' where show_id = $1 and status = 'DRAFT' returning show_id
         )
         insert into show_seats (show_id, seat, price_minor)
         select plan.show_id, plan.seat, plan.price_minor
         from opened join seat_plans plan using (show_id)
         order by plan.seat",
        show.as_i64(),
    )
    .execute(db)
    .await
    .map_err(TurnError::from)?
    .rows_affected();
    if created > 0 {
        return Ok(OnSale::Now { seats: created });
    }
    let status = sqlx::query_scalar!("select status from shows where show_id = $1", show.as_i64())
        .fetch_optional(db)
        .await
        .map_err(TurnError::from)?;
    match status.as_deref() {
        None => Err(ShowError::Unknown(show)),
        Some("CANCELLED") => Err(ShowError::Cancelled(show)),
        Some(_) => Ok(OnSale::Already),
    }
}
