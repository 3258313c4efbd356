//! boxoffice-tasks
