//! What has changed at Cashfree within a window of time: its reconciliation list (`POST /pg/recon`), whose rows are
//! payments that succeeded, refunds, and much that is of no interest here. Rows bear no tags: the order leads to the
//! booking. What nobody has paid is not in it; open orders are asked for one by one, by their verify tasks.

use std::borrow::Cow;

use boxoffice_saga::fact::{Fact, PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use super::client::{CashfreeClient, ask};
use super::objects::ident;
use super::{Speaker, name};
use crate::amount;
use crate::client::{CallError, ChangesPage, Window};
use crate::exchange::decode;
use crate::port::Unreadable;

/// Rows asked for at a time.
const PAGE: u32 = 100;
/// The longest cursor that is believed to be one, in bytes.
const LONGEST_CURSOR: usize = 1_000;

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    cursor: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow, default)]
    event_status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    event_amount: Option<&'a RawValue>,
    #[serde(borrow, default)]
    event_currency: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    order_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    cf_payment_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refund_id: Option<Cow<'a, str>>,
}

pub(super) async fn page(
    client: &CashfreeClient,
    window: &Window,
    page: Option<&str>,
) -> Result<ChangesPage, CallError> {
    let wanted = json!({
        "pagination": { "limit": PAGE, "cursor": page },
        "filters": { "start_date": text(window.since)?, "end_date": text(window.until)? },
    });
    let body = ask(client.post("/recon").json(&wanted)).await?;
    let rows: Rows<'_> = decode(&body)?;
    let mut facts = Vec::new();
    for raw in &rows.data {
        let row =
            serde_json::from_str::<Row<'_>>(raw.get()).map_err(|error| Unreadable::shape(&error));
        match row.and_then(|row| row.fact(&client.speaker)) {
            Ok(Fact::Nothing) => {}
            Ok(fact) => facts.push(fact),
            Err(why) => {
                let gateway = &client.speaker.account;
                tracing::warn!(%gateway, %why, "listed, and cannot be read");
            }
        }
    }
    let next = rows.cursor.filter(|cursor| !cursor.is_empty());
    match next {
        Some(_) if rows.data.is_empty() => {
            Err(CallError::unknown("an empty page that says there is more"))
        }
        Some(cursor) if cursor.len() > LONGEST_CURSOR || page == Some(&cursor) => {
            Err(CallError::unknown("a cursor that leads nowhere"))
        }
        next => Ok(ChangesPage {
            facts,
            next: next.map(Cow::into_owned),
        }),
    }
}

fn text(at: OffsetDateTime) -> Result<String, CallError> {
    at.to_offset(UtcOffset::UTC)
        .replace_nanosecond(0)
        .ok()
        .and_then(|at| at.format(&Rfc3339).ok())
        .ok_or_else(|| CallError::unknown("a window that cannot be written"))
}

impl Row<'_> {
    fn fact(&self, speaker: &Speaker) -> Result<Fact, Unreadable> {
        let status = self.event_status.as_deref().unwrap_or_default();
        if !matches!(&*self.event_type, "PAYMENT" | "REFUND") {
            return Ok(Fact::Nothing);
        }
        let missing = |what| move || Unreadable::Value { what };
        let order = self.order_id.as_deref().ok_or_else(missing("order_id"))?;
        let payment = ident(
            self.cf_payment_id.ok_or_else(missing("cf_payment_id"))?,
            "cf_payment_id",
        )?;
        let payment = name::of(order, &payment, "the payment's id")?;
        let amount = amount::stated(
            self.event_amount.ok_or_else(missing("event_amount"))?,
            self.event_currency.as_deref().unwrap_or_default(),
        )?;
        if self.event_type == "PAYMENT" {
            if status != "SUCCESS" {
                return Ok(Fact::Nothing);
            }
            return Ok(Fact::Payment(PaymentFact {
                account: speaker.account.clone(),
                gateway_payment_id: payment,
                opened_as: Some(name::of_order(order)?),
                reference: Reference::Absent,
                state: PaymentState::Captured,
                amount,
                live: speaker.live,
                reason: None,
            }));
        }
        let refund = self.refund_id.as_deref().ok_or_else(missing("refund_id"))?;
        let ours = name::our_refund(refund);
        Ok(Fact::Refund(RefundFact {
            account: speaker.account.clone(),
            gateway_refund_id: name::of(order, refund, "the refund's id")?,
            gateway_payment_id: payment,
            reference: Reference::Absent,
            refund: ours.map(|(refund, _)| refund),
            generation: ours.map(|(_, generation)| generation),
            state: match status {
                "SUCCESS" => RefundState::Succeeded,
                "FAILED" | "CANCELLED" => RefundState::Failed,
                _ => RefundState::Pending,
            },
            amount,
            live: speaker.live,
            reason: None,
        }))
    }
}
