//! The ways to reach a customer.

use boxoffice_saga::task::TaskKind;

use crate::template::Template;

/// A way to reach a customer. Each has tasks and an executor of its own, so that none waits for another, and
/// each message on each way is sent, repeated and given up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// A letter. Everything is told by it.
    Email,
    /// A text message to the customer's phone, where one was given.
    Sms,
    /// A notification to the customer's devices, which the provider knows by the user's id.
    Push,
}

impl Channel {
    /// Every way there is.
    pub const ALL: [Self; 3] = [Self::Email, Self::Sms, Self::Push];

    /// The name in metrics and in the delivery log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Push => "push",
        }
    }

    /// The kind of its tasks.
    pub const fn task_kind(self) -> TaskKind {
        match self {
            Self::Email => TaskKind::Mail,
            Self::Sms => TaskKind::Sms,
            Self::Push => TaskKind::Push,
        }
    }

    /// Whether a message goes this way. A phone is not made to ring because a hold has lapsed that nobody tried
    /// to pay for.
    pub const fn takes(self, template: Template) -> bool {
        match self {
            Self::Email => true,
            Self::Sms | Self::Push => !matches!(template, Template::HoldExpired),
        }
    }

    /// Whether a message that may have arrived is sent once more. Only the ticket by mail: without it nobody
    /// gets in, and its Message-ID lets a mailbox tell the repeat. Anything else is sent at most once, for
    /// news about money that comes twice frightens.
    pub const fn at_least_once(self, template: Template) -> bool {
        matches!((self, template), (Self::Email, Template::BookingConfirmed))
    }
}
