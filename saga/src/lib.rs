//! boxoffice-saga
