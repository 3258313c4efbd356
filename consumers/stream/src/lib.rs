//! boxoffice-stream
