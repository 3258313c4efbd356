//! Reading a record again: is it genuine, what does it say, and where does it belong? Pure.

use boxoffice_gateways::{Gateways, ReverifyError, WebhookRecord};
use boxoffice_saga::fact::{Fact, HintFact, Reference};
use boxoffice_saga::identity::{BookingId, GatewayAccount};
use boxoffice_saga::input::Input;
use boxoffice_stream::Record;
use boxoffice_turn::EventKey;
use bytes::Bytes;

/// What a record turned out to be.
#[derive(Clone, Debug)]
pub enum Intake {
    /// Names a booking of ours.
    Ours {
        /// The booking.
        booking: BookingId,
        /// What happens to it.
        input: Input,
        /// The record.
        record: Box<WebhookRecord>,
        /// What the inbox knows it by.
        event: EventKey,
    },
    /// Without our reference: the payment's gateway id must lead to the booking, or the id of what it was opened as.
    /// About a refund, a dispute, or the money of something that we may have opened.
    ByPayment {
        /// Whose id it is.
        account: GatewayAccount,
        /// The gateway's id of the payment.
        gateway_payment_id: String,
        /// The gateway's id of what the payment was opened as, if that is another thing.
        opened_as: Option<String>,
        /// Whether it is about money. What is not, and leads to nothing, is nobody's.
        about_money: bool,
        /// What happens to the booking.
        input: Input,
        /// The record.
        record: Box<WebhookRecord>,
        /// What the inbox knows it by.
        event: EventKey,
    },
    /// Somebody whose word is no proof says that something happened to a payment.
    Hint {
        /// The payment, and whose it is said to be.
        fact: HintFact,
    },
    /// Bears a reference that looks like ours and is none: a person must look.
    Malformed {
        /// What it says.
        fact: Fact,
        /// What stood in the reference.
        found: String,
        /// What the inbox knows it by.
        event: EventKey,
    },
    /// Genuine and of no interest: another product's money, or a kind that we do not act on.
    Nothing {
        /// What the inbox knows it by.
        event: EventKey,
    },
    /// Not to be believed. An alarm: somebody else writes the topic, or a secret was removed too early.
    Forged {
        /// Why.
        why: String,
    },
    /// Not to be understood.
    Unreadable {
        /// Why.
        why: String,
    },
}

/// Reads one record.
pub fn read(gateways: &Gateways, record: &Record) -> Intake {
    let body = Bytes::copy_from_slice(record.payload());
    let webhook = match WebhookRecord::from_parts(record.headers(), body) {
        Ok(webhook) => webhook,
        Err(error) => {
            return Intake::Forged {
                why: error.to_string(),
            };
        }
    };
    let reading = match gateways.reverify(&webhook) {
        Ok(reading) => reading,
        Err(ReverifyError::Unreadable(error)) => {
            return Intake::Unreadable {
                why: error.to_string(),
            };
        }
        Err(error) => {
            return Intake::Forged {
                why: error.to_string(),
            };
        }
    };
    let key = gateways.inbox_key(&webhook);
    let event = EventKey {
        source: key.source,
        event_id: key.event_id,
    };
    let record = Box::new(webhook);
    let (reference, account, gateway_payment_id, input) = match &reading.fact {
        Fact::Payment(fact) => (
            fact.reference.clone(),
            &fact.account,
            &fact.gateway_payment_id,
            Input::Payment(fact.clone()),
        ),
        Fact::Refund(fact) => (
            fact.reference.clone(),
            &fact.account,
            &fact.gateway_payment_id,
            Input::Refund(fact.clone()),
        ),
        Fact::Dispute(fact) => (
            fact.reference.clone(),
            &fact.account,
            &fact.gateway_payment_id,
            Input::Dispute(fact.clone()),
        ),
        Fact::Hint(fact) => return Intake::Hint { fact: fact.clone() },
        Fact::Nothing => return Intake::Nothing { event },
    };
    match (reference, &reading.fact) {
        (Reference::Booking { booking, .. }, _) => Intake::Ours {
            booking,
            input,
            record,
            event,
        },
        (Reference::Malformed { found }, _) => Intake::Malformed {
            fact: reading.fact,
            found,
            event,
        },
        (Reference::Absent, Fact::Refund(_) | Fact::Dispute(_)) => Intake::ByPayment {
            account: account.clone(),
            gateway_payment_id: gateway_payment_id.clone(),
            opened_as: None,
            about_money: true,
            input,
            record,
            event,
        },
        // Razorpay's orders bear our reference, and a payment of one may bear none.
        (Reference::Absent, Fact::Payment(fact)) if fact.opened_as.is_some() => Intake::ByPayment {
            account: account.clone(),
            gateway_payment_id: gateway_payment_id.clone(),
            opened_as: fact.opened_as.clone(),
            about_money: fact.bears_money(),
            input,
            record,
            event,
        },
        // Somebody else shares the gateway account. Left alone, never refunded.
        (Reference::Absent, _) => Intake::Nothing { event },
    }
}

/// What of a record's content must be looked up before its turn: gateway ids, one of which may be of ours.
pub fn payments_to_look_up(intake: &Intake) -> impl Iterator<Item = (GatewayAccount, String)> {
    let ids = match intake {
        Intake::ByPayment {
            account,
            gateway_payment_id,
            opened_as,
            ..
        } => {
            let of_ours = |id: &String| (account.clone(), id.clone());
            [
                Some(of_ours(gateway_payment_id)),
                opened_as.as_ref().map(of_ours),
            ]
        }
        Intake::Hint { fact } => {
            let hinted = (fact.account.clone(), fact.gateway_payment_id.clone());
            [Some(hinted), None]
        }
        _ => [None, None],
    };
    ids.into_iter().flatten()
}
