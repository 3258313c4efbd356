//! Which doors there are, by path, each with what is counted about it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use boxoffice_gateways::{Door, GatewayAccount, Gateways, Item};
use boxoffice_peers::Networks;
use boxoffice_saga::fact::Fact;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use metrics::{Counter, Histogram};

use crate::metric;
use crate::options::IngressOptions;
use crate::problem::Refused;

/// The configured gateway accounts by the rest of their path: `stripe`, `stripe/berlin`.
pub(crate) struct Accounts {
    gateways: Arc<Gateways>,
    by_path: HashMap<String, Account>,
    unknown: Outcomes,
}

/// One account's name and numbers.
pub(crate) struct Account {
    pub(crate) name: GatewayAccount,
    pub(crate) outcomes: Arc<Outcomes>,
    pub(crate) bytes: Counter,
    pub(crate) ack_seconds: Histogram,
    sources: Networks,
    hints: DefaultDirectRateLimiter,
}

impl Account {
    /// Whether webhooks from `sender` are taken. One that nobody knows is from nowhere.
    pub(crate) fn lets_in(&self, sender: Option<IpAddr>) -> bool {
        self.sources.is_empty() || sender.is_some_and(|sender| self.sources.contain(sender))
    }

    /// Whether there is room for another hint in this second.
    pub(crate) fn takes_hint(&self) -> bool {
        self.hints.check().is_ok()
    }
}

/// How a webhook that was taken is counted: one of several items as the one that stands lowest here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    /// Genuine, and of no interest to the saga.
    NoInterest,
    /// It is about money.
    Accepted,
    /// Genuine, and our parser cannot read it.
    Unreadable,
}

impl Taken {
    /// How a webhook of this item alone is counted.
    pub(crate) fn of(item: &Item) -> Self {
        match item.as_ref().map(|reading| &reading.fact) {
            Ok(Fact::Nothing) => Self::NoInterest,
            Ok(_) => Self::Accepted,
            Err(_) => Self::Unreadable,
        }
    }
}

/// The counters of one gateway, made once: a look-up by labels would cost more than the count.
pub(crate) struct Outcomes {
    taken: [Counter; 3],
    refused: [Counter; Refused::ALL.len()],
}

impl Accounts {
    pub(crate) fn new(gateways: Arc<Gateways>, options: &IngressOptions) -> Self {
        let mut by_gateway: HashMap<&str, Arc<Outcomes>> = HashMap::new();
        let mut by_path = HashMap::new();
        for name in gateways.names() {
            let gateway = name.gateway.as_str();
            let outcomes = by_gateway
                .entry(gateway)
                .or_insert_with(|| Arc::new(Outcomes::new(gateway)));
            let account = || Account {
                name: name.clone(),
                outcomes: Arc::clone(outcomes),
                bytes: metrics::counter!(metric::BYTES, "gateway" => gateway.to_owned()),
                ack_seconds: metrics::histogram!(metric::ACK_SECONDS, "gateway" => gateway.to_owned()),
                sources: gateways.sources(name).cloned().unwrap_or_default(),
                hints: RateLimiter::direct(Quota::per_second(options.hints_per_second)),
            };
            if name.account == GatewayAccount::DEFAULT {
                by_path.insert(gateway.to_owned(), account());
            }
            by_path.insert(format!("{gateway}/{}", name.account), account());
        }
        Self {
            gateways,
            by_path,
            unknown: Outcomes::new(metric::UNKNOWN),
        }
    }

    /// The account whose path ends so, and its door. Names have no characters that a path would encode.
    pub(crate) fn find(&self, path: &str) -> Option<(&Account, &dyn Door)> {
        let account = self.by_path.get(path)?;
        Some((account, self.gateways.door(&account.name)?))
    }

    /// Where requests are counted that name no account.
    pub(crate) fn unknown(&self) -> &Outcomes {
        &self.unknown
    }
}

impl Outcomes {
    fn new(gateway: &str) -> Self {
        let counter = |outcome: &'static str| metrics::counter!(metric::WEBHOOKS, "gateway" => gateway.to_owned(), "outcome" => outcome);
        Self {
            taken: ["accepted", "no_interest", "unreadable"].map(counter),
            refused: Refused::ALL.map(|refused| counter(refused.code())),
        }
    }

    pub(crate) fn count_taken(&self, taken: Taken) {
        let [accepted, no_interest, unreadable] = &self.taken;
        let counter = match taken {
            Taken::Accepted => accepted,
            Taken::NoInterest => no_interest,
            Taken::Unreadable => unreadable,
        };
        counter.increment(1);
    }

    pub(crate) fn count_refused(&self, refused: Refused) {
        let place = Refused::ALL.iter().position(|each| *each == refused);
        if let Some(counter) = place.and_then(|place| self.refused.get(place)) {
            counter.increment(1);
        }
    }
}
