//! What every door must stand, whichever gateway it is of: one table ([`doors`]), and everything that is asked of
//! each of its rows.
//!
//! A new gateway puts a file into `doors/`, with a signer of its own making and a genuine sample of each kind of
//! event that it knows, and a line into [`doors::all`]. Nothing else here changes.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

mod accepts;
mod anything;
mod bodies;
mod door;
mod doors;
mod headers;
mod secrets;
mod times;
