//! What a history is made of: choices, each by itself, so that any of them can be left out.
//!
//! A choice names its object by a number, which counts among what is there at that moment; a choice that
//! finds nothing does nothing. So what remains of a history when some of it is dropped is a history too.

use serde::{Deserialize, Serialize};

/// One choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// Time passes.
    Pass {
        /// How long.
        seconds: u32,
    },
    /// A customer asks for seats.
    Hold {
        /// Which customer.
        user: u8,
        /// Which show.
        show: u8,
        /// Which seats, a bit each.
        seats: u8,
    },
    /// A customer gives a hold up.
    Release {
        /// Which booking.
        booking: u8,
    },
    /// A booking is cancelled.
    Cancel {
        /// Which booking.
        booking: u8,
        /// By an operator, not by its customer.
        operator: bool,
    },
    /// A whole show is cancelled.
    CancelShow {
        /// Which show.
        show: u8,
    },
    /// A customer wants to pay.
    Open {
        /// For which booking.
        booking: u8,
        /// The money is only taken when the seats are theirs.
        after_seats: bool,
    },
    /// The browser says that it has paid.
    Hint {
        /// Which payment of ours.
        payment: u8,
    },
    /// A customer pays at the gateway.
    Pays {
        /// Which payment there.
        payment: u8,
        /// How much.
        how: Sum,
    },
    /// A customer's card is refused.
    Declined {
        /// Which payment there.
        payment: u8,
    },
    /// The customer has finished, and the bank takes its time.
    Processing {
        /// Which payment there.
        payment: u8,
    },
    /// The bank reserves the money, and nobody has taken it yet.
    Reserves {
        /// Which payment there.
        payment: u8,
    },
    /// The gateway gives a payment up by itself.
    Lapses {
        /// Which payment there.
        payment: u8,
    },
    /// The customer's bank disputes a payment.
    Disputes {
        /// Which payment there.
        payment: u8,
        /// Part of it only.
        part: bool,
    },
    /// A dispute ends.
    DisputeEnds {
        /// Which of those that are open.
        dispute: u8,
        /// For us.
        won: bool,
    },
    /// An operator does something about a refund that waits for one.
    ByHand {
        /// Which of those.
        refund: u8,
        /// What.
        how: ByHand,
    },
    /// The sweep comes by a booking.
    Sweeps {
        /// Which booking.
        booking: u8,
    },
    /// A customer pays for a booking in a way that we did not open.
    PaysElsewhere {
        /// For which booking.
        booking: u8,
        /// At the gateway that has no API for us.
        no_api: bool,
        /// How much.
        how: Sum,
    },
    /// Money that is none of ours, or looks like it.
    Stranger {
        /// In which way.
        how: Strange,
    },
    /// Somebody returns money on the gateway's dashboard.
    Dashboard {
        /// Of which payment there.
        payment: u8,
        /// Part of it only.
        part: bool,
    },
    /// The gateway brings a pending refund to its end, or takes back a finished one.
    RefundEnds {
        /// Which refund there.
        refund: u8,
        /// Well; else the money is with the gateway again.
        well: bool,
    },
    /// A webhook is posted.
    Webhook {
        /// Which of those that wait, the oldest first.
        nth: u8,
        /// What becomes of it.
        fate: Delivery,
    },
    /// A request to the gateway meets its fate.
    Exchange {
        /// Which of those that have none yet.
        nth: u8,
        /// What becomes of it.
        fate: Fate,
    },
    /// A process leases due tasks.
    Lease {
        /// Whose process.
        role: Role,
        /// Which of the two.
        member: u8,
        /// How many at most.
        limit: u8,
    },
    /// A process goes on with a call.
    Poll {
        /// Whose process.
        role: Role,
        /// Which of the two.
        member: u8,
        /// Which call.
        nth: u8,
    },
    /// A process brings answers back.
    Bring {
        /// Whose process.
        role: Role,
        /// Which of the two.
        member: u8,
        /// What becomes of its turn.
        end: End,
    },
    /// A process decides what has arrived from Kafka.
    Consume {
        /// Whose process.
        role: Role,
        /// Which of the two.
        member: u8,
        /// How many records of a partition at most.
        limit: u8,
        /// What becomes of its turn.
        end: End,
    },
    /// A relay goes a step on.
    Relay {
        /// Which of the two.
        member: u8,
        /// It dies after it has published, and before it has written that down.
        dies: bool,
    },
    /// Kafka gives a partition to the other process.
    Rebalance {
        /// Whose.
        role: Role,
        /// Which partition.
        partition: u8,
        /// Whether the process that had it hears of it now.
        hears: bool,
    },
    /// A process hears what Kafka took away.
    Hears {
        /// Whose process.
        role: Role,
        /// Which of the two.
        member: u8,
    },
    /// A process dies, and starts again.
    Dies {
        /// Whose process.
        role: Role,
        /// Which of the two.
        member: u8,
    },
    /// A transaction somewhere begins, and has an id and positions of the outbox from here on.
    Begins,
}

/// A role whose processes are simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The front ends' door.
    Api,
    /// The coordinator.
    Coordinator,
    /// The refund worker.
    Refunds,
}

/// How much a customer pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sum {
    /// What is asked for.
    Right,
    /// Less.
    TooLittle,
    /// More.
    TooMuch,
    /// In another currency.
    OtherCurrency,
}

/// What an operator does about a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByHand {
    /// Has it made at the gateway again.
    Retry,
    /// Sends the money by another way.
    OtherWay,
    /// Has proof that the customer has it.
    Settled,
}

/// Money that is not what it seems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strange {
    /// Another product's, on the same account.
    SomebodyElses,
    /// It names a booking that was never made.
    UnknownBooking,
    /// It names something that looks like a booking and is none.
    Malformed,
    /// A webhook that somebody else made up.
    Forged,
    /// A genuine webhook that nobody can read.
    Unreadable,
    /// A payment in the gateway's test mode.
    TestMode,
}

/// What becomes of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is written to Kafka.
    Delivered,
    /// It is written to Kafka, and the gateway does not hear so: it comes again.
    Twice,
    /// The gateway tells the same again under another event id.
    OtherId,
    /// It never comes.
    Lost,
}

/// What becomes of a request to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Done and answered.
    Answered,
    /// Done and answered; a refund is only begun.
    Begun,
    /// Answered: no, for good.
    Declined,
    /// Certainly not done: the connection is refused, or too many requests.
    Refused,
    /// It never arrives, and its caller waits in vain.
    Lost,
    /// Done, and the answer is lost.
    AnswerLost,
    /// The gateway breaks before it has done it.
    BreaksBefore,
    /// The gateway breaks after it has done it.
    BreaksAfter,
    /// Its caller gives up, and it arrives all the same.
    Late,
}

/// What becomes of a process and its turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It commits.
    #[default]
    Well,
    /// The database is away.
    DatabaseAway,
    /// It commits, and the process does not hear so.
    AnswerLost,
    /// The process dies before the commit.
    DiesBefore,
    /// The process dies after the commit.
    DiesAfter,
}

/// A kind of fault. Each can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A process dies.
    Crash,
    /// The database is away.
    DatabaseAway,
    /// A commit's answer is lost.
    CommitUnheard,
    /// A partition changes hands.
    Rebalance,
    /// A process goes on with a partition that is no longer its own.
    Zombie,
    /// A request is refused, or never arrives.
    RequestLost,
    /// A request is done, and the answer is lost.
    AnswerLost,
    /// A request arrives when its caller has given up.
    RequestLate,
    /// The gateway breaks, and remembers that it did.
    GatewayBreaks,
    /// The gateway says no.
    GatewayDeclines,
    /// A webhook is lost.
    WebhookLost,
    /// A webhook comes twice.
    WebhookTwice,
    /// The same is told under another event id.
    WebhookOtherId,
    /// Webhooks come in another order.
    WebhookReordered,
    /// Nobody does anything for a long time.
    Asleep,
    /// A customer pays something else than was asked for.
    WrongMoney,
    /// A customer pays in a way that we did not open.
    PaidElsewhere,
    /// Money and records that are not ours.
    Strangers,
    /// Somebody returns money on the dashboard.
    Dashboard,
    /// A refund takes days.
    SlowRefund,
    /// A refund comes back after it was done.
    RefundComesBack,
    /// A show is cancelled.
    ShowCancelled,
    /// Transactions overlap.
    Overlap,
    /// A payment is disputed.
    Disputed,
    /// A payment lapses at the gateway.
    Lapsed,
    /// An operator acts.
    Operator,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 26] = [
        Self::Crash,
        Self::DatabaseAway,
        Self::CommitUnheard,
        Self::Rebalance,
        Self::Zombie,
        Self::RequestLost,
        Self::AnswerLost,
        Self::RequestLate,
        Self::GatewayBreaks,
        Self::GatewayDeclines,
        Self::WebhookLost,
        Self::WebhookTwice,
        Self::WebhookOtherId,
        Self::WebhookReordered,
        Self::Asleep,
        Self::WrongMoney,
        Self::PaidElsewhere,
        Self::Strangers,
        Self::Dashboard,
        Self::SlowRefund,
        Self::RefundComesBack,
        Self::ShowCancelled,
        Self::Overlap,
        Self::Disputed,
        Self::Lapsed,
        Self::Operator,
    ];

    /// The name on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::DatabaseAway => "database_away",
            Self::CommitUnheard => "commit_unheard",
            Self::Rebalance => "rebalance",
            Self::Zombie => "zombie",
            Self::RequestLost => "request_lost",
            Self::AnswerLost => "answer_lost",
            Self::RequestLate => "request_late",
            Self::GatewayBreaks => "gateway_breaks",
            Self::GatewayDeclines => "gateway_declines",
            Self::WebhookLost => "webhook_lost",
            Self::WebhookTwice => "webhook_twice",
            Self::WebhookOtherId => "webhook_other_id",
            Self::WebhookReordered => "webhook_reordered",
            Self::Asleep => "asleep",
            Self::WrongMoney => "wrong_money",
            Self::PaidElsewhere => "paid_elsewhere",
            Self::Strangers => "strangers",
            Self::Dashboard => "dashboard",
            Self::SlowRefund => "slow_refund",
            Self::RefundComesBack => "refund_comes_back",
            Self::ShowCancelled => "show_cancelled",
            Self::Overlap => "overlap",
            Self::Disputed => "disputed",
            Self::Lapsed => "lapsed",
            Self::Operator => "operator",
        }
    }

    /// The fault of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self(u32::MAX);

    /// Whether it is among them.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// Adds one.
    pub const fn add(&mut self, fault: Fault) {
        self.0 |= 1 << fault as u32;
    }

    /// Takes one away.
    pub const fn remove(&mut self, fault: Fault) {
        self.0 &= !(1 << fault as u32);
    }
}

impl Act {
    /// The fault that this choice is.
    pub const fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::Dies { .. } | Self::Relay { dies: true, .. } => Fault::Crash,
            Self::Bring { end, .. } | Self::Consume { end, .. } => match end {
                End::Well => return None,
                End::DatabaseAway => Fault::DatabaseAway,
                End::AnswerLost => Fault::CommitUnheard,
                End::DiesBefore | End::DiesAfter => Fault::Crash,
            },
            Self::Rebalance { hears: true, .. } => Fault::Rebalance,
            Self::Rebalance { hears: false, .. } => Fault::Zombie,
            Self::Exchange { fate, .. } => match fate {
                Fate::Answered => return None,
                Fate::Begun => Fault::SlowRefund,
                Fate::Declined => Fault::GatewayDeclines,
                Fate::Refused | Fate::Lost => Fault::RequestLost,
                Fate::AnswerLost => Fault::AnswerLost,
                Fate::BreaksBefore | Fate::BreaksAfter => Fault::GatewayBreaks,
                Fate::Late => Fault::RequestLate,
            },
            Self::Webhook { fate, nth } => match fate {
                Delivery::Lost => Fault::WebhookLost,
                Delivery::Twice => Fault::WebhookTwice,
                Delivery::OtherId => Fault::WebhookOtherId,
                Delivery::Delivered if *nth > 0 => Fault::WebhookReordered,
                Delivery::Delivered => return None,
            },
            Self::Pass { seconds } if *seconds > 60 => Fault::Asleep,
            Self::Pays { how, .. } => match how {
                Sum::Right => return None,
                Sum::TooLittle | Sum::TooMuch | Sum::OtherCurrency => Fault::WrongMoney,
            },
            Self::PaysElsewhere { .. } => Fault::PaidElsewhere,
            Self::Stranger { .. } => Fault::Strangers,
            Self::Dashboard { .. } => Fault::Dashboard,
            Self::RefundEnds { well: false, .. } => Fault::RefundComesBack,
            Self::CancelShow { .. } => Fault::ShowCancelled,
            Self::Begins => Fault::Overlap,
            Self::Disputes { .. } | Self::DisputeEnds { .. } => Fault::Disputed,
            Self::Lapses { .. } => Fault::Lapsed,
            Self::ByHand { .. } | Self::Sweeps { .. } => Fault::Operator,
            _ => return None,
        })
    }
}
