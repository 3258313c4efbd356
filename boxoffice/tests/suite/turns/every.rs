//! Everything that can happen to a booking, so that nothing can be left out.
//!
//! The lists below are those of the saga's own enums: one that lacks a variant does not compile, and neither does
//! a `match` over a list that lacks what to do for it. So a new step of the saga goes through the harness as soon
//! as it is there.

use boxoffice_saga::booking::{CancelledBy, Contact};
use boxoffice_saga::fact::{
    DisputeFact, PaymentFact, PaymentState, Reference, RefundFact, RefundState,
};
use boxoffice_saga::identity::RefundId;
use boxoffice_saga::input::{CallAnswer, CaptureAnswer, Input, RefundAnswer, VoidAnswer};
use boxoffice_saga::money::Money;
use boxoffice_saga::payment::{CaptureMode, DisputeStanding};
use boxoffice_saga::task::TaskKind;

use super::cast::{Cast, PRICE, inr, terms};

macro_rules! variants {
    ($(#[$about:meta])* $name:ident of $original:ident: $($variant:ident),+ $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];
        }

        const _: fn(&$original) = |original| match original {
            $($original::$variant { .. } => ()),+
        };
    };
}

macro_rules! all {
    ($(#[$about:meta])* $name:ident of $original:ident: $($variant:ident),+ $(,)?) => {
        $(#[$about])*
        pub const $name: &[$original] = &[$($original::$variant),+];
        const _: fn($original) = |original| match original {
            $($original::$variant => ()),+
        };
    };
}

variants! {
    /// What can happen to a booking.
    Happening of Input: Hold, Release, Replaced, Cancel, HoldTimer, OpenAttempt, AttemptCreated, AttemptDeclined, Hint,
    Payment, Refund, Dispute, VerifyAnswered, CaptureAnswered, VoidAnswered, RefundTaken, RefundRetried, RefundOtherWay,
    RefundSettledElsewhere, Swept, RefundAnswered,
}
all! { CANCELLERS of CancelledBy: Customer, Operator, Show }
all! { PAYMENTS of PaymentState: Open, Processing, Failed, Authorised, Cancelled, Captured }
all! { REFUNDS of RefundState: Pending, Succeeded, Failed }
all! { DISPUTES of DisputeStanding: Opened, Won, Lost }
all! { CAPTURES of CaptureMode: Automatic, AfterSeats }
all! {
    /// What an executor brings the answer of.
    ERRANDS of TaskKind: HoldTimer, Verify, Void, Trace, Capture, Refund, MassRefund, CancelShow, CancelBooking, Mail,
    Sms, Push,
}
variants! { Call of CallAnswer: Answered, Unknown }
variants! { Capture of CaptureAnswer: Taken, Declined, RetryLater, Unknown }
variants! { Void of VoidAnswer: NothingTaken, AlreadyPaid, NotPossible, Unknown }
variants! { Return of RefundAnswer: Told, Declined, RetryLater, Unknown, NothingAlive }
/// After so many tries an answer that is none is a person's.
const TRIES: [u32; 2] = [1, 50];

impl Happening {
    /// What happens, in all its forms.
    pub fn inputs(self, cast: &Cast) -> Vec<Input> {
        let payment = cast.payment;
        match self {
            Self::Hold => vec![Input::Hold {
                user: cast.ann(),
                seats: vec!["A-2".to_owned(), "A-3".to_owned()],
                contact: Contact::default(),
                terms: terms(),
            }],
            Self::Release => vec![Input::Release],
            Self::Replaced => vec![Input::Replaced { by: cast.bobs }],
            Self::Cancel => each(CANCELLERS, |by| Input::Cancel { by }),
            Self::HoldTimer => vec![Input::HoldTimer],
            Self::OpenAttempt => each(CAPTURES, |capture| Input::OpenAttempt {
                payment: cast.second,
                account: cast.account(),
                terms: terms(),
                capture,
            }),
            Self::AttemptCreated => vec![Input::AttemptCreated {
                payment,
                gateway_payment_id: cast.gateway_id(),
            }],
            Self::AttemptDeclined => vec![Input::AttemptDeclined { payment }],
            Self::Hint => vec![Input::Hint { payment }],
            Self::Payment => PAYMENTS
                .iter()
                .flat_map(|state| {
                    let told = cast.payment_fact(*state);
                    // Of another attempt, that we never opened; and not what was asked for.
                    let other = PaymentFact {
                        gateway_payment_id: format!("pi_other_{}", cast.show),
                        reference: Reference::Booking {
                            booking: cast.booking,
                            payment: None,
                        },
                        ..told.clone()
                    };
                    let less = PaymentFact {
                        amount: Money::new(1, inr()),
                        ..other.clone()
                    };
                    [told, other, less].map(Input::Payment)
                })
                .collect(),
            Self::Refund => REFUNDS
                .iter()
                .flat_map(|state| {
                    let ours = cast.refund_fact(*state);
                    let not_ours = RefundFact {
                        gateway_refund_id: format!("re_dashboard_{}", cast.show),
                        refund: None,
                        amount: Money::new(PRICE / 2, inr()),
                        ..ours.clone()
                    };
                    [ours, not_ours].map(Input::Refund)
                })
                .collect(),
            Self::Dispute => each(DISPUTES, |standing| {
                Input::Dispute(DisputeFact {
                    account: cast.account(),
                    gateway_dispute_id: format!("dp_{}", cast.show),
                    gateway_payment_id: cast.gateway_id(),
                    reference: Reference::Absent,
                    standing,
                    amount: Money::new(2 * PRICE, inr()),
                    live: false,
                    reason: None,
                })
            }),
            Self::VerifyAnswered => {
                let states = PAYMENTS.iter().copied().map(Some);
                let answers = Call::ALL.iter().flat_map(|answer| match answer {
                    Call::Answered => states
                        .clone()
                        .chain([None])
                        .map(|state| CallAnswer::Answered { state })
                        .collect(),
                    Call::Unknown => vec![CallAnswer::Unknown { why: why() }],
                });
                let answered = |answer| Input::VerifyAnswered {
                    payment,
                    generation: 1,
                    answer,
                };
                answers.map(answered).collect()
            }
            Self::CaptureAnswered => tried(Capture::ALL, |answer, attempt| {
                let answer = match answer {
                    Capture::Taken => CaptureAnswer::Taken {
                        fact: cast.payment_fact(PaymentState::Captured),
                    },
                    Capture::Declined => CaptureAnswer::Declined { why: why() },
                    Capture::RetryLater => CaptureAnswer::RetryLater {
                        after_ms: Some(10),
                        why: why(),
                    },
                    Capture::Unknown => CaptureAnswer::Unknown { why: why() },
                };
                Input::CaptureAnswered {
                    payment,
                    attempt,
                    answer,
                }
            }),
            Self::VoidAnswered => tried(Void::ALL, |answer, attempt| {
                let answer = match answer {
                    Void::NothingTaken => VoidAnswer::NothingTaken,
                    Void::AlreadyPaid => VoidAnswer::AlreadyPaid {
                        fact: cast.payment_fact(PaymentState::Captured),
                    },
                    Void::NotPossible => VoidAnswer::NotPossible { why: why() },
                    Void::Unknown => VoidAnswer::Unknown { why: why() },
                };
                Input::VoidAnswered {
                    payment,
                    generation: 1,
                    attempt,
                    answer,
                }
            }),
            Self::RefundTaken => cast.of_refund(|refund| Input::RefundTaken { refund }),
            Self::RefundRetried => cast.of_refund(|refund| Input::RefundRetried { refund }),
            Self::RefundOtherWay => cast.of_refund(|refund| Input::RefundOtherWay {
                refund,
                means: "a cheque".to_owned(),
            }),
            Self::RefundSettledElsewhere => {
                cast.of_refund(|refund| Input::RefundSettledElsewhere {
                    refund,
                    proof: "a receipt".to_owned(),
                })
            }
            Self::Swept => vec![Input::Swept],
            Self::RefundAnswered => tried(Return::ALL, |answer, attempt| {
                let told = |state: &RefundState| RefundAnswer::Told {
                    fact: cast.refund_fact(*state),
                };
                let answers: Vec<_> = match answer {
                    Return::Told => REFUNDS.iter().map(told).collect(),
                    Return::Declined => vec![RefundAnswer::Declined { why: why() }],
                    Return::RetryLater => vec![RefundAnswer::RetryLater {
                        after_ms: Some(10),
                        why: why(),
                    }],
                    Return::Unknown => vec![RefundAnswer::Unknown { why: why() }],
                    Return::NothingAlive => vec![RefundAnswer::NothingAlive],
                };
                let answered = |answer| Input::RefundAnswered {
                    refund: RefundId::of(payment, 1),
                    generation: 1,
                    attempt,
                    answer,
                };
                answers.into_iter().map(answered).collect::<Vec<_>>()
            })
            .into_iter()
            .flatten()
            .collect(),
        }
    }
}

fn why() -> String {
    "no answer".to_owned()
}

fn each<K: Copy, T>(all: &[K], what: impl Fn(K) -> T) -> Vec<T> {
    all.iter().copied().map(what).collect()
}

fn tried<K: Copy, T>(all: &[K], what: impl Fn(K, u32) -> T) -> Vec<T> {
    let each = |kind: &K| TRIES.map(|attempt| what(*kind, attempt));
    all.iter().flat_map(each).collect()
}
