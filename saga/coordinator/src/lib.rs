//! boxoffice-coordinator
