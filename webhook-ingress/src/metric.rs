//! The names of what is measured here, in one place.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Counter, by `gateway` (a configured name, or `unknown`) and `outcome`: `accepted`, `no_interest`,
/// `unreadable`, or a refusal's [`code`](crate::Refused::code).
pub const WEBHOOKS: &str = "boxoffice_webhooks_total";
/// Counter, by `gateway`: bytes of bodies that were whole.
pub const BYTES: &str = "boxoffice_webhook_bytes_total";
/// Histogram, by `gateway`: seconds from handing a record to the producer to the broker's acknowledgement.
pub const ACK_SECONDS: &str = "boxoffice_webhook_ack_seconds";
/// Gauge: webhooks that are being handled.
pub const IN_FLIGHT: &str = "boxoffice_webhooks_in_flight";
/// Gauge: open connections.
pub const CONNECTIONS: &str = "boxoffice_ingress_connections";

/// What `gateway` says where the path names none of ours.
pub const UNKNOWN: &str = "unknown";

/// Describes them to the installed recorder. Call once, after it is installed and before an
/// [`Ingress`](crate::Ingress) is made.
pub fn describe() {
    describe_counter!(
        WEBHOOKS,
        Unit::Count,
        "Webhooks, by gateway and by how they were answered"
    );
    describe_counter!(BYTES, Unit::Bytes, "Bytes of webhook bodies, by gateway");
    describe_histogram!(
        ACK_SECONDS,
        Unit::Seconds,
        "From handing a webhook to the producer to the broker's acknowledgement, by gateway"
    );
    describe_gauge!(IN_FLIGHT, Unit::Count, "Webhooks being handled");
    describe_gauge!(CONNECTIONS, Unit::Count, "Open connections at the door");
}
