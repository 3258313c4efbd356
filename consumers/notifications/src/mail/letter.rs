//! A letter, ready to be carried.

use boxoffice_tickets::{QrError, qr_png};
use time::OffsetDateTime;

use super::message_id::MessageId;
use crate::language::Language;
use crate::letters::{Letterhead, Wording};

/// A PNG that stands in the letter and is attached to it as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The Content-ID, without angle brackets.
    pub content_id: String,
    /// The name as an attachment.
    pub file_name: String,
    /// The PNG.
    pub png: Vec<u8>,
}

/// A letter ready for the [`Postman`](super::Postman).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The address, as given: the postman checks it.
    pub to: String,
    /// Its Message-ID.
    pub message_id: MessageId,
    /// The `Date` header.
    pub written_at: OffsetDateTime,
    /// The subject, one line.
    pub subject: String,
    /// The plain form.
    pub text: String,
    /// The HTML form, which says the same.
    pub html: String,
    /// The picture to which the HTML refers: the ticket's QR code.
    pub picture: Option<Picture>,
}

impl Letter {
    /// Writes what `wording` has to say in `language`, to the address `to`.
    ///
    /// # Errors
    /// Where a ticket does not fit into a QR code.
    pub fn write(
        wording: &dyn Wording,
        language: Language,
        letterhead: &Letterhead,
        to: &str,
        message_id: MessageId,
        written_at: OffsetDateTime,
    ) -> Result<Self, QrError> {
        let picture = match wording.ticket() {
            Some(ticket) => Some(Picture {
                content_id: format!("ticket.{}", message_id.as_str()),
                file_name: format!("ticket-{}.png", message_id.booking()),
                png: qr_png(ticket)?,
            }),
            None => None,
        };
        let content_id = picture.as_ref().map(|picture| picture.content_id.as_str());
        let page = wording.page(language);
        Ok(Self {
            to: to.to_owned(),
            subject: page.subject(),
            text: page.text(letterhead),
            html: page.html(letterhead, content_id),
            message_id,
            written_at,
            picture,
        })
    }
}
