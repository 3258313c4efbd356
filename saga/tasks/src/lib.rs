//! External calls are tasks, and so are timers: one table, one executor.
//!
//! A task is leased in a transaction that touches tasks only; its attempt is written down in the same
//! statement; the call is made outside any transaction, with a time-out under half the lease; its answer
//! comes back as a turn. A process that dies anywhere on this way leaves a lease that runs out and an
//! attempt without an answer, which the next try looks up before it repeats anything.
//!
//! A call that its gateway's line holds back was never made: the task is given back, the attempt is struck out. And
//! while a gateway is not asked at all, its tasks are not leased.
//!
//! Fenced are calls, never answers: nothing is sent after an attempt's deadline, and an answer that comes after
//! its lease was lost is recorded all the same.

mod cut_off;
mod executor;
mod lease;
mod memory;
mod metric;

pub use executor::{ExecutorOptions, HeldBack, Work, bring, run};
pub use lease::{EarlierAttempt, Leased};
pub use memory::take as take_in_memory;
pub use metric::describe as describe_metrics;
