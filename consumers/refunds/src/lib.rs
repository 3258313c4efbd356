//! boxoffice-refunds
