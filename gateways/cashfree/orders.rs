//! What we send to Cashfree. Structures of their own, for the amounts in them must go out as the text that they are:
//! as JSON values they would become floating point on the way.

use serde::Serialize;
use serde_json::value::RawValue;

/// `POST /pg/orders`
#[derive(Serialize)]
pub(super) struct NewOrder<'a> {
    pub(super) order_id: &'a str,
    pub(super) order_amount: &'a RawValue,
    pub(super) order_currency: &'a str,
    pub(super) order_note: &'a str,
    pub(super) customer_details: Customer<'a>,
    pub(super) order_tags: Tags,
}

#[derive(Serialize)]
pub(super) struct Customer<'a> {
    pub(super) customer_id: &'a str,
    pub(super) customer_phone: &'a str,
}

/// Come back with every webhook about the order's payments.
#[derive(Serialize)]
pub(super) struct Tags {
    pub(super) booking_id: String,
    pub(super) payment_id: String,
    pub(super) show_id: String,
}

/// `POST /pg/orders/{id}/refunds`
#[derive(Serialize)]
pub(super) struct NewRefund<'a> {
    pub(super) refund_id: &'a str,
    pub(super) refund_amount: &'a RawValue,
    pub(super) refund_note: String,
}

/// `POST /pg/orders/{id}/authorization`
#[derive(Serialize)]
pub(super) struct Act<'a> {
    /// `CAPTURE` or `VOID`.
    pub(super) action: &'static str,
    /// What is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<&'a RawValue>,
}
