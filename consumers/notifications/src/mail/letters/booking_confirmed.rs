//! "Your tickets": the booking is confirmed.

use boxoffice_saga::money::Money;
use boxoffice_tickets::{QrError, TicketCode, qr_png};
use time::OffsetDateTime;

use super::super::letter::{BookingFacts, Contact, Language, Letter, Letterhead, Picture};
use super::super::message_id::MessageId;
use super::super::money_text::money_text;
use super::super::page::{Block, Page};
use super::{ENGLISH_HELP, ENGLISH_STATUS, english_facts};

/// The booking is confirmed; here is the ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingConfirmed {
    /// To whom.
    pub contact: Contact,
    /// Which booking.
    pub booking: BookingFacts,
    /// What was paid.
    pub amount: Money,
    /// The signed ticket.
    pub ticket: TicketCode,
}

impl BookingConfirmed {
    /// Writes the letter: the ticket stands in it as text and as a QR picture, which is attached as well.
    pub fn write(
        &self,
        letterhead: &Letterhead,
        message_id: MessageId,
        written_at: OffsetDateTime,
    ) -> Result<Letter, QrError> {
        let picture = Picture {
            content_id: format!("ticket.{}", message_id.as_str()),
            file_name: format!("ticket-{}.png", self.booking.booking_id),
            png: qr_png(&self.ticket)?,
        };
        let page = match Language::of(&self.contact) {
            Language::English => self.english(),
        };
        Ok(Letter::from_page(
            &page,
            &self.contact,
            vec![picture],
            letterhead,
            message_id,
            written_at,
        ))
    }

    fn english(&self) -> Page {
        let (title, seats_are) = match self.booking.seats.len() {
            1 => ("Your ticket for", "your seat is"),
            _ => ("Your tickets for", "your seats are"),
        };
        let mut facts = english_facts(&self.booking);
        facts.push(("Paid", money_text(self.amount)));
        let mut blocks = vec![
            Block::Paragraph(format!(
                "Your booking is confirmed: we have your payment, and {seats_are} yours. There is nothing \
                 left to do."
            )),
            Block::Facts(facts),
            Block::Paragraph(
                "Show this code at the entrance, on your phone or printed. It lets in everybody on this \
                 booking, and it needs no network."
                    .into(),
            ),
            Block::Picture(0, "(The QR code of your ticket is attached as a picture.)"),
            Block::Paragraph("The same code as text, should the picture not show:".into()),
            Block::Code(self.ticket.to_string()),
            Block::Paragraph(
                "Whoever has this code can use it, so please keep it to yourself.".into(),
            ),
        ];
        blocks.extend(
            self.booking
                .status_url
                .clone()
                .map(|url| Block::Link(ENGLISH_STATUS, url)),
        );
        Page {
            language: Language::English,
            title: format!("{title} {}", self.booking.show_title),
            blocks,
            help: ENGLISH_HELP,
        }
    }
}
