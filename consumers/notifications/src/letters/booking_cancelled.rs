//! "Your booking is cancelled": by the customer, by the box office, or with its show.

use boxoffice_saga::money::Money;
use serde::{Deserialize, Serialize};

use super::page::{Block, Page};
use super::short::fitted;
use super::{BookingFacts, Wording};
use crate::language::{Language, money_text};
use crate::template::Template;

/// Who cancelled the booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelledBy {
    /// The customer.
    Customer,
    /// The box office, this booking alone.
    BoxOffice,
    /// The show as a whole was cancelled.
    Show,
}

/// A booking is cancelled, and its tickets, if it had any, are no longer valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingCancelled {
    /// Which booking.
    pub booking: BookingFacts,
    /// Who cancelled it.
    pub by: CancelledBy,
    /// What goes back to the customer; `None`: nothing does, and the letter does not speak of money.
    pub returning: Option<Money>,
}

impl Wording for BookingCancelled {
    fn template(&self) -> Template {
        Template::BookingCancelled
    }

    fn page(&self, language: Language) -> Page {
        let (title, blocks) = match language {
            Language::English => self.english(),
            Language::Hindi => self.hindi(),
        };
        self.booking.page(language, title, blocks)
    }

    fn short(&self, language: Language) -> Option<String> {
        let start = self.booking.short_start(language);
        let amount = self.returning.map(|amount| language.short_money(amount));
        Some(fitted(&self.booking.show_title, |title| {
            match (language, &amount) {
                (Language::English, Some(amount)) => format!(
                    "Cancelled: your booking for {title}{start}. {amount} is on its way back to you. See our \
                     e-mail."
                ),
                (Language::English, None) => {
                    format!("Cancelled: your booking for {title}{start}. See our e-mail.")
                }
                (Language::Hindi, Some(amount)) => format!(
                    "{title}{start} की आपकी बुकिंग रद्द हो गई है। {amount} आपको लौटाए जा रहे हैं। ब्योरा ई-मेल में है।"
                ),
                (Language::Hindi, None) => {
                    format!("{title}{start} की आपकी बुकिंग रद्द हो गई है। ब्योरा ई-मेल में है।")
                }
            }
        }))
    }
}

impl BookingCancelled {
    fn english(&self) -> (String, Vec<Block>) {
        let what = match self.by {
            CancelledBy::Customer => "As you asked, your booking has been cancelled.",
            CancelledBy::BoxOffice => "We have had to cancel your booking. We are sorry.",
            CancelledBy::Show => {
                "The show has been cancelled, and with it your booking. We are sorry."
            }
        };
        let mut blocks = vec![Block::Paragraph(what.into())];
        match self.returning.map(money_text) {
            Some(amount) => blocks.extend([
                Block::Paragraph(format!(
                    "We are returning {amount} to the card or account that you paid with. Your money is \
                     safe, and you need not do anything. We will write again once the refund has gone \
                     through."
                )),
                self.booking
                    .rows(Language::English, [("Going back to you", amount)]),
            ]),
            None => blocks.extend([
                Block::Paragraph("You need not do anything.".into()),
                self.booking.rows(Language::English, []),
            ]),
        }
        // Who has not paid has no tickets.
        let tickets = match self.returning {
            Some(_) => {
                "Tickets for this booking are no longer valid. Please do not pay for it again."
            }
            None => "Please do not pay for it any more.",
        };
        blocks.push(Block::Paragraph(tickets.into()));
        let title = format!("Your booking is cancelled: {}", self.booking.show_title);
        (title, blocks)
    }

    fn hindi(&self) -> (String, Vec<Block>) {
        let what = match self.by {
            CancelledBy::Customer => "आपके कहने पर आपकी बुकिंग रद्द कर दी गई है।",
            CancelledBy::BoxOffice => "हमें आपकी बुकिंग रद्द करनी पड़ी है। हमें इसका खेद है।",
            CancelledBy::Show => "शो रद्द कर दिया गया है, और उसके साथ आपकी बुकिंग भी। हमें इसका खेद है।",
        };
        let mut blocks = vec![Block::Paragraph(what.into())];
        match self.returning.map(money_text) {
            Some(amount) => blocks.extend([
                Block::Paragraph(format!(
                    "हम {amount} उसी कार्ड या खाते में लौटा रहे हैं जिससे आपने भुगतान किया था। आपका पैसा सुरक्षित है, \
                     और आपको कुछ नहीं करना है। रिफ़ंड पूरा होते ही हम आपको फिर लिखेंगे।"
                )),
                self.booking
                    .rows(Language::Hindi, [("लौटाई जा रही राशि", amount)]),
            ]),
            None => blocks.extend([
                Block::Paragraph("आपको कुछ नहीं करना है।".into()),
                self.booking.rows(Language::Hindi, []),
            ]),
        }
        let tickets = match self.returning {
            Some(_) => "इस बुकिंग के टिकट अब मान्य नहीं हैं। कृपया इसके लिए फिर से भुगतान न करें।",
            None => "कृपया अब इसके लिए भुगतान न करें।",
        };
        blocks.push(Block::Paragraph(tickets.into()));
        let title = format!("आपकी बुकिंग रद्द हो गई है: {}", self.booking.show_title);
        (title, blocks)
    }
}
