//! The benchmarks, as far as they can be right or wrong: for what they leave behind, never for how fast they were.

use std::process::Command;

use serde_json::Value;

/// Customers on two shows for two seconds, half of them in a closed and half in an open loop.
#[test]
fn a_short_flow_breaks_no_promise() {
    for load in [["--at-once", "16"], ["--rate", "50"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_boxoffice"))
            .args([
                "bench",
                "flow",
                "--seconds",
                "2",
                "--warm-up",
                "1",
                "--shows",
                "2",
                "--json",
            ])
            .args(load)
            .output()
            .expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{why}{said}");
        let report: Value = serde_json::from_str(&said).expect("a report");
        let audit = report["audit"].as_str().expect("an audit");
        assert!(audit.contains("every promise holds"), "{audit}");
        let level = &report["levels"][0];
        assert!(level["units"].as_u64() > Some(0), "{level:#}");
        for part in ["boxoffice", "kafka", "postgres", "load"] {
            assert!(level["cost"]["cpu_us"][part].is_f64(), "{part}: {level:#}");
        }
    }
}
