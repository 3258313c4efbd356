//! "Your seats are held for a little longer": a reminder while there is still time.

use boxoffice_saga::money::Money;
use time::OffsetDateTime;

use super::page::{Block, Page};
use super::short::fitted;
use super::{BookingFacts, Wording};
use crate::language::{Language, money_text};
use crate::template::Template;

/// The hold's promised end is near, and nobody has begun to pay.
///
/// Not written while a payment attempt is undecided, nor after the end: a reminder to pay could make somebody
/// pay twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldExpiring {
    /// Which booking.
    pub booking: BookingFacts,
    /// What it costs.
    pub amount: Money,
    /// The promised end, in the offset from UTC in which it is to be read.
    pub expires_at: OffsetDateTime,
    /// How long that is from when this is written, in whole minutes, rounded down; at least 1 is said.
    pub minutes_left: i64,
}

impl Wording for HoldExpiring {
    fn template(&self) -> Template {
        Template::HoldExpiring
    }

    fn page(&self, language: Language) -> Page {
        let (title, blocks) = match language {
            Language::English => self.english(),
            Language::Hindi => self.hindi(),
        };
        self.booking.page(language, title, blocks)
    }

    fn short(&self, language: Language) -> Option<String> {
        let left = self.left(language);
        Some(fitted(&self.booking.show_title, |title| match language {
            Language::English => format!(
                "Your seats for {title} are held for {left} more. Please pay by then. Already paid? Do not pay \
                 again."
            ),
            Language::Hindi => format!(
                "{title} की आपकी सीटें {left} और रुकी हैं। कृपया तब तक भुगतान करें। भुगतान कर चुके हों तो दोबारा न करें।"
            ),
        }))
    }
}

impl HoldExpiring {
    fn left(&self, language: Language) -> String {
        match (language, self.minutes_left.max(1)) {
            (Language::English, 1) => "about a minute".to_owned(),
            (Language::English, minutes) => format!("about {minutes} minutes"),
            (Language::Hindi, minutes) => format!("लगभग {minutes} मिनट"),
        }
    }

    fn english(&self) -> (String, Vec<Block>) {
        let end = Language::English.moment(self.expires_at);
        let left = self.left(Language::English);
        let blocks = vec![
            Block::Paragraph(format!(
                "Your seats are held for you until {end}: {left} from when this letter was written. To keep \
                 them, please pay by then."
            )),
            Block::Paragraph(
                "If you have just paid, there is nothing left to do: we write as soon as your booking is \
                 confirmed. Please do not pay a second time."
                    .into(),
            ),
            self.booking.rows(
                Language::English,
                [("Price", money_text(self.amount)), ("Held until", end)],
            ),
            Block::Paragraph(
                "If you no longer want the seats, simply let the time run out. Nothing is charged."
                    .into(),
            ),
        ];
        let title = format!(
            "Your seats are held for a little longer: {}",
            self.booking.show_title
        );
        (title, blocks)
    }

    fn hindi(&self) -> (String, Vec<Block>) {
        let end = Language::Hindi.moment(self.expires_at);
        let left = self.left(Language::Hindi);
        let blocks = vec![
            Block::Paragraph(format!(
                "आपकी सीटें {end} तक आपके लिए रुकी हैं, यानी यह पत्र लिखे जाने के समय से {left} और। इन्हें पाने के लिए कृपया \
                 तब तक भुगतान कर दें।"
            )),
            Block::Paragraph(
                "अगर आपने अभी-अभी भुगतान किया है, तो आपको कुछ नहीं करना है: बुकिंग पक्की होते ही हम आपको लिखेंगे। कृपया \
                 दोबारा भुगतान न करें।"
                    .into(),
            ),
            self.booking.rows(
                Language::Hindi,
                [("क़ीमत", money_text(self.amount)), ("कब तक रुकी हैं", end)],
            ),
            Block::Paragraph(
                "अगर आपको ये सीटें अब नहीं चाहिए, तो बस समय बीत जाने दें। आपसे कोई राशि नहीं ली जाएगी।".into(),
            ),
        ];
        let title = format!(
            "आपकी सीटें थोड़ी देर और आपके लिए रुकी हैं: {}",
            self.booking.show_title
        );
        (title, blocks)
    }
}
