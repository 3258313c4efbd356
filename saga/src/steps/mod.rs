//! One file per thing that can happen to a booking.

pub mod attempt;
pub mod cancel;
pub mod hint;
pub mod hold;
pub mod hold_over;
pub mod money;
pub mod refund;
pub mod verify;
pub mod void;
