//! The saga's tests, in one binary: a binary for each file would spend its time on linking, once for every mutant.

mod cancellations;
mod decision_table;
mod early_news;
mod hall;
mod histories;
mod names;
mod orders;
mod promises;
mod schemas;
mod situations;
