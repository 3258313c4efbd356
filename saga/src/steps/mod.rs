//! One file per thing that can happen to a booking.

pub mod attempt;
pub mod by_hand;
pub mod cancel;
pub mod capture;
pub mod dispute;
pub mod foreign_refund;
pub mod hint;
pub mod hold;
pub mod hold_over;
pub mod left_over;
pub mod money;
pub mod refund;
pub mod sweep;
pub mod verify;
pub mod void;
