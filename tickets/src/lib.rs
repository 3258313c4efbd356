//! Tickets that a gate can check without a network, and the signed address of a booking's status.
//!
//! - [`Ticket`] is what a ticket says; [`Ticket::sign`] makes its [`TicketCode`], the text in the QR code.
//! - [`TicketKeys`] sign; [`VerifyingKeys`] are all that a gate needs, and hold no secret.
//! - [`verify`] reads a code from anywhere. It never panics, whatever it is given.
//! - [`qr_png`] draws the code.
//! - [`StatusTokens`] issue and check the token in a `status_url`.
//!
//! Nothing here reads a clock: times are inputs.

mod code;
mod key_text;
mod keys;
mod qr;
mod status_token;
mod ticket;

pub use code::{MAX_CODE_LENGTH, TicketCode, TicketError, verify};
pub use key_text::KeyError;
pub use keys::{TicketKeys, VerifyingKeys};
pub use qr::{QUIET_ZONE_MODULES, QrError, qr_png};
pub use status_token::{MIN_SECRET_LENGTH, StatusTokenError, StatusTokens, WeakSecret};
pub use ticket::{InvalidTicket, MAX_PAYLOAD_LENGTH, MAX_SEAT_LENGTH, MAX_SEATS, Ticket};
