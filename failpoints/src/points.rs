//! The list of all failpoints.

macro_rules! points {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// A place where a test may kill the process. What is said of each is what dies there.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Failpoint {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Failpoint {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name by which a test arms it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What dies there.
            pub const fn what_dies(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// The one of this name.
            pub fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

points! {
    /// A batch of webhooks is decided and written, and not committed.
    TurnBeforeCommitCoordinator = "turn.before_commit.coordinator",
    /// A batch of webhooks is committed with its position; Kafka is not told.
    TurnAfterCommitCoordinator = "turn.after_commit.coordinator",
    /// A batch of holds is decided and written, and not committed.
    TurnBeforeCommitHoldDesk = "turn.before_commit.hold_desk",
    /// A batch of holds is committed; the callers are not told.
    TurnAfterCommitHoldDesk = "turn.after_commit.hold_desk",
    /// A payment attempt is written, and not committed; the gateway was not called.
    TurnBeforeCommitPaymentAttempt = "turn.before_commit.payment_attempt",
    /// A payment attempt is committed with its idempotency key; the gateway was not called.
    TurnAfterCommitPaymentAttempt = "turn.after_commit.payment_attempt",
    /// The answer of a task or a timer is applied, and not committed; the gateway has acted.
    TurnBeforeCommitTaskAnswer = "turn.before_commit.task_answer",
    /// The answer of a task or a timer is committed; the executor does not know.
    TurnAfterCommitTaskAnswer = "turn.after_commit.task_answer",
    /// The refund worker has written its tasks, and not committed them.
    TurnBeforeCommitRefundsConsumer = "turn.before_commit.refunds_consumer",
    /// The refund worker has committed its tasks with its position; Kafka is not told.
    TurnAfterCommitRefundsConsumer = "turn.after_commit.refunds_consumer",
    /// The notification worker has written its tasks, and not committed them.
    TurnBeforeCommitNotificationsConsumer = "turn.before_commit.notifications_consumer",
    /// The notification worker has committed its tasks with its position; Kafka is not told.
    TurnAfterCommitNotificationsConsumer = "turn.after_commit.notifications_consumer",
    /// The analytics have counted a batch of events, and not committed it.
    TurnBeforeCommitAnalyticsConsumer = "turn.before_commit.analytics_consumer",
    /// The analytics have committed a batch with its position; Kafka is not told.
    TurnAfterCommitAnalyticsConsumer = "turn.after_commit.analytics_consumer",
    /// A webhook was received and verified, and not published: the gateway gets no answer.
    IngressBeforePublish = "ingress.before_publish",
    /// A webhook is in Kafka; the gateway gets no answer and sends it again.
    IngressAfterPublish = "ingress.after_publish",
    /// A page of the outbox was read, and not published.
    RelayBeforePublish = "relay.before_publish",
    /// A page of the outbox is in Kafka; the cursor is not moved, so it is published again.
    RelayAfterPublish = "relay.after_publish",
    /// A page of the outbox is in Kafka and the cursor is behind it; the window may have more.
    RelayAfterCursor = "relay.after_cursor",
    /// A window of the outbox is wholly published and the next one is not opened.
    RelayBeforeWindow = "relay.before_window",
    /// The next window of the outbox is opened (S1 := S2, a new S2) and committed; nothing of it is read.
    RelayAfterWindow = "relay.after_window",
    /// A task is leased and its attempt written down; the call is not made.
    TaskAfterLease = "task.after_lease",
    /// The gateway was called and has acted; its answer is not recorded.
    TaskAfterCall = "task.after_call",
    /// A consumer's position is committed in the database; Kafka is not told the offset.
    OffsetsBeforeCommit = "offsets.before_commit",
}

macro_rules! roles {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $before:ident, $after:ident;)+) => {
        /// Whose turn it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Role {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Role {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name, as metrics and failpoints bear it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Where its turns die before they commit.
            pub const fn before_commit(self) -> Failpoint {
                match self { $(Self::$variant => Failpoint::$before,)+ }
            }

            /// Where its turns die after they have committed.
            pub const fn after_commit(self) -> Failpoint {
                match self { $(Self::$variant => Failpoint::$after,)+ }
            }
        }
    };
}

roles! {
    /// Webhooks in, turns out.
    Coordinator = "coordinator", TurnBeforeCommitCoordinator, TurnAfterCommitCoordinator;
    /// Holds of a show.
    HoldDesk = "hold_desk", TurnBeforeCommitHoldDesk, TurnAfterCommitHoldDesk;
    /// A customer starts to pay.
    PaymentAttempt = "payment_attempt", TurnBeforeCommitPaymentAttempt, TurnAfterCommitPaymentAttempt;
    /// A call's answer comes back, or a timer is due.
    TaskAnswer = "task_answer", TurnBeforeCommitTaskAnswer, TurnAfterCommitTaskAnswer;
    /// The refund worker reads booking events.
    RefundsConsumer = "refunds_consumer", TurnBeforeCommitRefundsConsumer, TurnAfterCommitRefundsConsumer;
    /// The notification worker reads booking events.
    NotificationsConsumer = "notifications_consumer",
        TurnBeforeCommitNotificationsConsumer, TurnAfterCommitNotificationsConsumer;
    /// The analytics read booking events.
    AnalyticsConsumer = "analytics_consumer",
        TurnBeforeCommitAnalyticsConsumer, TurnAfterCommitAnalyticsConsumer;
}
