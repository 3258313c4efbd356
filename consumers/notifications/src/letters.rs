//! From a booking's rows to a letter.

use boxoffice_saga::identity::RefundId;
use boxoffice_saga::refund::{Refund, RefundCause};
use boxoffice_saga::status::REFUND_DAYS;
use boxoffice_tickets::{Ticket, TicketKeys};
use boxoffice_turn::postgres::read::Case;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::intake::Errand;
use crate::mail::letters::{BookingConfirmed, BookingFailedRefunding, Refunded, ReturnReason};
use crate::mail::{BookingFacts, Contact, Letter, Letterhead, MessageId, Postman, Template};

/// What is needed to write and to send.
pub struct Office {
    /// Who carries the letters.
    pub postman: Postman,
    /// What stands at their head.
    pub letterhead: Letterhead,
    /// The domain of their Message-IDs.
    pub domain: String,
    /// Signs tickets.
    pub ticket_keys: TicketKeys,
    /// Where a customer can look a booking up, given its id; `None`: the letters go without.
    pub status_url: Option<Box<dyn Fn(Uuid, OffsetDateTime) -> String + Send + Sync>>,
}

/// What a letter says about the show.
#[derive(Clone, Debug)]
pub(crate) struct Show {
    pub title: String,
    pub starts_at: OffsetDateTime,
}

impl Office {
    /// Writes the letter of `errand`. The error says why it cannot be written, for people.
    pub(crate) fn write(
        &self,
        errand: Errand,
        case: &Case,
        show: &Show,
        now: OffsetDateTime,
    ) -> Result<Letter, String> {
        let booking = &case.booking;
        let contact = Contact {
            email: booking.contact.email.clone(),
            phone: booking.contact.phone.clone(),
            language: booking.contact.language.clone(),
        };
        let facts = BookingFacts {
            booking_id: booking.id.uuid(),
            show_title: show.title.clone(),
            starts_at: Some(show.starts_at),
            venue: None,
            seats: booking.seats.clone(),
            status_url: self
                .status_url
                .as_ref()
                .map(|url| url(booking.id.uuid(), now)),
        };
        let message_id = |template| {
            MessageId::new(errand.cause(), template, booking.id.uuid(), &self.domain)
                .map_err(|error| error.to_string())
        };
        match errand {
            Errand::BookingConfirmed { .. } => {
                let issued_at = booking.confirmed_at.ok_or("the booking is not confirmed")?;
                let seats = booking.seats.clone();
                let ticket =
                    Ticket::new(booking.id.uuid(), booking.show().number(), seats, issued_at)
                        .map_err(|error| error.to_string())?
                        .sign(&self.ticket_keys);
                BookingConfirmed {
                    contact,
                    booking: facts,
                    amount: booking.amount,
                    ticket,
                }
                .write(
                    &self.letterhead,
                    message_id(Template::BookingConfirmed)?,
                    now,
                )
                .map_err(|error| error.to_string())
            }
            Errand::BookingFailedRefunding { cause } => {
                let refund = refund(case, cause)?;
                let letter = BookingFailedRefunding {
                    contact,
                    booking: facts,
                    amount: refund.amount,
                    reason: reason(refund.cause),
                    expected_by: Some((refund.requested_at + Duration::days(REFUND_DAYS)).date()),
                };
                Ok(letter.write(
                    &self.letterhead,
                    message_id(Template::BookingFailedRefunding)?,
                    now,
                ))
            }
            Errand::Refunded { cause } => {
                let refund = refund(case, cause)?;
                let letter = Refunded {
                    contact,
                    booking: facts,
                    amount: refund.amount,
                    refunded_on: refund.done_at.unwrap_or(now).date(),
                    reference: refund.gateway_refund_id.clone(),
                };
                Ok(letter.write(&self.letterhead, message_id(Template::Refunded)?, now))
            }
        }
    }
}

fn refund(case: &Case, id: Uuid) -> Result<&Refund, String> {
    let id = RefundId::from(id);
    case.refunds
        .iter()
        .find(|refund| refund.id == id)
        .ok_or_else(|| format!("there is no refund {id}"))
}

const fn reason(cause: RefundCause) -> ReturnReason {
    match cause {
        RefundCause::SeatsLost => ReturnReason::SeatsLost,
        RefundCause::SecondPayment => ReturnReason::SecondPayment,
        RefundCause::WrongAmount => ReturnReason::WrongAmount,
        RefundCause::WrongCurrency => ReturnReason::WrongCurrency,
        RefundCause::Cancelled => ReturnReason::PaidAfterCancellation,
    }
}
