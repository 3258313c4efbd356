//! Everything comes to an end.

use boxoffice_saga::booking::CancelledBy;
use boxoffice_saga::fact::RefundState;
use boxoffice_saga::identity::PaymentId;
use boxoffice_saga::input::{CallAnswer, CaptureAnswer, Input, VoidAnswer};
use boxoffice_saga::refund::{RefundCause, RefundStanding};
use boxoffice_saga::task::TaskKind;

use super::Hall;

impl Hall {
    /// Time passes and the gateways answer everything: whatever happened, it must come to an end.
    pub fn settle(&mut self) {
        if self.show_is_cancelled() {
            for booking in self.world.bookings.keys().copied().collect::<Vec<_>>() {
                let by = CancelledBy::Show;
                self.happens(booking, Input::Cancel { by });
            }
        }
        for _ in 0..20 {
            self.pass_seconds(4_000);
            let timers: Vec<_> = self.tasks.values().cloned().collect();
            for task in timers {
                let Some(booking) = task.booking else {
                    continue;
                };
                let payment = PaymentId::from(task.key.subject);
                let generation = task.key.generation;
                match task.key.kind {
                    TaskKind::HoldTimer => self.happens(booking, Input::HoldTimer),
                    TaskKind::Verify => {
                        let answer = CallAnswer::Answered { state: None };
                        self.happens(
                            booking,
                            Input::VerifyAnswered {
                                payment,
                                generation,
                                answer,
                            },
                        )
                    }
                    TaskKind::Void => {
                        let answer = VoidAnswer::NothingTaken;
                        self.happens(
                            booking,
                            Input::VoidAnswered {
                                payment,
                                generation,
                                attempt: 1,
                                answer,
                            },
                        )
                    }
                    TaskKind::Capture => {
                        let answer = CaptureAnswer::Declined {
                            why: "ran out".to_owned(),
                        };
                        self.happens(
                            booking,
                            Input::CaptureAnswered {
                                payment,
                                attempt: 1,
                                answer,
                            },
                        )
                    }
                    TaskKind::Trace
                    | TaskKind::Refund
                    | TaskKind::MassRefund
                    | TaskKind::Mail
                    | TaskKind::CancelShow
                    | TaskKind::CancelBooking
                    | TaskKind::Sms
                    | TaskKind::Push => continue,
                };
            }
            for refund in self.world.refunds.values().cloned().collect::<Vec<_>>() {
                if refund.standing == RefundStanding::WithOperator {
                    let refund_id = refund.id;
                    let proof = "receipt 8".to_owned();
                    self.happens(
                        refund.booking,
                        Input::RefundSettledElsewhere {
                            refund: refund_id,
                            proof,
                        },
                    );
                    continue;
                }
                if refund.cause == RefundCause::NotAskedFor {
                    let mut told = self.refund_fact(&refund, RefundState::Succeeded);
                    told.gateway_refund_id = refund.gateway_refund_id.clone().unwrap_or_default();
                    told.refund = None;
                    self.happens(refund.booking, Input::Refund(told));
                    continue;
                }
                if !refund.gateway_should_act() {
                    continue;
                }
                self.happens(refund.booking, Input::RefundTaken { refund: refund.id });
                let told = self.refund_fact(&refund, RefundState::Succeeded);
                self.happens(refund.booking, Input::Refund(told));
            }
        }
        let open: Vec<_> = self
            .world
            .payments
            .values()
            .filter(|payment| payment.undecided())
            .map(|payment| payment.id)
            .collect();
        assert!(
            open.is_empty(),
            "still open: {open:?}, tasks {:?}",
            self.tasks.keys()
        );
        let broken = self.books().violations();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}
