//! boxoffice-webhook-ingress
