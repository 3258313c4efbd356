//! One line of a story: when, what, and the same in words.

use boxoffice_saga::identity::PaymentId;
use boxoffice_saga::money::Money;
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// Something that happened to a booking.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = StoryLine)]
pub struct Line {
    /// When, by the database's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// In words, for people.
    pub said: String,
    /// The same for programs.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
#[schema(as = StoryEntry)]
pub enum What {
    /// Something reached the booking, and this was decided.
    Decision {
        /// The journal's entry.
        entry: i64,
        /// What happened, as the journal holds it.
        #[schema(value_type = Object)]
        input: Value,
        /// What came of it, as the journal holds it.
        #[schema(value_type = Object)]
        outcome: Value,
        /// The database's transaction in which it was decided. Null for decisions from before it was recorded.
        #[schema(required)]
        transaction: Option<String>,
        /// The record of Kafka that brought it; null if none did.
        #[schema(required)]
        source: Option<Source>,
    },
    /// Money moved in the ledger.
    Money {
        /// Whose.
        payment_id: PaymentId,
        /// From which account.
        from: String,
        /// To which account.
        to: String,
        /// How much.
        amount: Money,
    },
    /// An event was written for the world.
    Event {
        /// Its sequence.
        sequence: i64,
        /// Its type.
        r#type: String,
        /// Where it stood in the outbox.
        position: i64,
        /// Whether the relay has published it to Kafka.
        published: bool,
        /// Where it stands in Kafka. Known only of events that a worker has acted on for this booking; the relay
        /// does not write it down.
        #[schema(required)]
        record: Option<Source>,
    },
    /// A gateway was called.
    Call {
        /// By which kind of task.
        task: String,
        /// The payment or refund that it was about.
        subject: Uuid,
        /// The task's generation.
        generation: i32,
        /// Which try, from 1.
        attempt: i32,
        /// The idempotency key of this generation at the gateway, for calls that have one.
        #[schema(required)]
        key: Option<String>,
        /// When the call had to be over.
        #[serde(with = "time::serde::rfc3339")]
        deadline: OffsetDateTime,
        /// When its answer was written down; null: it is under way, or its answer was lost.
        #[serde(with = "time::serde::rfc3339::option")]
        #[schema(required)]
        answered_at: Option<OffsetDateTime>,
        /// How long that took, in milliseconds.
        #[schema(required)]
        took_ms: Option<i64>,
        /// The answer, in short.
        #[schema(required)]
        answer: Option<String>,
    },
    /// The customer was told something, or it was tried.
    Message {
        /// `email`, `sms` or `push`.
        channel: String,
        /// Which message.
        template: String,
        /// In which language, as a BCP 47 tag.
        #[schema(required)]
        language: Option<String>,
        /// `delivered`, `not_sent`, `refused`, `later` or `unknown`.
        outcome: String,
        /// Why, unless it was delivered.
        #[schema(required)]
        reason: Option<String>,
        /// Which try, from 1.
        attempt: i32,
    },
    /// An operator did something.
    Act {
        /// Who.
        who: String,
        /// `API` or `COMMAND_LINE`.
        door: String,
        /// What, for example `booking.cancel`.
        act: String,
        /// About what.
        #[schema(required)]
        subject: Option<String>,
        /// Why, in their words.
        #[schema(required)]
        why: Option<String>,
    },
    /// A person was called.
    Attention {
        /// The kind of item.
        kind: String,
        /// What it is about.
        subject: Uuid,
    },
    /// An item of the operators' list was settled.
    Settled {
        /// The kind of item.
        kind: String,
        /// What it was about.
        subject: Uuid,
    },
}

impl What {
    /// Of what has the same time, what comes first.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Act { .. } => 0,
            Self::Call { .. } => 1,
            Self::Decision { .. } => 2,
            Self::Money { .. } => 3,
            Self::Event { .. } => 4,
            Self::Settled { .. } => 5,
            Self::Attention { .. } => 6,
            Self::Message { .. } => 7,
        }
    }
}

/// A record of Kafka.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = KafkaRecord)]
pub struct Source {
    /// The topic that it was read from.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The event's id: the gateway's own for a webhook.
    pub event_id: Option<String>,
    /// What its writer calls it, for example `payment_intent.succeeded`.
    pub event_kind: Option<String>,
    /// When it was received.
    #[serde(with = "time::serde::rfc3339::option")]
    pub received_at: Option<OffsetDateTime>,
}
