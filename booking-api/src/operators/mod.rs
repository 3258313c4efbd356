//! What operators see and do, whichever way they come in: the doors of `admin/` and the command line are two faces
//! of what stands here.
//!
//! `story/` tells one booking's story; `waiting/` what is open and for whom it waits; [`attention`] what waits for a
//! person. Every [`Act`] is one transaction with the record of who did it and why.

mod act;
pub mod attention;
pub mod dead_letters;
mod error;
pub mod page;
pub mod parked;
pub mod refund;
mod retry;
pub mod settle;
pub mod story;
mod tasks;
pub mod waiting;

use boxoffice_saga::money::Money;
use boxoffice_turn::TurnError;

pub use act::{Act, Acted, NotDone, Order, act};
pub use error::OperatorError;
pub use retry::{Became, Retried, RetriedTask, RetryBooking};
pub use tasks::OpenTask;

/// An amount from its columns.
fn read_money(minor: i64, currency: &str) -> Result<Money, TurnError> {
    let currency = currency
        .parse()
        .map_err(|_| TurnError::Corrupt(format!("currency {currency:?}")))?;
    Ok(Money::new(minor, currency))
}
