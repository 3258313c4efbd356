//! A request of Adyen's as it stands in the body: items, of which the named fields are signed, and a few that are not.

use std::borrow::Cow;

use serde::Deserialize;

/// A whole request.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    /// `true` or `false`, as text. Not signed.
    #[serde(borrow, default)]
    pub(super) live: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "notificationItems")]
    pub(super) items: Vec<Wrapped<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Wrapped<'a> {
    #[serde(borrow, rename = "NotificationRequestItem")]
    pub(super) item: Item<'a>,
}

/// One thing that happened.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item<'a> {
    #[serde(borrow, default)]
    pub(super) psp_reference: Option<Cow<'a, str>>,
    /// The payment, where the item is about what was done to one.
    #[serde(borrow, default)]
    pub(super) original_reference: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) merchant_account_code: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) merchant_reference: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) amount: Amount<'a>,
    #[serde(borrow, default)]
    pub(super) event_code: Option<Cow<'a, str>>,
    /// `true` or `false`, as text.
    #[serde(borrow, default)]
    pub(super) success: Option<Cow<'a, str>>,
    /// Not signed, but for the signature in it.
    #[serde(borrow, default)]
    pub(super) additional_data: Additional<'a>,
    /// Not signed.
    #[serde(borrow, default)]
    pub(super) reason: Option<Cow<'a, str>>,
    /// Not signed.
    #[serde(borrow, default)]
    pub(super) event_date: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Amount<'a> {
    #[serde(default)]
    pub(super) value: Option<i64>,
    #[serde(borrow, default)]
    pub(super) currency: Option<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Additional<'a> {
    #[serde(borrow, default, rename = "hmacSignature")]
    pub(super) signature: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "paymentLinkId")]
    link: Option<Cow<'a, str>>,
    /// The same, from the link's metadata.
    #[serde(borrow, default, rename = "metadata.checkout.linkId")]
    link_in_metadata: Option<Cow<'a, str>>,
}

impl Additional<'_> {
    /// The payment link by which it was paid.
    pub(super) fn link(&self) -> Option<&str> {
        let stated = self.link.as_deref().or(self.link_in_metadata.as_deref());
        stated.filter(|link| !link.is_empty())
    }
}

/// A field's text. Absent is the same as empty, as it is to the signature.
pub(super) fn text<'a>(field: &'a Option<Cow<'_, str>>) -> &'a str {
    field.as_deref().unwrap_or_default()
}
