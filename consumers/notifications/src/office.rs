//! From a booking's rows to a message, and on its way.

use std::sync::Arc;

use boxoffice_saga::booking::Booking;
use boxoffice_saga::identity::RefundId;
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::Verdict;
use boxoffice_saga::refund::{Refund, RefundCause, RefundStanding};
use boxoffice_saga::status::REFUND_DAYS;
use boxoffice_tickets::{Ticket, TicketKeys};
use boxoffice_turn::postgres::read::Case;
use time::{Duration, OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::channel::Channel;
use crate::delivery_error::DeliveryError;
use crate::errand::Errand;
use crate::language::Language;
use crate::letters::{
    BookingCancelled, BookingConfirmed, BookingFacts, BookingFailedRefunding, HoldExpired,
    HoldExpiring, Letterhead, Refunded, ReturnReason, Wording,
};
use crate::mail::{Letter, MailDomain, MessageId, Postman};
use crate::provider::{Provider, ShortMessage};

/// What is needed to write and to send.
pub struct Office {
    /// Who carries the letters.
    pub postman: Postman,
    /// Who carries text messages; `None`: none are sent.
    pub sms: Option<Arc<dyn Provider>>,
    /// Who carries notifications to devices; `None`: none are sent.
    pub push: Option<Arc<dyn Provider>>,
    /// What stands at the head of letters.
    pub letterhead: Letterhead,
    /// The domain of their Message-IDs.
    pub domain: MailDomain,
    /// The offset from UTC in which customers read times.
    pub offset: UtcOffset,
    /// Signs tickets.
    pub ticket_keys: TicketKeys,
    /// Where a customer can look a booking up, given its id; `None`: the letters go without.
    pub status_url: Option<Box<dyn Fn(Uuid, OffsetDateTime) -> String + Send + Sync>>,
}

/// What a message says about the show.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    pub title: String,
    pub starts_at: OffsetDateTime,
}

/// A message that is due.
pub(crate) struct Due<'a> {
    pub errand: Errand,
    pub wording: &'a dyn Wording,
    pub language: Language,
    pub booking: &'a Booking,
    /// The task's subject: the id of short messages.
    pub subject: Uuid,
    pub now: OffsetDateTime,
}

impl Office {
    /// The ways by which messages are sent.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> {
        Channel::ALL.into_iter().filter(|channel| match channel {
            Channel::Email => true,
            Channel::Sms => self.sms.is_some(),
            Channel::Push => self.push.is_some(),
        })
    }

    /// The id under which a message is sent, each time it is.
    pub(crate) fn message_id(
        &self,
        channel: Channel,
        errand: Errand,
        booking: Uuid,
        subject: Uuid,
    ) -> String {
        match channel {
            Channel::Email => self.mail_id(errand, booking).as_str().to_owned(),
            Channel::Sms | Channel::Push => subject.to_string(),
        }
    }

    fn mail_id(&self, errand: Errand, booking: Uuid) -> MessageId {
        MessageId::new(errand.cause(), errand.template(), booking, &self.domain)
    }

    /// What is to be said. The error says why it cannot be, for people.
    pub(crate) fn wording(
        &self,
        errand: Errand,
        case: &Case,
        show: &Show,
        now: OffsetDateTime,
    ) -> Result<Box<dyn Wording>, String> {
        let row = &case.booking;
        let booking = BookingFacts {
            booking_id: row.id.uuid(),
            show_title: show.title.clone(),
            starts_at: Some(self.local(show.starts_at)),
            venue: None,
            seats: row.seats.clone(),
            status_url: self.status_url.as_ref().map(|url| url(row.id.uuid(), now)),
        };
        Ok(match errand {
            Errand::BookingConfirmed { .. } => {
                let issued_at = row.confirmed_at.ok_or("the booking is not confirmed")?;
                let (id, seats) = (row.id.uuid(), row.seats.clone());
                let ticket = Ticket::new(id, row.show().number(), seats, issued_at)
                    .map_err(|error| error.to_string())?
                    .sign(&self.ticket_keys);
                Box::new(BookingConfirmed {
                    booking,
                    amount: row.amount,
                    ticket,
                })
            }
            Errand::BookingFailedRefunding { cause } => {
                let refund = refund(case, cause)?;
                let expected_by = refund.requested_at + Duration::days(REFUND_DAYS);
                Box::new(BookingFailedRefunding {
                    booking,
                    amount: refund.amount,
                    reason: reason(refund.cause),
                    expected_by: Some(self.local(expected_by).date()),
                })
            }
            Errand::Refunded { cause } => {
                let refund = refund(case, cause)?;
                Box::new(Refunded {
                    booking,
                    amount: refund.amount,
                    refunded_on: self.local(refund.done_at.unwrap_or(now)).date(),
                    reference: refund.gateway_refund_id.clone(),
                })
            }
            Errand::HoldExpiring { .. } => Box::new(HoldExpiring {
                booking,
                amount: row.amount,
                expires_at: self.local(row.expires_at),
                minutes_left: (row.expires_at - now).whole_minutes(),
            }),
            Errand::HoldExpired { .. } => Box::new(HoldExpired { booking }),
            Errand::BookingCancelled { by, .. } => Box::new(BookingCancelled {
                booking,
                by,
                returning: returning(case),
            }),
        })
    }

    /// Sends a message by `channel`, in one try. `Ok(Some(why))`: it is not to be sent this way at all.
    pub(crate) async fn send(
        &self,
        channel: Channel,
        due: &Due<'_>,
    ) -> Result<Option<&'static str>, DeliveryError> {
        let (provider, to) = match channel {
            Channel::Email => return self.post(due).await.map(|()| None),
            Channel::Sms => {
                let Some(number) = &due.booking.contact.phone else {
                    return Ok(Some("no phone number was given"));
                };
                let Some(number) = dialled(number) else {
                    return Ok(Some("the phone number cannot be used"));
                };
                (&self.sms, number)
            }
            Channel::Push => (&self.push, due.booking.user.0.clone()),
        };
        let (Some(provider), Some(text)) = (provider, due.wording.short(due.language)) else {
            return Ok(Some("this is not sent that way"));
        };
        let message = ShortMessage {
            to,
            text,
            message_id: due.subject.to_string(),
            kind: due.wording.template().name(),
        };
        provider.send(&message).await.map(|()| None)
    }

    async fn post(&self, due: &Due<'_>) -> Result<(), DeliveryError> {
        let letter = Letter::write(
            due.wording,
            due.language,
            &self.letterhead,
            &due.booking.contact.email,
            self.mail_id(due.errand, due.booking.id.uuid()),
            due.now,
        );
        let letter = letter.map_err(|error| DeliveryError::Permanent {
            reason: error.to_string(),
        })?;
        self.postman.deliver(&letter).await
    }

    fn local(&self, at: OffsetDateTime) -> OffsetDateTime {
        at.checked_to_offset(self.offset).unwrap_or(at)
    }
}

/// A number as it is dialled: its digits, with a `+` if it began with one. E.164 knows no more than 15 digits,
/// and nobody's own number has fewer than 5.
fn dialled(written: &str) -> Option<String> {
    let digits: String = written.chars().filter(char::is_ascii_digit).collect();
    let plus = if written.trim_start().starts_with('+') {
        "+"
    } else {
        ""
    };
    (5..=15)
        .contains(&digits.len())
        .then(|| format!("{plus}{digits}"))
}

fn refund(case: &Case, id: Uuid) -> Result<&Refund, String> {
    let id = RefundId::from(id);
    case.refunds
        .iter()
        .find(|refund| refund.id == id)
        .ok_or_else(|| format!("there is no refund {id}"))
}

/// What goes back because the booking is cancelled: the money that had paid for it. Money that was never
/// applied to it has a letter of its own.
fn returning(case: &Case) -> Option<Money> {
    let applied = case
        .payments
        .iter()
        .find(|payment| payment.verdict == Some(Verdict::Applied))?;
    let minor = case
        .refunds
        .iter()
        .filter(|refund| refund.payment == applied.id)
        .filter(|refund| refund.standing != RefundStanding::Withdrawn)
        .fold(0_i64, |sum, refund| sum.saturating_add(refund.amount.minor));
    let currency = applied.captured.unwrap_or(applied.expected).currency;
    (minor > 0).then(|| Money::new(minor, currency))
}

const fn reason(cause: RefundCause) -> ReturnReason {
    match cause {
        RefundCause::SeatsLost => ReturnReason::SeatsLost,
        RefundCause::SecondPayment => ReturnReason::SecondPayment,
        RefundCause::WrongAmount => ReturnReason::WrongAmount,
        RefundCause::WrongCurrency => ReturnReason::WrongCurrency,
        // What had paid for the booking is told of with the cancellation; this money came later.
        RefundCause::Cancelled
        | RefundCause::ShowCancelled
        | RefundCause::NotAskedFor
        | RefundCause::LeftOver => ReturnReason::PaidAfterCancellation,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_dialled_as_they_were_meant() {
        for (written, number) in [
            ("+91 (22) 555-0100", Some("+91225550100")),
            (" 022/555.01.00", Some("0225550100")),
            ("1234", None),
            ("+", None),
            ("1234567890123456", None),
        ] {
            assert_eq!(dialled(written).as_deref(), number, "{written}");
        }
    }

    #[test]
    fn a_cancelled_booking_returns_what_had_paid_for_it() {
        use boxoffice_saga::booking::BookingState;
        use boxoffice_saga::payment::PaymentStanding;

        let captured = PaymentStanding::Captured;
        let mut case = crate::errand::tests::case(BookingState::Confirmed, &[captured, captured]);
        let amount = case.booking.amount;
        case.payments[0].verdict = Some(Verdict::SecondPayment);
        case.payments[1].verdict = Some(Verdict::Applied);
        let refund = |payment: usize| Refund {
            id: RefundId::from(Uuid::from_u128(payment as u128)),
            payment: case.payments[payment].id,
            booking: case.booking.id,
            amount,
            cause: RefundCause::SecondPayment,
            standing: RefundStanding::Requested,
            generation: 1,
            gateway_refund_id: None,
            other_way: None,
            proof: None,
            requested_at: case.booking.held_at,
            done_at: None,
        };
        let (second, applied) = (refund(0), refund(1));
        case.refunds.push(second);
        assert_eq!(returning(&case), None);
        case.refunds.push(applied);
        assert_eq!(returning(&case), Some(amount));
        case.payments.clear();
        assert_eq!(returning(&case), None, "nothing was paid");
    }
}
