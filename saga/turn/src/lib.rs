//! boxoffice-turn
