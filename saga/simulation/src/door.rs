//! The door of the simulated gateway: who holds its seal is believed, within the tolerance of clocks.
//!
//! Signatures have tests of their own; here a seal stands for one, so that what is decided about genuine,
//! forged, stale and unreadable records is what runs in production.

use boxoffice_gateways::port::{Door, Refusal, Unreadable};
use boxoffice_gateways::{Item, Readings};
use boxoffice_saga::fact::{Fact, Reading};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::mistake::Mistake;
use crate::wire::Network;

/// The header that bears the seal and the gateway's time.
const SEAL: &str = "seal";
/// How far the gateway's clock may be from ours.
pub(crate) const TOLERANCE: Duration = Duration::minutes(5);

#[derive(Serialize, Deserialize)]
struct Body {
    event_id: String,
    fact: Fact,
}

/// The door.
pub(crate) struct SealedDoor {
    pub mistake: Option<Mistake>,
    /// For the time.
    pub network: Network,
}

/// A webhook as it is posted: headers and body.
pub(crate) fn post(event_id: &str, fact: &Fact, at: OffsetDateTime) -> (HeaderMap, Bytes) {
    let body = Body {
        event_id: event_id.to_owned(),
        fact: fact.clone(),
    };
    // Plain data: this cannot fail.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    (sealed(at), body.into())
}

/// A webhook that is genuine and says nothing that anybody understands.
pub(crate) fn gibberish(at: OffsetDateTime) -> (HeaderMap, Bytes) {
    (sealed(at), Bytes::from_static(b"{}"))
}

fn sealed(at: OffsetDateTime) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(SEAL, HeaderValue::from(at.unix_timestamp()));
    headers
}

impl SealedDoor {
    fn item(&self, body: &[u8]) -> Item {
        let Body { event_id, fact } =
            serde_json::from_slice(body).map_err(|_| Unreadable::Value { what: "the body" })?;
        let live = match &fact {
            Fact::Payment(fact) => fact.live,
            Fact::Refund(fact) => fact.live,
            Fact::Dispute(fact) => fact.live,
            Fact::Hint(_) | Fact::Nothing => true,
        };
        if !live && self.mistake != Some(Mistake::TestMoneyCounts) {
            return Err(Unreadable::WrongMode { live });
        }
        Ok(Reading {
            event_id,
            kind: "simulated".to_owned(),
            occurred_at: None,
            fact,
        })
    }
}

impl Door for SealedDoor {
    fn verify(&self, headers: &HeaderMap, _: &[u8], at: OffsetDateTime) -> Result<(), Refusal> {
        let at = match self.mistake {
            Some(Mistake::AnybodyIsBelieved) => return Ok(()),
            Some(Mistake::SignaturesGrowOld) => self.network.wire().now,
            _ => at,
        };
        let seal = headers.get(SEAL).ok_or(Refusal::Missing)?;
        let seconds: i64 = seal
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(Refusal::Malformed)?;
        let away = at.unix_timestamp() - seconds;
        if away > TOLERANCE.whole_seconds() {
            Err(Refusal::Stale)
        } else if -away > TOLERANCE.whole_seconds() {
            Err(Refusal::Future)
        } else {
            Ok(())
        }
    }

    fn read(&self, _: &HeaderMap, body: &[u8]) -> Readings {
        self.item(body).into()
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &[SEAL]
    }
}
