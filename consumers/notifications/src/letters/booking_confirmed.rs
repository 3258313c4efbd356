//! "Your tickets": the booking is confirmed.

use boxoffice_saga::money::Money;
use boxoffice_tickets::TicketCode;

use super::page::{Block, Page};
use super::short::fitted;
use super::{BookingFacts, Wording};
use crate::language::{Language, money_text};
use crate::template::Template;

/// The booking is confirmed; here is the ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingConfirmed {
    /// Which booking.
    pub booking: BookingFacts,
    /// What was paid.
    pub amount: Money,
    /// The signed ticket: it stands in the letter as text and as a QR picture, which is attached as well.
    pub ticket: TicketCode,
}

impl Wording for BookingConfirmed {
    fn template(&self) -> Template {
        Template::BookingConfirmed
    }

    fn page(&self, language: Language) -> Page {
        let (title, blocks) = match language {
            Language::English => self.english(),
            Language::Hindi => self.hindi(),
        };
        self.booking.page(language, title, blocks)
    }

    fn short(&self, language: Language) -> Option<String> {
        let seats = self.booking.short_seats(language);
        let start = self.booking.short_start(language);
        Some(fitted(&self.booking.show_title, |title| match language {
            Language::English => {
                format!("Booked: {title}{start}, {seats}. Your ticket is in our e-mail.")
            }
            Language::Hindi => {
                format!("बुकिंग पक्की: {title}{start}, {seats}। आपका टिकट ई-मेल में है।")
            }
        }))
    }

    fn ticket(&self) -> Option<&TicketCode> {
        Some(&self.ticket)
    }
}

impl BookingConfirmed {
    fn english(&self) -> (String, Vec<Block>) {
        let (title, seats_are) = match self.booking.seats.len() {
            1 => ("Your ticket for", "your seat is"),
            _ => ("Your tickets for", "your seats are"),
        };
        let blocks = vec![
            Block::Paragraph(format!(
                "Your booking is confirmed: we have your payment, and {seats_are} yours. There is nothing \
                 left to do."
            )),
            self.booking
                .rows(Language::English, [("Paid", money_text(self.amount))]),
            Block::Paragraph(
                "Show this code at the entrance, on your phone or printed. It lets in everybody on this \
                 booking, and it needs no network."
                    .into(),
            ),
            Block::Picture("(The QR code of your ticket is attached as a picture.)"),
            Block::Paragraph("The same code as text, should the picture not show:".into()),
            Block::Code(self.ticket.to_string()),
            Block::Paragraph(
                "Whoever has this code can use it, so please keep it to yourself.".into(),
            ),
        ];
        (format!("{title} {}", self.booking.show_title), blocks)
    }

    fn hindi(&self) -> (String, Vec<Block>) {
        let (title, seats_are) = match self.booking.seats.len() {
            1 => ("आपका टिकट", "सीट आपकी है"),
            _ => ("आपके टिकट", "सीटें आपकी हैं"),
        };
        let blocks = vec![
            Block::Paragraph(format!(
                "आपकी बुकिंग पक्की हो गई है: आपका भुगतान हमें मिल गया है और {seats_are}। आपको अब कुछ और नहीं करना है।"
            )),
            self.booking
                .rows(Language::Hindi, [("चुकाई गई राशि", money_text(self.amount))]),
            Block::Paragraph(
                "प्रवेश द्वार पर यह कोड दिखाएँ, फ़ोन पर या छपा हुआ। इस बुकिंग के सभी लोग इसी कोड से अंदर जा सकते हैं, \
                 और इसके लिए नेटवर्क की ज़रूरत नहीं है।"
                    .into(),
            ),
            Block::Picture("(आपके टिकट का QR कोड चित्र के रूप में संलग्न है।)"),
            Block::Paragraph("अगर चित्र न दिखे, तो यही कोड अक्षरों में:".into()),
            Block::Code(self.ticket.to_string()),
            Block::Paragraph(
                "यह कोड जिसके पास हो, वही इसका इस्तेमाल कर सकता है, इसलिए कृपया इसे किसी और को न दें।".into(),
            ),
        ];
        (format!("{title}: {}", self.booking.show_title), blocks)
    }
}
