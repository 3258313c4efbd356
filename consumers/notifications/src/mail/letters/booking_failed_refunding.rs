//! "Your money is on its way back": a payment is being returned, and why.

use boxoffice_saga::money::Money;
use time::{Date, OffsetDateTime};

use super::super::letter::{BookingFacts, Contact, Language, Letter, Letterhead, english_day};
use super::super::message_id::MessageId;
use super::super::money_text::money_text;
use super::super::page::{Block, Page};
use super::{ENGLISH_HELP, ENGLISH_STATUS, english_facts};

/// Why money goes back, as far as the customer needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReturnReason {
    /// The hold had run out, and at least one seat belonged to somebody else.
    SeatsLost,
    /// The booking was already paid.
    SecondPayment,
    /// More or less was paid than the booking costs.
    WrongAmount,
    /// Paid in another currency than the booking's.
    WrongCurrency,
    /// The customer or the box office cancelled the booking.
    BookingCancelled,
    /// The show was cancelled.
    ShowCancelled,
    /// The payment came in for a booking that had been cancelled before.
    PaidAfterCancellation,
}

/// Money is going back to the customer. The booking failed, or only this payment did: the reason says which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingFailedRefunding {
    /// To whom.
    pub contact: Contact,
    /// Which booking.
    pub booking: BookingFacts,
    /// What goes back.
    pub amount: Money,
    /// Why.
    pub reason: ReturnReason,
    /// The day by which it should be with the customer, if we can tell.
    pub expected_by: Option<Date>,
}

impl BookingFailedRefunding {
    /// Writes the letter.
    pub fn write(
        &self,
        letterhead: &Letterhead,
        message_id: MessageId,
        written_at: OffsetDateTime,
    ) -> Letter {
        let page = match Language::of(&self.contact) {
            Language::English => self.english(),
        };
        Letter::from_page(
            &page,
            &self.contact,
            Vec::new(),
            letterhead,
            message_id,
            written_at,
        )
    }

    fn english(&self) -> Page {
        let amount = money_text(self.amount);
        let arrival = match self.expected_by {
            Some(day) => format!(
                "We expect it to reach you by {}. The exact day depends on your bank.",
                english_day(day)
            ),
            None => "When it shows in your account depends on your bank; several working days are usual."
                .into(),
        };
        let mut facts = english_facts(&self.booking);
        facts.push(("Going back to you", amount.clone()));
        let mut blocks = vec![
            Block::Paragraph(format!(
                "We are returning {amount} to the card or account that you paid with. Your money is safe, \
                 and you need not do anything."
            )),
            Block::Paragraph(english_reason(self.reason).into()),
            Block::Facts(facts),
            Block::Paragraph(arrival),
            Block::Paragraph(english_next(self.reason).into()),
            Block::Paragraph("We will write again once the refund has gone through.".into()),
        ];
        blocks.extend(
            self.booking
                .status_url
                .clone()
                .map(|url| Block::Link(ENGLISH_STATUS, url)),
        );
        Page {
            language: Language::English,
            title: format!("Your money is on its way back: {}", self.booking.show_title),
            blocks,
            help: ENGLISH_HELP,
        }
    }
}

/// What happened.
const fn english_reason(reason: ReturnReason) -> &'static str {
    match reason {
        ReturnReason::SeatsLost => {
            "Your payment reached us after the time for which your seats were held, and by then not all of \
             them were free any more. So we could not give you this booking. We are sorry."
        }
        ReturnReason::SecondPayment => {
            "Your booking had already been paid for, and this was a second payment. Your booking stays as it \
             is; only the second payment goes back."
        }
        ReturnReason::WrongAmount => {
            "The amount of this payment was not the price of the booking, so we could not accept it."
        }
        ReturnReason::WrongCurrency => {
            "This payment was made in another currency than the booking's, so we could not accept it."
        }
        ReturnReason::BookingCancelled => "Your booking has been cancelled.",
        ReturnReason::ShowCancelled => {
            "The show has been cancelled, and with it your booking. We are sorry."
        }
        ReturnReason::PaidAfterCancellation => {
            "This payment reached us after the booking had been cancelled."
        }
    }
}

/// What it means for the booking, and whether to pay again.
const fn english_next(reason: ReturnReason) -> &'static str {
    match reason {
        ReturnReason::SeatsLost => {
            "You have no seats from this booking. If you would like other seats, you can book again: that is \
             a new payment, and it does not touch this refund."
        }
        ReturnReason::SecondPayment => "Please do not pay for this booking again.",
        ReturnReason::WrongAmount | ReturnReason::WrongCurrency => {
            "Your booking is as it was before this payment. Please look at how it stands before you pay \
             again."
        }
        ReturnReason::BookingCancelled
        | ReturnReason::ShowCancelled
        | ReturnReason::PaidAfterCancellation => {
            "Tickets for this booking are no longer valid. Please do not pay for it again."
        }
    }
}
