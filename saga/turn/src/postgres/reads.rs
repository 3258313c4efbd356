//! The plain reads of those who work on tasks.

use std::collections::BTreeMap;

use boxoffice_saga::identity::{BookingId, GatewayAccount, ShowId};
use boxoffice_saga::task::TaskKind;
use time::OffsetDateTime;
use uuid::Uuid;

use super::PgStore;
use super::rows::booking_id;
use crate::error::TurnError;
use crate::outgoing::decode_headers;
use crate::reads::{Case, ParkedRecord, Reads};

impl Reads for PgStore {
    async fn cases(
        &self,
        ids: &[BookingId],
    ) -> Result<(OffsetDateTime, BTreeMap<BookingId, Case>), TurnError> {
        self.cases(ids).await
    }

    async fn bookings_of_payments(
        &self,
        ids: &[(GatewayAccount, String)],
    ) -> Result<BTreeMap<(GatewayAccount, String), BookingId>, TurnError> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let column = |value: fn(&(GatewayAccount, String)) -> &String| {
            ids.iter().map(value).cloned().collect::<Vec<_>>()
        };
        let rows = sqlx::query!(
            r#"select p.gateway, p.account, p.gateway_payment_id as "gateway_payment_id!", p.booking_id
           from unnest($1::text[], $2::text[], $3::text[]) as w (gateway, account, gateway_payment_id)
           join payments p using (gateway, account, gateway_payment_id)"#,
            &column(|(account, _)| &account.gateway),
            &column(|(account, _)| &account.account),
            &column(|(_, id)| id),
        )
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|row| {
                let account = GatewayAccount::new(row.gateway, row.account);
                Ok((
                    (account, row.gateway_payment_id),
                    booking_id(row.booking_id)?,
                ))
            })
            .collect()
    }

    async fn parked_record(&self, id: Uuid) -> Result<Option<ParkedRecord>, TurnError> {
        let row = sqlx::query!(
            "select headers, payload from parked_records where record_id = $1",
            id
        )
        .fetch_optional(self.pool())
        .await?;
        row.map(|row| {
            Ok(ParkedRecord {
                headers: decode_headers(&row.headers)?,
                payload: row.payload,
            })
        })
        .transpose()
    }

    async fn live_bookings(
        &self,
        show: ShowId,
        after: Option<BookingId>,
        limit: u16,
    ) -> Result<Vec<BookingId>, TurnError> {
        let ids = sqlx::query_scalar!(
            "select booking_id from bookings
             where show_id = $1 and booking_id > $2 and state in ('HELD', 'CONFIRMED')
             order by booking_id limit $3",
            show.as_i64(),
            after.map_or(Uuid::nil(), BookingId::uuid),
            i64::from(limit),
        )
        .fetch_all(self.pool())
        .await?;
        ids.into_iter().map(booking_id).collect()
    }

    async fn tasks_waiting(&self, kind: TaskKind, limit: u16) -> Result<u16, TurnError> {
        let waiting = sqlx::query_scalar!(
            r#"select count(*) as "count!"
               from (select from tasks where kind = $1 limit $2) as waiting"#,
            kind.name(),
            i64::from(limit),
        )
        .fetch_one(self.pool())
        .await?;
        Ok(u16::try_from(waiting).unwrap_or(limit))
    }
}
