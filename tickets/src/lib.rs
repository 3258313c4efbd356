//! boxoffice-tickets
