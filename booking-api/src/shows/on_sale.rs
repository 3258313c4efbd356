//! Putting a show on sale: its plan becomes seats.

use boxoffice_saga::identity::ShowId;
use boxoffice_saga::world::World;
use boxoffice_turn::Appends;
use serde::Serialize;
use sqlx::{PgConnection, PgPool};

use super::error::ShowError;
use super::row;
use crate::operators::Act;

/// Puts a show on sale. Doing it twice is doing it once.
#[derive(Clone, Copy, Debug)]
pub struct PutOnSale(pub ShowId);

/// What putting a show on sale came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OnSale {
    /// Its number.
    pub show_id: ShowId,
    /// How many seats are for sale from now on; none, if it was on sale before.
    pub new_seats: u64,
}

impl Act for PutOnSale {
    type Done = OnSale;
    type Error = ShowError;

    fn what(&self) -> &'static str {
        "show.on_sale"
    }

    fn subject(&self, _: &OnSale) -> String {
        self.0.to_string()
    }

    async fn perform(
        &self,
        db: &mut PgConnection,
        _: &mut World,
        _: &mut Appends,
    ) -> Result<OnSale, ShowError> {
        // Before the plan is read: a statement that waits for the row would still read the plan as it was before,
        // and sell an import's old seats under its new rules.
        row::lock(db, self.0).await?;
        open(db, self.0).await
    }
}

/// Puts a show on sale for nobody in particular: for demonstrations and tests, where nobody imports it at the same
/// time.
///
/// # Errors
/// [`ShowError`].
pub async fn put_on_sale(db: &PgPool, show: ShowId) -> Result<OnSale, ShowError> {
    open(&mut *db.acquire().await?, show).await
}

/// One statement, so that a show on sale without its seats is never there; a second caller waits for the show's
/// row and then finds it on sale.
async fn open(db: &mut PgConnection, id: ShowId) -> Result<OnSale, ShowError> {
    let new_seats = sqlx::query!(
        "with opened as (
           update shows set status = 'ON_SALE'
           where show_id = $1 and status = 'DRAFT' and removed_at is null
           returning show_id
         )
         insert into show_seats (show_id, seat, price_minor)
         select plan.show_id, plan.seat, plan.price_minor
         from opened join seat_plans plan using (show_id)
         order by plan.seat",
        id.as_i64(),
    )
    .execute(&mut *db)
    .await?
    .rows_affected();
    if new_seats == 0 {
        row::lock(db, id).await?.open()?;
    }
    Ok(OnSale {
        show_id: id,
        new_seats,
    })
}
