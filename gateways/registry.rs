//! All configured gateway accounts: what the rest of the product holds.

use std::collections::BTreeMap;
use std::sync::Arc;

use boxoffice_peers::Networks;
use boxoffice_saga::fact::{Fact, Reading};
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::CaptureMode;

use crate::adyen::{AdyenClient, AdyenDoor};
use crate::cashfree::{CashfreeClient, CashfreeDoor};
use crate::checkout_com::CheckoutDoor;
use crate::client::GatewayClient;
use crate::config::{AccountConfig, ApiConfig, ConfigError, Scheme};
use crate::configured::ConfiguredDoor;
use crate::fetched::FactSigner;
use crate::generic::GenericDoor;
use crate::line::{Line, LineConfig};
use crate::mollie::{MollieClient, MollieDoor};
use crate::payu_india::PayuDoor;
use crate::phonepe::{PhonePeClient, PhonePeDoor};
use crate::port::{Door, EventIds, Refusal, Unreadable};
use crate::razorpay::{RazorpayClient, RazorpayDoor};
use crate::record::{InboxKey, Source, WebhookRecord};
use crate::secrets::SigningSecret;
use crate::square::SquareDoor;
use crate::standard_webhooks::StandardDoor;
use crate::stripe::{StripeClient, StripeDoor};

/// The doors and clients of all configured accounts, and the signer of fetched facts.
#[derive(Default)]
pub struct Gateways {
    accounts: BTreeMap<GatewayAccount, Entry>,
    facts: FactSigner,
}

struct Entry {
    door: Box<dyn Door>,
    capture: CaptureMode,
    from: Networks,
    lines: Option<Lines>,
}

impl Entry {
    fn new(door: Box<dyn Door>, lines: Option<Lines>) -> Self {
        Self {
            door,
            capture: CaptureMode::Automatic,
            from: Networks::default(),
            lines,
        }
    }
}

/// The client of an account behind its line, for each kind of caller.
struct Lines {
    /// Absent where calls go out at once, whatever the gateway says.
    line: Option<Line>,
    ordinary: Arc<dyn GatewayClient>,
    mass: Arc<dyn GatewayClient>,
}

impl Gateways {
    /// Builds every account's door, and its client where an API is configured. `fact_secrets` sign the facts
    /// that we fetch ourselves; the first that is valid signs, all verify.
    ///
    /// # Errors
    /// [`ConfigError`] for the first account that cannot work, or that is there twice.
    pub fn new(
        accounts: Vec<AccountConfig>,
        fact_secrets: Vec<SigningSecret>,
    ) -> Result<Self, ConfigError> {
        let mut gateways = Self {
            accounts: BTreeMap::new(),
            facts: FactSigner::new(fact_secrets),
        };
        for config in accounts {
            let scheme = config.validate()?;
            let account = config.gateway_account();
            if gateways.accounts.contains_key(&account) {
                return Err(ConfigError {
                    account,
                    what: "it is configured twice".into(),
                });
            }
            let failed = |what| ConfigError {
                account: account.clone(),
                what,
            };
            let (door, client) = door_and_client(scheme, &config).map_err(failed)?;
            gateways.insert(account.clone(), door, client, &config.line);
            if let Some(entry) = gateways.accounts.get_mut(&account) {
                entry.capture = config.capture;
                entry.from = config.from;
            }
        }
        Ok(gateways)
    }

    /// Adds an account, or takes the place of the one of that name: for tests and for gateways from
    /// elsewhere. Its client gets a line.
    pub fn insert(
        &mut self,
        account: GatewayAccount,
        door: Box<dyn Door>,
        client: Option<Arc<dyn GatewayClient>>,
        line: &LineConfig,
    ) {
        let lines = client.map(|client| {
            let line = Line::new(client, line);
            Lines {
                ordinary: Arc::new(line.clone()),
                mass: Arc::new(line.mass()),
                line: Some(line),
            }
        });
        self.accounts.insert(account, Entry::new(door, lines));
    }

    /// Adds an account whose client has no line: nothing holds its calls back. For simulated gateways, where no real
    /// time passes that a line could go by.
    pub fn insert_without_line(
        &mut self,
        account: GatewayAccount,
        door: Box<dyn Door>,
        client: Option<Arc<dyn GatewayClient>>,
    ) {
        let lines = client.map(|client| Lines {
            line: None,
            ordinary: Arc::clone(&client),
            mass: client,
        });
        self.accounts.insert(account, Entry::new(door, lines));
    }

    /// The door of an account. None: no such account, answer 404.
    pub fn door(&self, account: &GatewayAccount) -> Option<&dyn Door> {
        self.accounts.get(account).map(|entry| entry.door.as_ref())
    }

    /// The client of an account. None: no such account, or one without an API.
    pub fn client(&self, account: &GatewayAccount) -> Option<&Arc<dyn GatewayClient>> {
        Some(&self.accounts.get(account)?.lines.as_ref()?.ordinary)
    }

    /// The same for the refunds of cancelled shows, which get their share of the rate and no more.
    pub fn mass_client(&self, account: &GatewayAccount) -> Option<&Arc<dyn GatewayClient>> {
        Some(&self.accounts.get(account)?.lines.as_ref()?.mass)
    }

    /// The accounts that are not asked at present, because they do not answer: whatever calls them can wait.
    pub fn shut(&self) -> impl Iterator<Item = &GatewayAccount> {
        self.accounts.iter().filter_map(|(account, entry)| {
            let lines = entry.lines.as_ref()?;
            lines.line.as_ref()?.is_shut().then_some(account)
        })
    }

    /// When the money of payments opened at this account is taken.
    pub fn capture(&self, account: &GatewayAccount) -> CaptureMode {
        self.accounts
            .get(account)
            .map_or_else(CaptureMode::default, |entry| entry.capture)
    }

    /// Where the webhooks of this account may come from. Empty: from anywhere.
    pub fn sources(&self, account: &GatewayAccount) -> Option<&Networks> {
        self.accounts.get(account).map(|entry| &entry.from)
    }

    /// The configured accounts, in order.
    pub fn names(&self) -> impl Iterator<Item = &GatewayAccount> {
        self.accounts.keys()
    }

    /// The signer of facts that we fetch.
    pub fn facts(&self) -> &FactSigner {
        &self.facts
    }

    /// What the inbox knows a record by.
    pub fn inbox_key(&self, record: &WebhookRecord) -> InboxKey {
        // A record of an account that is no longer configured is refused elsewhere; the longer key cannot
        // hide another event from us meanwhile.
        let event_ids = self
            .door_of(record)
            .map_or(EventIds::Unsigned, Door::event_ids);
        record.inbox_key(event_ids)
    }

    /// Verifies a record's signature again, as of the time it was received, and reads it. What comes back is
    /// the truth about the record: its Kafka headers are not signed.
    ///
    /// # Errors
    /// [`ReverifyError`]. Anything but [`ReverifyError::Unreadable`] is an alarm: somebody else writes the
    /// topic, or a secret was removed too early.
    pub fn reverify(&self, record: &WebhookRecord) -> Result<Reading, ReverifyError> {
        let door = self.door_of(record).ok_or(ReverifyError::UnknownAccount)?;
        door.verify(&record.headers, &record.body, record.received_at)
            .map_err(ReverifyError::Refused)?;
        let reading = door
            .read(&record.headers, &record.body)
            .item(record.item)
            .ok_or(ReverifyError::Tampered { what: "item" })?
            .map_err(ReverifyError::Unreadable)?;
        let spoken_for = match &reading.fact {
            Fact::Payment(fact) => Some(&fact.account),
            Fact::Refund(fact) => Some(&fact.account),
            Fact::Dispute(fact) => Some(&fact.account),
            Fact::Hint(fact) => Some(&fact.account),
            Fact::Nothing => None,
        };
        if spoken_for.is_some_and(|account| *account != record.account) {
            return Err(ReverifyError::Tampered { what: "account" });
        }
        // Received unreadable and readable by now is what a corrected parser is for; any other difference is
        // a header that somebody changed.
        let was_unreadable =
            record.event_id == crate::record::unreadable_id(&record.body, record.item);
        if reading.event_id != record.event_id && !was_unreadable {
            return Err(ReverifyError::Tampered { what: "event_id" });
        }
        Ok(reading)
    }

    fn door_of(&self, record: &WebhookRecord) -> Option<&dyn Door> {
        match record.source {
            Source::Webhook => self.door(&record.account),
            Source::Fetched => Some(&self.facts),
        }
    }
}

type Client = Option<Arc<dyn GatewayClient>>;

/// What serves an account of this scheme: its door, and its client if it has an API that is configured.
fn door_and_client(
    scheme: Scheme,
    config: &AccountConfig,
) -> Result<(Box<dyn Door>, Client), String> {
    let (account, live) = (config.gateway_account(), config.live);
    Ok(match scheme {
        Scheme::Stripe => (
            Box::new(StripeDoor::new(config)),
            client(config, |api| StripeClient::new(account, live, api))?,
        ),
        Scheme::Razorpay => (
            Box::new(RazorpayDoor::new(config)),
            client(config, |api| RazorpayClient::new(account, live, api))?,
        ),
        Scheme::Cashfree => (
            Box::new(CashfreeDoor::new(config)),
            client(config, |api| {
                CashfreeClient::new(account, live, config.capture, api)
            })?,
        ),
        Scheme::Adyen => (
            Box::new(AdyenDoor::new(config)),
            client(config, |api| AdyenClient::new(account, live, api))?,
        ),
        Scheme::Mollie => (
            Box::new(MollieDoor::new(config)),
            client(config, |api| MollieClient::new(config, api))?,
        ),
        Scheme::Phonepe => (
            Box::new(PhonePeDoor::new(config)),
            client(config, |api| PhonePeClient::new(config, api))?,
        ),
        Scheme::Generic => (Box::new(GenericDoor::new(config)), None),
        Scheme::StandardWebhooks => (Box::new(StandardDoor::new(config)), None),
        Scheme::Square => (Box::new(SquareDoor::new(config)), None),
        Scheme::CheckoutCom => (Box::new(CheckoutDoor::new(config)), None),
        Scheme::PayuIndia => (Box::new(PayuDoor::new(config)), None),
        Scheme::Hmac => (Box::new(ConfiguredDoor::new(config)?), None),
    })
}

/// The client that `make` builds, where an API is configured.
fn client<C: GatewayClient + 'static>(
    config: &AccountConfig,
    make: impl FnOnce(&ApiConfig) -> Result<C, String>,
) -> Result<Client, String> {
    let client = config.api.as_ref().map(make).transpose()?;
    Ok(client.map(|client| Arc::new(client) as Arc<dyn GatewayClient>))
}

/// Why a record from Kafka is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReverifyError {
    /// Its account is not configured (any more).
    #[error("its gateway account is not configured")]
    UnknownAccount,
    /// Its signature does not hold.
    #[error("its signature does not hold: {0}")]
    Refused(Refusal),
    /// Genuine, but not to be understood: a person must look, for it may be money.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// A Kafka header says something else than the signed bytes.
    #[error("its Kafka header `{what}` differs from what is signed")]
    Tampered {
        /// Which.
        what: &'static str,
    },
}
