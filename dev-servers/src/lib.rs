//! boxoffice-dev-servers
