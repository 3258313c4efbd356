//! Creating a show: its row, and the plan of its seats.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::error::ShowError;
use super::new_show::{NewSeat, NewShow};
use crate::operators::Act;

/// How often the next free number is looked for, should others take it meanwhile.
const TRIES: u32 = 10;

/// Writes a show and the plan of its seats. It is not on sale yet, and the public does not see it.
#[derive(Clone, Copy, Debug)]
pub struct CreateShow<'a>(pub &'a NewShow);

/// A show was created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = CreatedShow)]
pub struct Created {
    /// Its number.
    pub show_id: ShowId,
    /// How many seats it will have.
    pub seats: usize,
}

impl Act for CreateShow<'_> {
    type Done = Created;
    type Error = ShowError;
    const STATUS: u16 = 201;

    fn what(&self) -> &'static str {
        "show.create"
    }

    fn subject(&self, done: &Created) -> String {
        done.show_id.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<Created, ShowError> {
        self.0.check()?;
        let show_id = insert(db, self.0).await?;
        let seats = self.0.seats.len();
        Ok(Created { show_id, seats })
    }
}

/// Writes a show and its plan for nobody in particular: for demonstrations and tests.
///
/// # Errors
/// [`ShowError`].
pub async fn create_show(db: &PgPool, show: &NewShow) -> Result<ShowId, ShowError> {
    show.check()?;
    insert(&mut *db.acquire().await?, show).await
}

/// Writes a show that was [checked](NewShow::check). Gives back its number.
pub(super) async fn insert(db: &mut PgConnection, show: &NewShow) -> Result<ShowId, ShowError> {
    for _ in 0..TRIES {
        if let Some(id) = try_insert(db, show).await? {
            return ShowId::try_from(id).map_err(|_| ShowError::Taken("last number"));
        }
        let named = sqlx::query_scalar!(
            r#"select exists (select from shows where external_ref = $1) as "there!""#,
            show.external_ref
        )
        .fetch_one(&mut *db)
        .await?;
        if named {
            return Err(ShowError::Taken("external_ref"));
        }
        if show.show.is_some() {
            return Err(ShowError::Taken("number"));
        }
    }
    Err(ShowError::Taken("next number"))
}

/// One statement, so that a show without its plan is never there. None if its number or name is taken.
async fn try_insert(db: &mut PgConnection, show: &NewShow) -> Result<Option<i64>, ShowError> {
    let terms = &show.terms;
    let plan = Plan::of(&show.seats);
    let inserted = sqlx::query_scalar!(
        r#"with created as (
             insert into shows (show_id, external_ref, title, starts_at, currency, hold_ms, grace_ms,
                 extension_ms, extension_limit_ms, warning_ms, seat_limit, cancel_until_ms, cancel_fee_bp)
             values (coalesce($1::bigint, (select coalesce(max(show_id), 0) + 1 from shows)), $2, $3, $4, $5,
                 $6, $7, $8, $9, $10, $11, $17, $18)
             on conflict do nothing
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
        &plan.names,
        &plan.rows,
        &plan.numbers,
        &plan.sections,
        &plan.prices,
        terms.cancel_until_ms,
        i32::from(terms.cancel_fee_bp),
    )
    .fetch_optional(db)
    .await;
    match inserted {
        Ok(id) => Ok(id),
        Err(error) => match error
            .as_database_error()
            .and_then(|database| database.constraint())
        {
            Some("shows_show_id_check") => Err(ShowError::Taken("last number")),
            _ => Err(error.into()),
        },
    }
}

/// A plan's seats, column by column.
pub(super) struct Plan {
    pub names: Vec<String>,
    pub rows: Vec<String>,
    pub numbers: Vec<i32>,
    pub sections: Vec<String>,
    pub prices: Vec<i64>,
}

impl Plan {
    pub(super) fn of(seats: &[NewSeat]) -> Self {
        Self {
            names: seats.iter().map(|seat| seat.seat.clone()).collect(),
            rows: seats.iter().map(|seat| seat.row.clone()).collect(),
            numbers: seats.iter().map(|seat| seat.number).collect(),
            sections: seats.iter().map(|seat| seat.section.clone()).collect(),
            prices: seats.iter().map(|seat| seat.price_minor).collect(),
        }
    }
}
