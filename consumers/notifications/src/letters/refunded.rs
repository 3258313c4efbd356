//! "Your refund is done".

use boxoffice_saga::money::Money;
use time::Date;

use super::page::{Block, Page};
use super::short::fitted;
use super::{BookingFacts, Wording};
use crate::language::{Language, money_text};
use crate::template::Template;

/// The gateway has said that the refund is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refunded {
    /// Which booking.
    pub booking: BookingFacts,
    /// What went back.
    pub amount: Money,
    /// The day on which the gateway said so.
    pub refunded_on: Date,
    /// What a bank can look the refund up by: the acquirer's reference number, or the gateway's refund id.
    pub reference: Option<String>,
}

impl Wording for Refunded {
    fn template(&self) -> Template {
        Template::Refunded
    }

    fn page(&self, language: Language) -> Page {
        let (title, blocks) = match language {
            Language::English => self.english(),
            Language::Hindi => self.hindi(),
        };
        self.booking.page(language, title, blocks)
    }

    fn short(&self, language: Language) -> Option<String> {
        let amount = language.short_money(self.amount);
        Some(fitted(&self.booking.show_title, |title| match language {
            Language::English => format!(
                "Your refund of {amount} for {title} is done. Your bank may take a few days to show it."
            ),
            Language::Hindi => format!(
                "{title} के लिए आपका {amount} का रिफ़ंड पूरा हो गया है। बैंक को इसे दिखाने में कुछ दिन लग सकते हैं।"
            ),
        }))
    }
}

impl Refunded {
    fn english(&self) -> (String, Vec<Block>) {
        let amount = money_text(self.amount);
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
        let blocks = vec![
            Block::Paragraph(format!(
                "Our payment provider has confirmed your refund of {amount}. It goes to the card or account \
                 that you paid with, and nothing is left for you to do."
            )),
            self.facts(
                Language::English,
                ["Refunded", "Refunded on", "Refund reference"],
            ),
            Block::Paragraph(not_there.into()),
        ];
        let title = format!("Your refund of {amount}: {}", self.booking.show_title);
        (title, blocks)
    }

    fn hindi(&self) -> (String, Vec<Block>) {
        let amount = money_text(self.amount);
        let not_there = match self.reference {
            Some(_) => {
                "आपके बैंक को इसे दिखाने में कुछ कार्य-दिवस लग सकते हैं। अगर राशि न दिखे, तो अपने बैंक को ऊपर दी गई रिफ़ंड संख्या \
                 बताएँ: बैंक उससे राशि का पता लगा सकता है।"
            }
            None => {
                "आपके बैंक को इसे दिखाने में कुछ कार्य-दिवस लग सकते हैं। अगर राशि न दिखे, तो कृपया हमें अपनी बुकिंग संख्या बताएँ।"
            }
        };
        let blocks = vec![
            Block::Paragraph(format!(
                "हमारी भुगतान सेवा ने {amount} के आपके रिफ़ंड की पुष्टि कर दी है। यह राशि उसी कार्ड या खाते में जा रही है \
                 जिससे आपने भुगतान किया था, और आपको अब कुछ नहीं करना है।"
            )),
            self.facts(
                Language::Hindi,
                ["लौटाई गई राशि", "रिफ़ंड की तारीख़", "रिफ़ंड संख्या"],
            ),
            Block::Paragraph(not_there.into()),
        ];
        let title = format!("आपका {amount} का रिफ़ंड: {}", self.booking.show_title);
        (title, blocks)
    }

    fn facts(&self, language: Language, labels: [&'static str; 3]) -> Block {
        let [amount, day, reference] = labels;
        let more = [
            (amount, money_text(self.amount)),
            (day, language.day(self.refunded_on)),
        ];
        let mut block = self.booking.rows(language, more);
        if let (Block::Facts(rows), Some(number)) = (&mut block, &self.reference) {
            rows.push((reference, number.clone()));
        }
        block
    }
}
