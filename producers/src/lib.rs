//! boxoffice-producers
