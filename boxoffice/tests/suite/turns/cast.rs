//! Who and what a turn is about: two customers, their bookings of one show, and money.

use boxoffice_saga::booking::{Contact, Terms};
use boxoffice_saga::fact::{PaymentFact, PaymentState, Reference, RefundFact, RefundState};
use boxoffice_saga::identity::{BookingId, GatewayAccount, PaymentId, RefundId, ShowId, UserId};
use boxoffice_saga::input::{Input, RefundAnswer};
use boxoffice_saga::money::{Currency, Money};
use boxoffice_saga::payment::CaptureMode;
use uuid::Uuid;

/// What a seat costs.
pub const PRICE: i64 = 1_000;
/// The show's seats.
pub const SEATS: [&str; 3] = ["A-1", "A-2", "A-3"];

pub fn inr() -> Currency {
    "INR".parse().expect("a currency")
}

pub fn terms() -> Terms {
    Terms {
        // So that a fee is kept somewhere.
        cancel_fee_bp: 1_000,
        ..Terms::usual(inr())
    }
}

/// The ids of one scene.
#[derive(Clone, Debug)]
pub struct Cast {
    pub show: ShowId,
    /// Ann's booking of.
    pub booking: BookingId,
    /// The booking that she would get if she asked again.
    pub fresh: BookingId,
    /// Bob's booking of A-2.
    pub bobs: BookingId,
    /// Her attempt to pay.
    pub payment: PaymentId,
    /// Another one.
    pub second: PaymentId,
    /// What the ids of the scene are called.
    names: Vec<(String, String)>,
}

/// What has happened before the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    /// Nothing: there is no booking.
    Nothing,
    /// Ann holds.
    Held,
    /// She was sent to the gateway.
    Paying,
    /// Her bank has reserved the money, which is taken after the seats.
    Authorised,
    /// The time of her hold is over while she pays.
    Over,
    /// She has given it up while she paid.
    Released,
    /// Her time was over while she paid, and Bob holds A-2.
    Lost,
    /// She has paid.
    Paid,
    /// Her bank asks about it.
    Disputed,
    /// She has paid, and cancelled.
    Cancelled,
    /// And her money is on its way back.
    Returning,
    /// And the gateway has refused that.
    NotReturned,
}

impl Situation {
    pub const ALL: [Self; 12] = [
        Self::Nothing,
        Self::Held,
        Self::Paying,
        Self::Authorised,
        Self::Over,
        Self::Released,
        Self::Lost,
        Self::Paid,
        Self::Disputed,
        Self::Cancelled,
        Self::Returning,
        Self::NotReturned,
    ];
}

impl Cast {
    pub fn of(show: ShowId) -> Self {
        let payment =
            |nth: u128| PaymentId::from(Uuid::from_u128(u128::from(show.number()) << 8 | nth));
        let mut cast = Self {
            show,
            booking: BookingId::pack(1, show, 1),
            fresh: BookingId::pack(2, show, 2),
            bobs: BookingId::pack(3, show, 3),
            payment: payment(1),
            second: payment(2),
            names: Vec::new(),
        };
        cast.names = cast.names();
        cast
    }

    pub fn ann(&self) -> UserId {
        UserId("ann".to_owned())
    }

    pub fn account(&self) -> GatewayAccount {
        GatewayAccount::new("stripe", "default")
    }

    /// The gateway's id of her attempt.
    pub fn gateway_id(&self) -> String {
        format!("pi_{}", self.show)
    }

    pub fn payment_fact(&self, state: PaymentState) -> PaymentFact {
        PaymentFact {
            account: self.account(),
            gateway_payment_id: self.gateway_id(),
            opened_as: None,
            reference: Reference::Booking {
                booking: self.booking,
                payment: Some(self.payment),
            },
            state,
            amount: Money::new(2 * PRICE, inr()),
            live: false,
            reason: None,
        }
    }

    /// Of the first refund of her payment, as far as it can be known how much that is.
    pub fn refund_fact(&self, state: RefundState) -> RefundFact {
        // Her fee is kept.
        let amount = Money::new(2 * PRICE * 9 / 10, inr());
        RefundFact {
            account: self.account(),
            gateway_refund_id: format!("re_{}", self.show),
            gateway_payment_id: self.gateway_id(),
            reference: Reference::Booking {
                booking: self.booking,
                payment: None,
            },
            refund: Some(RefundId::of(self.payment, 1)),
            generation: None,
            state,
            amount,
            live: false,
            reason: None,
        }
    }

    /// About the refund of her payment, and of the next one.
    pub fn of_refund(&self, what: impl Fn(RefundId) -> Input) -> Vec<Input> {
        [1, 2]
            .map(|nth| what(RefundId::of(self.payment, nth)))
            .into()
    }

    /// What has led to a situation, in order; each in a turn of its own where time has to pass in between.
    pub fn before(&self, situation: Situation) -> Vec<(BookingId, Input)> {
        let usual = terms();
        let at_once = Terms {
            hold_ms: 1,
            grace_ms: 0,
            extension_ms: 0,
            extension_limit_ms: 0,
            warning_ms: 0,
            ..terms()
        };
        let terms = match situation {
            Situation::Over | Situation::Lost => at_once,
            _ => usual.clone(),
        };
        let hold = |user: &str, seats: &[&str], terms: &Terms| Input::Hold {
            user: UserId(user.to_owned()),
            seats: seats.iter().map(|seat| (*seat).to_owned()).collect(),
            contact: Contact::default(),
            terms: terms.clone(),
        };
        let attempt = |capture: CaptureMode| {
            let open = Input::OpenAttempt {
                payment: self.payment,
                account: self.account(),
                terms: terms.clone(),
                capture,
            };
            let created = Input::AttemptCreated {
                payment: self.payment,
                gateway_payment_id: self.gateway_id(),
            };
            [open, created]
        };
        let mut inputs = vec![hold("ann", &["A-1", "A-2"], &terms)];
        match situation {
            Situation::Nothing => inputs.clear(),
            Situation::Held => {}
            Situation::Authorised => {
                inputs.extend(attempt(CaptureMode::AfterSeats));
                let told = self.payment_fact(PaymentState::Authorised);
                inputs.push(Input::Payment(told));
            }
            _ => inputs.extend(attempt(CaptureMode::Automatic)),
        }
        if situation == Situation::Released {
            inputs.push(Input::Release);
        }
        let money = [
            Input::Payment(self.payment_fact(PaymentState::Captured)),
            Input::Cancel {
                by: boxoffice_saga::booking::CancelledBy::Customer,
            },
            Input::RefundTaken {
                refund: RefundId::of(self.payment, 1),
            },
            Input::RefundAnswered {
                refund: RefundId::of(self.payment, 1),
                generation: 1,
                attempt: 1,
                answer: RefundAnswer::Declined {
                    why: "closed account".to_owned(),
                },
            },
        ];
        let so_far = match situation {
            Situation::Paid | Situation::Disputed => 1,
            Situation::Cancelled => 2,
            Situation::Returning => 3,
            Situation::NotReturned => 4,
            _ => 0,
        };
        inputs.extend(money.into_iter().take(so_far));
        if situation == Situation::Disputed {
            let opened = super::every::Happening::Dispute.inputs(self);
            inputs.extend(opened.into_iter().take(1));
        }
        let mut all: Vec<_> = inputs
            .into_iter()
            .map(|input| (self.booking, input))
            .collect();
        if situation == Situation::Lost {
            all.push((self.bobs, hold("bob", &["A-2"], &usual)));
        }
        all
    }

    /// Ids in `text` by the names that they have here, so that scenes can be compared.
    pub fn named(&self, text: &str) -> String {
        let name = |text: String, (id, name): &(String, String)| {
            if text.contains(id) {
                text.replace(id, name)
            } else {
                text
            }
        };
        nameless(&self.names.iter().fold(text.to_owned(), name))
    }

    fn names(&self) -> Vec<(String, String)> {
        let other = format!("pi_other_{}", self.show);
        let other = PaymentId::of_unseen(self.booking, &self.account(), &other);
        let mut names = vec![
            (self.booking.to_string(), "ann's".to_owned()),
            (self.fresh.to_string(), "fresh".to_owned()),
            (self.bobs.to_string(), "bob's".to_owned()),
        ];
        let payments = [
            (self.payment, "first"),
            (self.second, "second"),
            (other, "other"),
        ];
        for (payment, name) in payments {
            names.push((payment.to_string(), name.to_owned()));
            for nth in 1..=4 {
                let refund = RefundId::of(payment, nth);
                names.push((refund.to_string(), format!("refund {nth} of {name}")));
            }
        }
        for id in ["pi_", "pi_other_", "re_", "re_dashboard_", "dp_"] {
            names.push((format!("{id}{}", self.show), id.to_owned()));
        }
        names
    }
}

/// What is derived from ids and has no name here.
fn nameless(text: &str) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for word in &mut words {
        if Uuid::try_parse(word).is_ok() {
            *word = "derived";
        }
    }
    words.join(" ")
}
