//! "Your seats are no longer held": the hold's time ran out.

use super::page::{Block, Page};
use super::{BookingFacts, Wording};
use crate::language::Language;
use crate::template::Template;

/// The hold merely lapsed: nobody tried to pay.
///
/// Told once, calmly, and by letter alone. Whoever did try to pay is not told this at all: their money may
/// still be on its way, "expired" would frighten or make them pay again, and what becomes of it is told by the
/// letters about the booking and the refund. Nor is it told once the booking has been confirmed after all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldExpired {
    /// Which booking.
    pub booking: BookingFacts,
}

impl Wording for HoldExpired {
    fn template(&self) -> Template {
        Template::HoldExpired
    }

    fn page(&self, language: Language) -> Page {
        let (title, blocks) = match language {
            Language::English => self.english(),
            Language::Hindi => self.hindi(),
        };
        self.booking.page(language, title, blocks)
    }

    fn short(&self, _: Language) -> Option<String> {
        None
    }
}

impl HoldExpired {
    fn english(&self) -> (String, Vec<Block>) {
        let blocks = vec![
            Block::Paragraph(
                "The time for which we held your seats is over, and others can book them now. No payment was \
                 started for this booking, so no money has been taken, and there is nothing you need to do."
                    .into(),
            ),
            self.booking.rows(Language::English, []),
            Block::Paragraph(
                "If you would still like to come, please choose your seats again. The same ones may still be \
                 free."
                    .into(),
            ),
        ];
        let title = format!("Your seats are no longer held: {}", self.booking.show_title);
        (title, blocks)
    }

    fn hindi(&self) -> (String, Vec<Block>) {
        let blocks = vec![
            Block::Paragraph(
                "जितने समय के लिए हमने आपकी सीटें रोकी थीं, वह पूरा हो गया है, और अब दूसरे लोग उन्हें बुक कर सकते हैं। इस बुकिंग \
                 के लिए कोई भुगतान शुरू नहीं हुआ था, इसलिए आपसे कोई राशि नहीं ली गई है, और आपको कुछ नहीं करना है।"
                    .into(),
            ),
            self.booking.rows(Language::Hindi, []),
            Block::Paragraph(
                "अगर आप अब भी आना चाहें, तो कृपया फिर से सीटें चुनें। हो सकता है कि यही सीटें अब भी खाली हों।".into(),
            ),
        ];
        let title = format!("आपकी सीटें अब रुकी हुई नहीं हैं: {}", self.booking.show_title);
        (title, blocks)
    }
}
