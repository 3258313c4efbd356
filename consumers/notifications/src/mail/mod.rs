//! Letters to customers, and the postman who carries them.
//!
//! A letter is written ([`letters`]) from plain data, without clock or I/O: the same data give the same text.
//! The [`Postman`] carries it by SMTP, or puts it into a folder, and says what became of it in the terms
//! that the executor needs ([`DeliveryError`]): never again, again later, or nobody knows.

mod delivery_error;
mod letter;
pub mod letters;
mod message_id;
mod money_text;
mod page;
mod postman;
mod smtp;
mod smtp_url;

pub use delivery_error::DeliveryError;
pub use letter::{BookingFacts, Contact, Language, Letter, Letterhead, Picture};
pub use message_id::{BadDomain, MessageId, Template};
pub use money_text::money_text;
pub use postman::Postman;
pub use smtp_url::PostmanSettingsError;
