//! "Your money is on its way back": a payment is being returned, and why.

use boxoffice_saga::money::Money;
use time::Date;

use super::page::{Block, Page};
use super::short::fitted;
use super::{BookingFacts, Wording};
use crate::language::{Language, money_text};
use crate::template::Template;

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
    /// Which booking.
    pub booking: BookingFacts,
    /// What goes back.
    pub amount: Money,
    /// Why.
    pub reason: ReturnReason,
    /// The day by which it should be with the customer, if we can tell.
    pub expected_by: Option<Date>,
}

impl Wording for BookingFailedRefunding {
    fn template(&self) -> Template {
        Template::BookingFailedRefunding
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
        let lost = self.reason == ReturnReason::SeatsLost;
        Some(fitted(&self.booking.show_title, |title| {
            match (language, lost) {
                (Language::English, true) => format!(
                    "Seats for {title} were gone when your payment came. {amount} is on its way back to you. \
                     See our e-mail."
                ),
                (Language::English, false) => format!(
                    "A payment of {amount} for {title} is on its way back to you. Your money is safe. See our \
                     e-mail."
                ),
                (Language::Hindi, true) => format!(
                    "आपका भुगतान आने तक {title} की सीटें जा चुकी थीं। {amount} आपको लौटाए जा रहे हैं। ब्योरा ई-मेल में है।"
                ),
                (Language::Hindi, false) => format!(
                    "{title} के लिए मिला {amount} का भुगतान आपको लौटाया जा रहा है। आपका पैसा सुरक्षित है। ब्योरा ई-मेल में है।"
                ),
            }
        }))
    }
}

impl BookingFailedRefunding {
    fn english(&self) -> (String, Vec<Block>) {
        let amount = money_text(self.amount);
        let arrival = match self.expected_by {
            Some(day) => format!(
                "We expect it to reach you by {}. The exact day depends on your bank.",
                Language::English.day(day)
            ),
            None => "When it shows in your account depends on your bank; several working days are usual."
                .into(),
        };
        let blocks = vec![
            Block::Paragraph(format!(
                "We are returning {amount} to the card or account that you paid with. Your money is safe, \
                 and you need not do anything."
            )),
            Block::Paragraph(english_reason(self.reason).into()),
            self.booking
                .rows(Language::English, [("Going back to you", amount)]),
            Block::Paragraph(arrival),
            Block::Paragraph(english_next(self.reason).into()),
            Block::Paragraph("We will write again once the refund has gone through.".into()),
        ];
        let title = format!("Your money is on its way back: {}", self.booking.show_title);
        (title, blocks)
    }

    fn hindi(&self) -> (String, Vec<Block>) {
        let amount = money_text(self.amount);
        let arrival = match self.expected_by {
            Some(day) => format!(
                "हमारा अनुमान है कि यह राशि {} तक आप तक पहुँच जाएगी। सही दिन आपके बैंक पर निर्भर करता है।",
                Language::Hindi.day(day)
            ),
            None => {
                "यह राशि आपके खाते में कब दिखेगी, यह आपके बैंक पर निर्भर करता है; आम तौर पर कुछ कार्य-दिवस लगते हैं।".into()
            }
        };
        let blocks = vec![
            Block::Paragraph(format!(
                "हम {amount} उसी कार्ड या खाते में लौटा रहे हैं जिससे आपने भुगतान किया था। आपका पैसा सुरक्षित है, \
                 और आपको कुछ नहीं करना है।"
            )),
            Block::Paragraph(hindi_reason(self.reason).into()),
            self.booking
                .rows(Language::Hindi, [("लौटाई जा रही राशि", amount)]),
            Block::Paragraph(arrival),
            Block::Paragraph(hindi_next(self.reason).into()),
            Block::Paragraph("रिफ़ंड पूरा होते ही हम आपको फिर लिखेंगे।".into()),
        ];
        let title = format!("आपका पैसा आपको लौटाया जा रहा है: {}", self.booking.show_title);
        (title, blocks)
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

const fn hindi_reason(reason: ReturnReason) -> &'static str {
    match reason {
        ReturnReason::SeatsLost => {
            "आपका भुगतान हम तक तब पहुँचा जब आपकी सीटें रोके रखने का समय बीत चुका था, और तब तक सभी सीटें खाली नहीं रह गई थीं। \
             इसलिए हम आपको यह बुकिंग नहीं दे सके। हमें इसका खेद है।"
        }
        ReturnReason::SecondPayment => {
            "आपकी बुकिंग का भुगतान पहले ही हो चुका था, और यह दूसरा भुगतान था। आपकी बुकिंग जैसी थी वैसी ही है; सिर्फ़ दूसरा \
             भुगतान लौटाया जा रहा है।"
        }
        ReturnReason::WrongAmount => {
            "इस भुगतान की राशि बुकिंग की क़ीमत के बराबर नहीं थी, इसलिए हम इसे स्वीकार नहीं कर सके।"
        }
        ReturnReason::WrongCurrency => {
            "यह भुगतान बुकिंग की मुद्रा में नहीं, किसी दूसरी मुद्रा में था, इसलिए हम इसे स्वीकार नहीं कर सके।"
        }
        ReturnReason::BookingCancelled => "आपकी बुकिंग रद्द कर दी गई है।",
        ReturnReason::ShowCancelled => {
            "शो रद्द कर दिया गया है, और उसके साथ आपकी बुकिंग भी। हमें इसका खेद है।"
        }
        ReturnReason::PaidAfterCancellation => "यह भुगतान हम तक बुकिंग रद्द होने के बाद पहुँचा।",
    }
}

const fn hindi_next(reason: ReturnReason) -> &'static str {
    match reason {
        ReturnReason::SeatsLost => {
            "इस बुकिंग की कोई सीट आपके नाम नहीं है। अगर आप दूसरी सीटें लेना चाहें, तो फिर से बुक कर सकते हैं: वह एक नया \
             भुगतान होगा, और इस रिफ़ंड पर उसका कोई असर नहीं पड़ेगा।"
        }
        ReturnReason::SecondPayment => "कृपया इस बुकिंग के लिए फिर से भुगतान न करें।",
        ReturnReason::WrongAmount | ReturnReason::WrongCurrency => {
            "आपकी बुकिंग वैसी ही है जैसी इस भुगतान से पहले थी। फिर से भुगतान करने से पहले कृपया उसकी स्थिति देख लें।"
        }
        ReturnReason::BookingCancelled
        | ReturnReason::ShowCancelled
        | ReturnReason::PaidAfterCancellation => {
            "इस बुकिंग के टिकट अब मान्य नहीं हैं। कृपया इसके लिए फिर से भुगतान न करें।"
        }
    }
}
