//! One row of the table: a door, the other side of it, and what it must make of what.

#![allow(dead_code, reason = "each row uses its own part of this")]

use boxoffice_gateways::{Door, GatewayAccount, Gateways, Refusal, Unreadable};
use boxoffice_saga::fact::{Fact, PaymentState, Reading, Reference, RefundState};
use boxoffice_saga::identity::{BookingId, ShowId};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use time::OffsetDateTime;

/// When everything here is signed and received, unless said otherwise: unix seconds.
pub const T: i64 = 1_700_000_000;

/// A door and the other side of it.
pub struct Tested {
    /// The name of this row; also the account's name.
    pub name: &'static str,
    /// What an operator writes about the account, without `account` and `secrets`.
    pub config: Value,
    /// Two secrets as an operator writes them.
    pub secrets: [String; 2],
    /// Signs as the gateway does, for whoever has configured this secret. Shares no code with the door. Where the
    /// signature stands in the body, the body that comes back bears it; where there is none, nothing is signed.
    pub sign: fn(secret: &str, message: &Message<'_>) -> Sent,
    /// What of the body the signature covers.
    pub covers: Covers,
    /// How far a signed time may be from ours, in seconds; none if no time is signed.
    pub tolerance: Option<i64>,
    /// Whether the case of the letters in the signature is of no matter (hex).
    pub any_case: bool,
    /// Where the amount stands in the first sample: what is before it, and it.
    pub amount: Option<(String, String)>,
    /// Where our booking stands in the first sample: what is before it, and it, as they are written there.
    pub booking: Option<(String, String)>,
    /// A genuine body of every kind of event that the door knows. The first is a payment that succeeded.
    pub samples: Vec<Sample>,
}

/// What of a body is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// Every byte.
    All,
    /// Some fields. What is read from the others may be anything but money.
    Fields,
    /// None: it can only be a hint.
    Nothing,
}

/// A message before it is signed.
pub struct Message<'a> {
    /// The event's id, for gateways that send it in a header.
    pub id: &'a str,
    /// When it is signed, in unix seconds; text, so that it can be nonsense.
    pub at: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// A message as it is posted.
#[derive(Clone)]
pub struct Sent {
    /// The headers that matter; whether a changed value must be noticed.
    pub headers: Vec<(&'static str, Vec<u8>, bool)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Sent {
    /// A body with one header that must not be changed.
    pub fn new(header: &'static str, value: impl Into<Vec<u8>>, body: &[u8]) -> Self {
        Self {
            headers: vec![(header, value.into(), true)],
            body: body.to_vec(),
        }
    }

    /// The headers, if they are such as HTTP can carry.
    pub fn map(&self) -> Option<HeaderMap> {
        let mut map = HeaderMap::new();
        for (name, value, _) in &self.headers {
            let value = HeaderValue::from_bytes(value).ok()?;
            map.append(HeaderName::from_static(name), value);
        }
        Some(map)
    }
}

/// A genuine event.
pub struct Sample {
    /// The gateway's name for it, as the reading must say it.
    pub kind: &'static str,
    /// Its body.
    pub body: String,
    /// What it says, item by item.
    pub says: Vec<Says>,
}

impl Sample {
    pub fn new(kind: &'static str, body: impl Into<String>, says: Says) -> Self {
        Self {
            kind,
            body: body.into(),
            says: vec![says],
        }
    }
}

/// What matters of a fact. `ours` is whether it bears the reference of [`booking`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    Payment {
        state: PaymentState,
        amount: (i64, &'static str),
        ours: bool,
    },
    Refund {
        state: RefundState,
        amount: (i64, &'static str),
    },
    Dispute,
    Hint,
    Nothing,
}

/// A payment of 450.00 INR with our reference, in this state.
pub fn paid(state: PaymentState) -> Says {
    Says::Payment {
        state,
        amount: (45_000, "INR"),
        ours: true,
    }
}

/// The booking that samples name.
pub fn booking() -> BookingId {
    BookingId::pack(1, ShowId::try_from(9_u64).unwrap(), 2)
}

/// What became of a message at a door.
#[derive(Debug)]

pub enum Became {
    Refused(Refusal),
    Unreadable(Unreadable),
    Read(Vec<Reading>),
}

impl Became {
    /// What was read; nothing if nothing was.
    pub fn facts(&self) -> Vec<Fact> {
        match self {
            Self::Read(readings) => readings
                .iter()
                .map(|reading| reading.fact.clone())
                .collect(),
            Self::Refused(_) | Self::Unreadable(_) => Vec::new(),
        }
    }
}

impl Tested {
    /// Whether anything is signed at all.
    pub fn signs(&self) -> bool {
        let sent = self.sent(self.samples[0].body.as_bytes());
        self.covers != Covers::Nothing || !sent.headers.is_empty()
    }

    /// Who it is at our side.
    pub fn account(&self) -> GatewayAccount {
        GatewayAccount::new(self.config["gateway"].as_str().unwrap(), self.name)
    }

    /// Our side, with its first secret and no end to it.
    pub fn gateways(&self) -> Gateways {
        self.gateways_with(json!([self.secrets[0]]))
    }

    /// Our side with these secrets.
    pub fn gateways_with(&self, secrets: Value) -> Gateways {
        let mut config = self.config.clone();
        config["account"] = json!(self.name);
        config["secrets"] = secrets;
        let account = serde_json::from_value(config).unwrap();
        Gateways::new(vec![account], vec![]).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the gateway posts, signed with its first secret at [`T`].
    pub fn sent(&self, body: &[u8]) -> Sent {
        self.signed(0, body)
    }

    /// The same with its `nth` secret.
    pub fn signed(&self, nth: usize, body: &[u8]) -> Sent {
        let message = Message {
            id: "evt-1",
            at: &T.to_string(),
            body,
        };
        (self.sign)(&self.secrets[nth], &message)
    }

    /// The first sample with something else in one place; none if it has no such place.
    pub fn with(&self, place: &Option<(String, String)>, other: &str) -> Option<Vec<u8>> {
        let (before, value) = place.as_ref()?;
        let body = &self.samples[0].body;
        let (from, to) = (format!("{before}{value}"), format!("{before}{other}"));
        assert!(
            body.contains(&from),
            "{}: {from} is not in {body}",
            self.name
        );
        Some(body.replacen(&from, &to, 1).into_bytes())
    }
}

/// What the door of `gateways` makes of a message that comes at `at`.
pub fn became(tested: &Tested, gateways: &Gateways, sent: &Sent, at: i64) -> Became {
    let door = gateways.door(&tested.account()).unwrap();
    let headers = sent.map().unwrap();
    match door.verify(&headers, &sent.body, unix(at)) {
        Err(refusal) => Became::Refused(refusal),
        Ok(()) => match readings(door, &headers, &sent.body) {
            Ok(readings) => Became::Read(readings),
            Err(error) => Became::Unreadable(error),
        },
    }
}

/// What a body says, item by item; nothing if one of them cannot be read.
pub fn readings(
    door: &dyn Door,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<Reading>, Unreadable> {
    door.read(headers, body).into_iter().collect()
}

/// What matters of a fact.
pub fn says(fact: &Fact) -> Says {
    match fact {
        Fact::Payment(fact) => Says::Payment {
            state: fact.state,
            amount: (fact.amount.minor, code(fact.amount.currency.code())),
            ours: matches!(&fact.reference, Reference::Booking { booking: named, .. } if *named == booking()),
        },
        Fact::Refund(fact) => Says::Refund {
            state: fact.state,
            amount: (fact.amount.minor, code(fact.amount.currency.code())),
        },
        Fact::Dispute(_) => Says::Dispute,
        Fact::Hint(_) => Says::Hint,
        Fact::Nothing => Says::Nothing,
    }
}

/// The currencies that samples have.
fn code(code: &str) -> &'static str {
    ["INR", "EUR", "USD", "JPY", "KWD"]
        .into_iter()
        .find(|known| *known == code)
        .unwrap_or("another")
}

pub fn unix(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}
