//! "Your refund is done".

use boxoffice_saga::money::Money;
use time::{Date, OffsetDateTime};

use super::super::letter::{BookingFacts, Contact, Language, Letter, Letterhead, english_day};
use super::super::message_id::MessageId;
use super::super::money_text::money_text;
use super::super::page::{Block, Page};
use super::{ENGLISH_HELP, ENGLISH_STATUS, english_facts};

/// The gateway has said that the refund is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// To whom.
    pub contact: Contact,
    /// Which booking.
    pub booking: BookingFacts,
    /// What went back.
    pub amount: Money,
    /// The day on which the gateway said so.
    pub refunded_on: Date,
    /// What a bank can look the refund up by: the acquirer's reference number, or the gateway's refund id.
    pub reference: Option<String>,
}

impl Refunded {
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
        let mut facts = english_facts(&self.booking);
        facts.push(("Refunded", amount.clone()));
        facts.push(("Refunded on", english_day(self.refunded_on)));
        facts.extend(
            self.reference
                .clone()
                .map(|reference| ("Refund reference", reference)),
        );
        let not_there = match self.reference {
            Some(_) => {
                "Your bank may take several working days to show it. Should it not appear, give your bank \
                 the refund reference above: it can trace the money by it."
            }
            None => {
                "Your bank may take several working days to show it. Should it not appear, please tell us \
                 your booking reference."
            }
        };
        let mut blocks = vec![
            Block::Paragraph(format!(
                "Our payment provider has confirmed your refund of {amount}. It goes to the card or account \
                 that you paid with, and nothing is left for you to do."
            )),
            Block::Facts(facts),
            Block::Paragraph(not_there.into()),
        ];
        blocks.extend(
            self.booking
                .status_url
                .clone()
                .map(|url| Block::Link(ENGLISH_STATUS, url)),
        );
        Page {
            language: Language::English,
            title: format!("Your refund of {amount}: {}", self.booking.show_title),
            blocks,
            help: ENGLISH_HELP,
        }
    }
}
