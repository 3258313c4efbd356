//! Payment gateways with a mind of their own: they speak Stripe's and Razorpay's wire formats for what we use, keep their
//! own books, have a movable clock, and can be told, per payment, to be late, to repeat itself, to lose an
//! answer or to refuse.
//!
//! Beside the gateway it can run a mail server, which can be closed.
//!
//! It shares no code with the `gateways` crate: it is the other side, and signs by itself.
//!
//! | path | what |
//! |---|---|
//! | `/v1/payment_intents`, `…/{id}`, `…/{id}/confirm`, `…/{id}/cancel` | as Stripe |
//! | `/v1/refunds`, `/v1/refunds/{id}`, `/v1/events` | as Stripe |
//! | `/razorpay/v1/orders`, `…/{id}`, `…/{id}/payments` | as Razorpay |
//! | `/razorpay/v1/payments`, `…/{id}`, `…/{id}/capture`, `…/{id}/refund`, `…/{id}/refunds`, `/razorpay/v1/refunds`, `…/{id}` | as Razorpay |
//! | `POST /razorpay/page/orders/{id}/pay` | the customer pays there: `{"method": "card" \| "declined", "notes"?}` |
//! | `POST /_sim/payments/{id}` | a [`Behaviour`] for one payment: by its id, or by the `payment_id` or `booking_id` in its metadata, even before it exists |
//! | `POST /_sim/defaults` | the [`Behaviour`] of payments that come later and are not told one |
//! | `POST /_sim/script` | `{"seed", "mix"}`: a [`Script`], which draws the behaviour of payments that are not told one |
//! | `POST /_sim/payments/{id}/settle` | `{"outcome": "succeeded" \| "failed"}`: the bank has finished |
//! | `POST /_sim/payments/{id}/refund` | `{"amount"?}`: somebody makes a refund on the dashboard |
//! | `POST /_sim/payments/{id}/dispute` | `{"status": "needs_response" \| "won" \| "lost", "amount"?}`: the customer's bank |
//! | `POST /_sim/refunds/{id}` | `{"status": "succeeded" \| "failed"}`: the bank has finished, or changed its mind |
//! | `POST /_sim/outage` | `{"status": 503}` answers every call so, without effect; `{"status": null}` ends it |
//! | `GET`, `POST /_sim/mail` | whether the mail server is open, and its letters (`?about=`, a part of their Message-ID); `{"open": false}` closes it |
//! | `GET`, `POST /_sim/clock` | the time there; `{"advance_seconds": n}` |
//! | `GET /_sim/books?payment=` | captured, refunded and every call received, per payment |
//! | `GET /_sim/deliveries?payment=` | webhooks and their attempts |

mod adyen;
mod answer;
mod behaviour;
mod books;
mod call;
mod cashfree;
mod clock;
mod delivery;
mod form;
mod mail_server;
mod major;
mod payments;
mod persist;
mod razorpay;
mod refunds;
mod routes;
mod script;
mod sim;
mod stripe;
mod told;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use behaviour::{Behaviour, Call, LoseHow, RefundFate, Refusal, WebhookBehaviour};
pub use mail_server::MailServerOptions;
pub use script::{Mix, Script};

use sim::Sim;

/// How the simulator is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// The secret key that callers must bear.
    pub api_key: String,
    /// Where Stripe's webhooks go. None: nowhere, and they stay listed as not delivered.
    pub webhook: Option<Webhook>,
    /// Razorpay's side. None: it knows nobody.
    pub razorpay: Option<RazorpayOptions>,
    /// Cashfree's side. None: it knows nobody.
    pub cashfree: Option<CashfreeOptions>,
    /// Adyen's side. None: it knows nobody.
    pub adyen: Option<AdyenOptions>,
    /// The script from the start on, unless the books have one.
    pub script: Option<Script>,
    /// Where the books are kept over a restart. None: in memory only.
    pub state_file: Option<PathBuf>,
    /// How long after a failed webhook the first repetition comes; doubled each time, with jitter, up to an
    /// hour. Waits follow the movable clock.
    pub retry_base: Duration,
    /// How long a webhook is repeated before it is given up. Stripe: three days; at Razorpay a day at most.
    pub retry_for: Duration,
    /// Send webhooks in random order, up to `retry_base` late.
    pub unordered: bool,
    /// A mail server beside the gateway. None: there is none.
    pub mail: Option<MailServerOptions>,
}

/// Our account at the simulated Razorpay.
#[derive(Clone, Debug)]
pub struct RazorpayOptions {
    /// The key id that callers must name, `rzp_test_…`.
    pub key_id: String,
    /// Its secret.
    pub key_secret: String,
    /// Where its webhooks go. None: nowhere.
    pub webhook: Option<Webhook>,
}

/// Our account at the simulated Cashfree.
#[derive(Clone, Debug)]
pub struct CashfreeOptions {
    /// The client id that callers must name.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Whether its money is only reserved, and taken by a call of its own.
    pub reserves: bool,
    /// Where its webhooks go. None: nowhere.
    pub webhook: Option<Webhook>,
}

/// Our merchant account at the simulated Adyen.
#[derive(Clone, Debug)]
pub struct AdyenOptions {
    /// The merchant account that callers must name.
    pub merchant: String,
    /// The key that they must bear.
    pub api_key: String,
    /// Where its webhooks go. None: nowhere.
    pub webhook: Option<Webhook>,
}

/// Where webhooks go.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The whole URL.
    pub url: String,
    /// What they are signed with, as the gateway shows it (Stripe: `whsec_…`).
    pub secret: String,
}

impl Options {
    /// In memory, without webhooks and mail server, first repetition after one second.
    pub fn new(api_key: impl Into<String>) -> Self {
        Self {
            api_key: api_key.into(),
            webhook: None,
            razorpay: None,
            cashfree: None,
            adyen: None,
            script: None,
            state_file: None,
            retry_base: Duration::from_secs(1),
            retry_for: Duration::from_secs(3 * 24 * 3_600),
            unordered: false,
            mail: None,
        }
    }
}

impl Options {
    pub(crate) fn webhook_of(&self, wire: wire::Wire) -> Option<&Webhook> {
        match wire {
            wire::Wire::Stripe => self.webhook.as_ref(),
            wire::Wire::Razorpay => self.razorpay.as_ref()?.webhook.as_ref(),
            wire::Wire::Cashfree => self.cashfree.as_ref()?.webhook.as_ref(),
            wire::Wire::Adyen => self.adyen.as_ref()?.webhook.as_ref(),
        }
    }
}

/// What can keep the simulator from running.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// The books cannot be read: better no gateway than one that has forgotten its payments.
    #[error("cannot read the simulator's books at {path}")]
    Load {
        /// The state file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The books cannot be written.
    #[error("cannot write the simulator's books to {path}")]
    Save {
        /// The state file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The HTTP client for webhooks cannot be built.
    #[error("cannot build the HTTP client for webhooks")]
    Client(#[source] reqwest::Error),
    /// The mail server cannot listen.
    #[error("the mail server cannot listen on {address}")]
    Mail {
        /// Its address.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The server ended.
    #[error("the simulator's server ended")]
    Serve(#[source] std::io::Error),
}

/// How long open answers may take after the shutdown began.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves until `shutdown`, then writes the books one last time. Answers that are held on purpose do not
/// delay the end by more than a second.
///
/// # Errors
/// [`SimError`]
pub async fn serve(
    listener: TcpListener,
    options: Options,
    shutdown: CancellationToken,
) -> Result<(), SimError> {
    let sim = Arc::new(Sim::open(options, shutdown.child_token()).await?);
    if let Some(mail) = &sim.mail {
        let (address, _) = mail.door().await;
        mail.open()
            .await
            .map_err(|source| SimError::Mail { address, source })?;
    }
    delivery::resume(&sim);
    let saver = tokio::spawn(persist::keep_saving(Arc::clone(&sim)));
    let router = routes::router(Arc::clone(&sim));
    let graceful = shutdown.clone();
    let server = axum::serve(listener, router)
        .with_graceful_shutdown(async move { graceful.cancelled().await });
    let served = tokio::select! {
        served = server => served.map_err(SimError::Serve),
        () = async { shutdown.cancelled().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    };
    // A server that ended by itself must end the rest too.
    sim.shutdown.cancel();
    let _ = saver.await;
    if let Some(mail) = &sim.mail {
        let _ = tokio::time::timeout(DRAIN, mail.close()).await;
    }
    persist::save(&sim).await?;
    served
}
