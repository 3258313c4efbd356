//! The gateways.
