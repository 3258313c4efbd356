//! boxoffice-failpoints
