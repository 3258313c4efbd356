//! boxoffice-notifications

pub mod mail;
