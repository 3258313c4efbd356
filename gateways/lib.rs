//! The gateways behind one port: verify and read what they send, and ask them to do things.
//!
//! One folder is one gateway. [`port`] says what a gateway must be able to do; [`registry::Gateways`] is
//! what the rest of the product holds. Verifying and reading are pure: no I/O and no clock, so the
//! coordinator can do both again, years later, from the bytes that Kafka kept ([`record`]).
//!
//! Every client is behind a [`line`], which keeps the permitted rate and leaves a gateway alone that does not
//! answer; an adapter knows nothing of it.
//!
//! To add a gateway (docs/adding-a-gateway.md): a folder with a [`port::Door`], a [`GatewayClient`] if it has an API that we
//! call, and one line in [`config::Scheme`] and in [`registry`].

pub mod adyen;
mod amount;
pub mod cashfree;
pub mod checkout_com;
pub mod client;
pub mod config;
pub mod configured;
mod exchange;
pub mod fetched;
pub mod generic;
mod header;
mod legible;
pub mod line;
pub mod mac;
pub mod mollie;
pub mod payu_india;
pub mod phonepe;
pub mod port;
pub mod razorpay;
pub mod readings;
pub mod record;
mod reference;
pub mod registry;
pub mod secrets;
mod signed_time;
mod speaker;
pub mod square;
pub mod standard_webhooks;
pub mod stripe;

pub use boxoffice_saga::identity::GatewayAccount;
pub use client::{
    Attempt, CallError, CaptureAnswer, ChangesPage, CreatePayment, Created, GatewayClient,
    RefundNews, RefundOrder, SaidBy, VoidAnswer, Window,
};
pub use config::{AccountConfig, ApiConfig, ConfigError, Scheme};
pub use fetched::{FactSigner, SignError};
pub use line::{LineConfig, describe_metrics};
pub use port::{Door, EventIds, Refusal, Unreadable};
pub use readings::{Item, Readings};
pub use record::{InboxKey, RecordError, Source, WebhookRecord, kafka_key};
pub use registry::{Gateways, ReverifyError};
pub use secrets::SigningSecret;
