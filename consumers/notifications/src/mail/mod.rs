//! The postman, who carries letters.
//!
//! He carries a [`Letter`] by SMTP, or puts it into a folder, and says what became of it in the terms that the
//! executor needs ([`DeliveryError`](crate::DeliveryError)): never again, again later, or nobody knows.

mod letter;
mod message_id;
mod postman;
mod private;
mod smtp;
mod smtp_url;

pub use letter::{Letter, Picture};
pub use message_id::{BadDomain, MailDomain, MessageId};
pub use postman::Postman;
pub use smtp_url::PostmanSettingsError;
