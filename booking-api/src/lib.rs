//! The front ends' door: seat maps, holds, payments, status, tickets.
//!
//! Nothing here decides anything about seats or money: a request becomes a turn of the saga, and its outcome
//! an answer. Where to look: [`routes`] lists the doors; `desk/` gathers holds into batches; `bookings/` are
//! the other requests that change something; `status/` tells the person who waits; `shows/` is what is for
//! sale; `admin/` are the operators' doors; [`problem`] lists every way in which an answer can be no.

mod access;
mod addresses;
mod admin;
mod api;
mod auth;
mod bookings;
mod clock;
mod contact;
mod deadline;
mod desk;
mod gather;
mod health;
mod idempotency;
mod limits;
pub mod metric;
mod openapi;
pub mod operators;
mod options;
pub mod problem;
mod request;
pub mod routes;
mod serve;
pub mod shows;
mod status;

pub use api::{Api, Parts};
pub use auth::{AuthError, AuthOptions, TokenVerifier};
pub use limits::{PeerAddress, Rate, TrustedProxies};
pub use options::Options;
pub use routes::{openapi, router};
pub use serve::serve;
