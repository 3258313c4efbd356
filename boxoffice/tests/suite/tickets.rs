//! A ticket from the real system, checked by the binary as a gate does: with public keys alone.

use std::process::{Command, Output};

use boxoffice::demo::Stage;
use serde_json::Value;

use crate::{servers, system};

fn gate(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boxoffice"))
        .arg("ticket")
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(servers::fresh_dir("gate"))
        .output()
        .expect("the binary runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gate_knows_our_tickets_and_only_those() {
    let system = system::shared().await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let show = stage.show("A gate", 600_000).await.expect("a show");
    let ann = stage.customer("ann").await.expect("a customer");
    let booking = ann.hold(show, &["A-1", "B-2"]).await.expect("a hold");
    let attempt = ann.open_payment(&booking).await.expect("an attempt");
    ann.pay(&attempt).await.expect("paid");
    let document = ann
        .wait_for(&booking, "CONFIRMED")
        .await
        .expect("confirmed");
    // The address carries its own token: whoever has it has the ticket.
    let address = document["ticket_url"].as_str().expect("an address");
    let url = format!("{}{address}", system.target.api);
    let ticket: Value = stage
        .http
        .get(url)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("a ticket");
    let code = ticket["code"].as_str().expect("a code");

    // The gate gets the public keys, and nothing else of ours.
    let printed = system.run(&["ticket", "keys"]);
    let keys = servers::fresh_dir("gate-keys").join("keys");
    std::fs::write(&keys, &printed.stdout).expect("a file");
    let keys = keys.to_str().expect("UTF-8");
    let good = gate(&["verify", "--keys", keys, "--json", code], &[]);
    let verdict: Value = serde_json::from_str(&said(&good)).expect("JSON");
    assert!(good.status.success());
    assert_eq!(verdict["booking_id"], booking.as_str());
    assert_eq!(verdict["show_id"], show.number());
    assert_eq!(verdict["seats"], serde_json::json!(["A-1", "B-2"]));

    let middle = code.len() / 2;
    let other = if code.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let forged = format!("{}{other}{}", &code[..middle], &code[middle + 1..]);
    for (arguments, why) in [
        (vec!["verify", "--keys", keys, &forged], "refused"),
        (vec!["verify", "--keys", keys, "BX1.nonsense"], "refused"),
        (
            vec!["verify", "--keys", keys, "--show", "1099511627775", code],
            "not for show",
        ),
    ] {
        let refused = gate(&arguments, &[]);
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
        assert!(said(&refused).contains(why), "{}", said(&refused));
    }
    assert_eq!(
        gate(&["verify", code], &[]).status.code(),
        Some(2),
        "no keys are known"
    );

    // Rotation: a new key signs; with the old public key the old ticket is good, without it is not.
    let (id, key) = std::str::from_utf8(&printed.stdout)
        .expect("text")
        .trim()
        .split_once(' ')
        .expect("a key");
    let older = format!("{{ {id} = \"{key}\" }}");
    let new = [
        ("BOXOFFICE_TICKETS__KEY_ID", "next"),
        (
            "BOXOFFICE_TICKETS__SIGNING_KEY",
            "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        ),
        ("BOXOFFICE_TICKETS__OLDER_KEYS", older.as_str()),
    ];
    let kept = gate(&["verify", code], &new);
    assert!(
        kept.status.success(),
        "{}{}",
        said(&kept),
        String::from_utf8_lossy(&kept.stderr)
    );
    let forgotten = gate(&["verify", code], &new[..2]);
    assert_eq!(forgotten.status.code(), Some(1), "{}", said(&forgotten));
}
