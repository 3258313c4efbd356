//! The saga's tests, in one binary: a binary for each file would spend its time on linking, once for every mutant.

mod by_hand;
mod cancellations;
mod decision_table;
mod disputes;
mod early_news;
mod hall;
mod hints;
mod histories;
mod holds;
mod journal;
mod money_news;
mod names;
#[cfg(feature = "openapi")]
mod openapi;
mod orders;
mod pace;
mod promises;
mod refund_news;
mod schemas;
mod situations;
mod sweeps;
mod turns;
