//! What outsiders build on, held against the code that keeps it. For tests only.
//!
//! The promises themselves are documents that outsiders read: `schemas/` and `docs/`. The tests of this crate,
//! and those of others that use it, fail when a document and the code say different things, or when a promise
//! that was given is taken back.

pub mod breaking;
pub mod outside;
pub mod schemas;

pub use breaking::breaking;
pub use outside::Python;
pub use schemas::Schemas;
