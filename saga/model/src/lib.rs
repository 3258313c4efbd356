//! Every order of events, explored.
//!
//! Models of the machinery that decides about money and seats, run by a model checker: it goes through every
//! interleaving of a small world and looks at the promises in each state. The decisions in them are made by the
//! production functions; what stands around those (a database, a broker, a gateway, processes that die) is
//! modelled, with every mishap that the design names.
//!
//! Each model has its rules as an enum. With all of them kept, nothing is broken; with one removed, the tests
//! expect the promise that breaks: that is why the rule is there.

mod explore;
pub mod hall;
pub mod lease;
pub mod position;
pub mod relay;

pub use explore::{Explored, explore, is_full};
