//! The lines' metrics.

use std::time::Duration;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use super::Lane;
use super::circuit::Position;

/// The circuit of a gateway account: 0 closed, 1 half open (one probe is under way), 2 open.
pub const CIRCUIT: &str = "boxoffice_gateway_circuit_state";
/// How often a gateway account's circuit has opened.
pub const OPENED: &str = "boxoffice_gateway_circuit_opened_total";
/// Seconds that a call waited for its turn, by account and lane.
pub const WAITED: &str = "boxoffice_gateway_wait_seconds";
/// Calls that were not made now, by account and reason: `circuit`, `rate`.
pub const HELD_BACK: &str = "boxoffice_gateway_calls_held_back_total";

/// Describes the metrics to the recorder.
pub fn describe() {
    describe_gauge!(
        CIRCUIT,
        "A gateway account's circuit: 0 closed, 1 half open, 2 open."
    );
    describe_counter!(
        OPENED,
        Unit::Count,
        "How often a gateway account's circuit has opened."
    );
    describe_histogram!(
        WAITED,
        Unit::Seconds,
        "How long calls waited for their turn at a gateway, by lane."
    );
    describe_counter!(
        HELD_BACK,
        Unit::Count,
        "Calls to a gateway that were not made now, by reason."
    );
}

pub(super) fn position(gateway: &str, position: Position) {
    let value = match position {
        Position::Closed => 0.0,
        Position::Probing => 1.0,
        Position::Open => 2.0,
    };
    metrics::gauge!(CIRCUIT, "gateway" => gateway.to_owned()).set(value);
}

pub(super) fn opened(gateway: &str) {
    metrics::counter!(OPENED, "gateway" => gateway.to_owned()).increment(1);
}

pub(super) fn waited(gateway: &str, lane: Lane, time: Duration) {
    let lane = match lane {
        Lane::Ordinary => "ordinary",
        Lane::Mass => "mass",
    };
    metrics::histogram!(WAITED, "gateway" => gateway.to_owned(), "lane" => lane).record(time);
}

pub(super) fn held_back(gateway: &str, reason: &'static str) {
    metrics::counter!(HELD_BACK, "gateway" => gateway.to_owned(), "reason" => reason).increment(1);
}
