//! How much is let in: requests under way, clients that wait, and how often one user or one address may ask.
//!
//! Whoever is turned away is told at once, with `Retry-After`. Nothing queues without a bound; the queue of a
//! show for holds is the hold desk's own.

mod address;
mod admission;
mod rates;

pub(crate) use admission::{Admission, Admitted, admitted};
pub use boxoffice_peers::{PeerAddress, TrustedProxies};
pub use rates::Rate;
pub(crate) use rates::Rates;
