//! boxoffice-notifications
