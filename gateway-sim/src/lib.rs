//! boxoffice-gateway-sim
