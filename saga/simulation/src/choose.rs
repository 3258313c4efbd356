//! Chooses what happens next, from one seed. Biased to what can happen, and to what goes wrong.

use boxoffice_saga::booking::BookingState;
use boxoffice_saga::fact::{PaymentState, RefundState};
use boxoffice_saga::refund::RefundStanding;
use boxoffice_saga::task::TaskKind;
use boxoffice_tasks::Work;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::act::{Act, ByHand, Delivery, End, Fate, Fault, Faults, Role, Strange, Sum};
use crate::hall::{SEATS, SHOWS, USERS};
use crate::system::{Coordinator, Refunds, Setting, System};

/// How much time may pass at once, in seconds: the moments at which something becomes due, and around them.
const TIMES: [u32; 16] = [
    1, 2, 5, 11, 13, 21, 31, 60, 161, 290, 481, 600, 631, 930, 3_700, 90_000,
];

/// The source of a history.
pub(crate) struct Chooser {
    rng: StdRng,
    faults: Faults,
    /// Little time passes: what is on its way meets what follows it.
    hurry: bool,
    /// Choices to begin with, the last one first.
    first: Vec<Act>,
    /// Only what concerns refunds happens: the deepest of the paths, and the one that costs money.
    drill: bool,
}

/// A choice with the weight that it has.
type Weighed = (u32, Kind);

#[derive(Clone, Copy)]
enum Kind {
    Pass,
    Hold,
    Release,
    Cancel,
    CancelShow,
    Open,
    Hint,
    Pays,
    Declined,
    Processing,
    Reserves,
    Lapses,
    Disputes,
    DisputeEnds,
    ByHand,
    Sweeps,
    PaysElsewhere,
    Stranger,
    Dashboard,
    RefundEnds,
    Webhook,
    Exchange,
    Lease(Role),
    Poll(Role),
    Bring(Role),
    Consume(Role),
    Relay,
    Rebalance,
    Hears,
    Dies,
    Begins,
}

impl Chooser {
    /// The source of the history of this seed. Each history has some of the `allowed` faults, some have none.
    pub fn new(seed: u64, allowed: Faults) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut faults = Faults::NONE;
        let share = [0.0, 0.25, 0.5, 0.75, 1.0][rng.random_range(0..5)];
        for fault in Fault::ALL {
            if allowed.has(fault) && rng.random_bool(share) {
                faults.add(fault);
            }
        }
        let hurry = rng.random_bool(0.3);
        let drill = rng.random_bool(0.25) && allowed.has(Fault::PaidElsewhere);
        if drill {
            for fault in [
                Fault::AnswerLost,
                Fault::RequestLost,
                Fault::RequestLate,
                Fault::GatewayBreaks,
                Fault::Asleep,
                Fault::Crash,
            ] {
                if allowed.has(fault) {
                    faults.add(fault);
                }
            }
        }
        let first = if drill { refund_at_hand() } else { Vec::new() };
        Self {
            rng,
            faults,
            hurry,
            first,
            drill,
        }
    }

    /// What holds for the whole history.
    pub fn setting(&mut self) -> Setting {
        Setting {
            lenient: self.rng.random_bool(0.5),
            ahead_s: self.rng.random_range(-200..=200),
            fee_bp: self.one(&[0, 0, 2_500, 6_000, 10_000]),
        }
    }

    /// How many choices the history has.
    pub fn length(&mut self) -> usize {
        self.rng.random_range(30..160)
    }

    /// The next choice. One whose fault this history does not have is drawn again.
    pub fn next(&mut self, system: &System) -> Act {
        if let Some(act) = self.first.pop() {
            return act;
        }
        let mut weighed = weigh(system);
        if self.drill {
            weighed.retain(|(_, kind)| kind.concerns_refunds());
        }
        let total: u32 = weighed.iter().map(|(weight, _)| weight).sum();
        for _ in 0..20 {
            let mut left = self.rng.random_range(0..total.max(1));
            let kind = weighed
                .iter()
                .find(|(weight, _)| {
                    let here = left < *weight;
                    left = left.saturating_sub(*weight);
                    here
                })
                .map_or(Kind::Pass, |(_, kind)| *kind);
            let act = self.draw(kind);
            if act.fault().is_none_or(|fault| self.faults.has(fault)) {
                return act;
            }
        }
        Act::Pass { seconds: 1 }
    }

    fn any(&mut self) -> u8 {
        self.rng.random_range(0..60)
    }

    fn member(&mut self) -> u8 {
        self.rng.random_range(0..2)
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    fn sum(&mut self) -> Sum {
        use Sum::{OtherCurrency, Right, TooLittle, TooMuch};
        self.one(&[
            Right,
            Right,
            Right,
            Right,
            TooLittle,
            TooMuch,
            OtherCurrency,
        ])
    }

    fn end(&mut self) -> End {
        use End::{AnswerLost, DatabaseAway, DiesAfter, DiesBefore, Well};
        if self.rng.random_bool(0.7) {
            return Well;
        }
        self.one(&[DatabaseAway, AnswerLost, DiesBefore, DiesAfter])
    }

    fn role(&mut self) -> Role {
        self.one(&[Role::Api, Role::Coordinator, Role::Refunds, Role::Refunds])
    }

    fn draw(&mut self, kind: Kind) -> Act {
        match kind {
            Kind::Pass => Act::Pass {
                seconds: if self.hurry {
                    self.one(&TIMES[..3])
                } else if self.drill {
                    self.one(&[1, 2, 31, 31, 90_000])
                } else {
                    self.one(&TIMES)
                },
            },
            Kind::Hold => Act::Hold {
                user: self.rng.random_range(0..USERS),
                show: self.rng.random_range(0..SHOWS),
                seats: self.rng.random_range(1..1 << SEATS),
            },
            Kind::Release => Act::Release {
                booking: self.any(),
            },
            Kind::Cancel => Act::Cancel {
                booking: self.any(),
                operator: self.rng.random_bool(0.5),
            },
            Kind::CancelShow => Act::CancelShow {
                show: self.member(),
            },
            Kind::Open => Act::Open {
                booking: self.any(),
                after_seats: self.rng.random_bool(0.4),
            },
            Kind::Reserves => Act::Reserves {
                payment: self.any(),
            },
            Kind::Lapses => Act::Lapses {
                payment: self.any(),
            },
            Kind::Disputes => Act::Disputes {
                payment: self.any(),
                part: self.rng.random_bool(0.4),
            },
            Kind::DisputeEnds => Act::DisputeEnds {
                dispute: self.any(),
                won: self.rng.random_bool(0.5),
            },
            Kind::ByHand => Act::ByHand {
                refund: self.any(),
                how: self.one(&[
                    ByHand::Retry,
                    ByHand::Retry,
                    ByHand::OtherWay,
                    ByHand::Settled,
                ]),
            },
            Kind::Sweeps => Act::Sweeps {
                booking: self.any(),
            },
            Kind::Hint => Act::Hint {
                payment: self.any(),
            },
            Kind::Pays => Act::Pays {
                payment: self.any(),
                how: self.sum(),
            },
            Kind::Declined => Act::Declined {
                payment: self.any(),
            },
            Kind::Processing => Act::Processing {
                payment: self.any(),
            },
            Kind::PaysElsewhere => Act::PaysElsewhere {
                booking: self.any(),
                no_api: self.rng.random_bool(0.3),
                how: self.sum(),
            },
            Kind::Stranger => {
                use Strange::{
                    Forged, Malformed, SomebodyElses, TestMode, UnknownBooking, Unreadable,
                };
                Act::Stranger {
                    how: self.one(&[
                        SomebodyElses,
                        UnknownBooking,
                        Malformed,
                        Forged,
                        Unreadable,
                        TestMode,
                    ]),
                }
            }
            Kind::Dashboard => Act::Dashboard {
                payment: self.any(),
                part: self.rng.random_bool(0.5),
            },
            Kind::RefundEnds => Act::RefundEnds {
                refund: self.any(),
                well: self.rng.random_bool(0.5),
            },
            Kind::Webhook => Act::Webhook {
                nth: if self.rng.random_bool(0.6) {
                    0
                } else {
                    self.any()
                },
                fate: if self.rng.random_bool(0.7) {
                    Delivery::Delivered
                } else {
                    self.one(&[Delivery::Twice, Delivery::OtherId, Delivery::Lost])
                },
            },
            Kind::Exchange => {
                use Fate::{
                    AnswerLost, Answered, Begun, BreaksAfter, BreaksBefore, Declined, Late, Lost,
                    Refused,
                };
                Act::Exchange {
                    nth: self.any(),
                    fate: if self.rng.random_bool(0.6) {
                        Answered
                    } else {
                        self.one(&[
                            Begun,
                            Declined,
                            Refused,
                            Lost,
                            AnswerLost,
                            AnswerLost,
                            BreaksBefore,
                            BreaksAfter,
                            Late,
                            Late,
                        ])
                    },
                }
            }
            Kind::Lease(role) => Act::Lease {
                role,
                member: self.member(),
                limit: self.rng.random_range(1..4),
            },
            Kind::Poll(role) => Act::Poll {
                role,
                member: self.member(),
                nth: self.any(),
            },
            Kind::Bring(role) => Act::Bring {
                role,
                member: self.member(),
                end: self.end(),
            },
            Kind::Consume(role) => Act::Consume {
                role,
                member: self.member(),
                limit: self.rng.random_range(1..6),
                end: self.end(),
            },
            Kind::Relay => Act::Relay {
                member: self.member(),
                dies: self.rng.random_bool(0.1),
            },
            Kind::Rebalance => Act::Rebalance {
                role: self.one(&[Role::Coordinator, Role::Refunds]),
                partition: self.member(),
                hears: self.rng.random_bool(0.4),
            },
            Kind::Hears => Act::Hears {
                role: self.one(&[Role::Coordinator, Role::Refunds]),
                member: self.member(),
            },
            Kind::Dies => Act::Dies {
                role: self.role(),
                member: self.member(),
            },
            Kind::Begins => Act::Begins,
        }
    }
}

impl Kind {
    const fn concerns_refunds(self) -> bool {
        matches!(
            self,
            Self::Pass
                | Self::Exchange
                | Self::Lease(Role::Refunds)
                | Self::Poll(Role::Refunds)
                | Self::Bring(Role::Refunds)
                | Self::Dies
        )
    }
}

/// A customer has paid too little, and the refund worker has taken that on. The last choice first.
fn refund_at_hand() -> Vec<Act> {
    let end = End::Well;
    let relay = Act::Relay {
        member: 0,
        dies: false,
    };
    let consume = |role, member| Act::Consume {
        role,
        member,
        limit: 5,
        end,
    };
    vec![
        consume(Role::Refunds, 1),
        consume(Role::Refunds, 0),
        relay,
        relay,
        relay,
        relay,
        consume(Role::Coordinator, 1),
        consume(Role::Coordinator, 0),
        Act::Webhook {
            nth: 0,
            fate: Delivery::Delivered,
        },
        Act::PaysElsewhere {
            booking: 0,
            no_api: false,
            how: Sum::TooLittle,
        },
        Act::Hold {
            user: 0,
            show: 0,
            seats: 1,
        },
    ]
}

/// What can happen, by how often it should.
fn weigh(system: &System) -> Vec<Weighed> {
    let tables = system.database.tables();
    let when = |weight: u32, possible: bool| if possible { weight } else { 0 };
    let held = tables
        .bookings
        .values()
        .filter(|row| row.state == BookingState::Held)
        .count();
    let payable = system
        .gateway
        .payments
        .values()
        .any(|paid| !matches!(paid.state, PaymentState::Captured | PaymentState::Cancelled));
    let captured = system
        .gateway
        .payments
        .values()
        .any(|paid| paid.captured.is_some());
    let pending = system
        .gateway
        .refunds
        .values()
        .any(|row| row.state != RefundState::Failed);
    let with_operator = tables
        .refunds
        .values()
        .any(|row| row.standing == RefundStanding::WithOperator);
    let wire = system.network.wire();
    let sent = wire.exchanges.values().any(|exchange| exchange.on_the_way);
    drop(wire);
    let due = |kinds: &[TaskKind]| {
        tables.tasks.values().any(|row| {
            kinds.contains(&row.task.key.kind)
                && row.task.due_at <= system.now
                && row.lease.is_none_or(|(_, until)| until < system.now)
        })
    };
    let calls = |role: Role| match role {
        Role::Api => !system.paying.is_empty(),
        Role::Coordinator => system.coordinators.iter().any(|one| !one.calls.is_empty()),
        Role::Refunds => system.refunds.iter().any(|one| !one.calls.is_empty()),
    };
    let answers = |role: Role| match role {
        Role::Api => false,
        Role::Coordinator => system
            .coordinators
            .iter()
            .any(|one| !one.answers.is_empty()),
        Role::Refunds => system.refunds.iter().any(|one| !one.answers.is_empty()),
    };
    let arrived_c = system
        .coordinators
        .iter()
        .any(|one| one.has_arrived(&system.kafka));
    let arrived_r = system
        .refunds
        .iter()
        .any(|one| one.has_arrived(&system.kafka));
    let some = !system.bookings.is_empty();
    let (coordinator, refunds) = (Role::Coordinator, Role::Refunds);
    vec![
        (8, Kind::Pass),
        (
            when(10, system.bookings.len() < 2) + when(3, system.bookings.len() < 7),
            Kind::Hold,
        ),
        (when(1, held > 0), Kind::Release),
        (when(2, some), Kind::Cancel),
        (when(1, some), Kind::CancelShow),
        (when(8, held > 0 && tables.payments.len() < 8), Kind::Open),
        (when(1, !tables.payments.is_empty()), Kind::Hint),
        (when(8, payable), Kind::Pays),
        (when(2, payable), Kind::Declined),
        (when(1, payable), Kind::Processing),
        (when(1, payable), Kind::Reserves),
        (when(1, payable), Kind::Lapses),
        (when(1, captured), Kind::Disputes),
        (
            when(3, !system.gateway.disputes.is_empty()),
            Kind::DisputeEnds,
        ),
        (when(4, with_operator), Kind::ByHand),
        (when(1, some), Kind::Sweeps),
        (
            when(3, some && system.gateway.payments.len() < 10),
            Kind::PaysElsewhere,
        ),
        (1, Kind::Stranger),
        (when(2, captured), Kind::Dashboard),
        (when(3, pending), Kind::RefundEnds),
        (when(12, !system.gateway.notices.is_empty()), Kind::Webhook),
        (when(12, sent), Kind::Exchange),
        (when(8, due(Coordinator::kinds())), Kind::Lease(coordinator)),
        (when(10, due(Refunds::kinds())), Kind::Lease(refunds)),
        (when(8, calls(Role::Api)), Kind::Poll(Role::Api)),
        (when(10, calls(coordinator)), Kind::Poll(coordinator)),
        (when(12, calls(refunds)), Kind::Poll(refunds)),
        (when(10, answers(coordinator)), Kind::Bring(coordinator)),
        (when(12, answers(refunds)), Kind::Bring(refunds)),
        (when(12, arrived_c), Kind::Consume(coordinator)),
        (when(12, arrived_r), Kind::Consume(refunds)),
        (when(12, !system.outbox.is_drained()), Kind::Relay),
        (2, Kind::Rebalance),
        (1, Kind::Hears),
        (2, Kind::Dies),
        (2, Kind::Begins),
    ]
}

impl<W: Work, H> crate::worker::Worker<W, H> {
    const fn kinds() -> &'static [TaskKind] {
        W::KINDS
    }
}
