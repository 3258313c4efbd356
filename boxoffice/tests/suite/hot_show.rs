//! Everybody wants the same show: the queue per show is bounded, and whoever finds it full is told so at once.

use std::collections::{BTreeMap, BTreeSet};

use boxoffice::demo::Stage;
use serde_json::Value;

use crate::servers;
use crate::system::{Setup, System};

/// How many want the hot show at once.
const CROWD: usize = 300;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_is_answered_and_an_ordinary_show_is_served_meanwhile() {
    let servers = servers::shared();
    // Only the API: the other roles of this broker belong to the system that tests share.
    let setup = Setup {
        roles: &["api"],
        // So few may wait that most of the crowd finds the queue full.
        settings: vec![("BOXOFFICE_API__DESK_QUEUE_PER_SHOW", "3".to_owned())],
        ..Setup::default()
    };
    let system = System::start_with(&servers.kafka(), &servers.empty_database().await, setup).await;
    let stage = Stage::enter(system.target.clone())
        .await
        .expect("the system can be reached");
    let hot = stage.show("Hot", 600_000).await.expect("a show");
    let ordinary = stage.show("Ordinary", 600_000).await.expect("a show");
    let mut crowd = Vec::new();
    for nth in 0..CROWD {
        let customer = stage.customer("one-of-many").await.expect("a customer");
        let seats = [format!("A-{}", nth % 4 + 1), format!("A-{}", nth % 4 + 2)];
        crowd.push(async move {
            let seats = [seats[0].as_str(), seats[1].as_str()];
            let answer = customer.try_hold(hot, &seats).await.expect("an answer");
            let status = answer.status().as_u16();
            let patience = answer.headers().contains_key("retry-after");
            let body: Value = answer.json().await.expect("JSON");
            (status, patience, body)
        });
    }
    let crowd: Vec<_> = crowd.into_iter().map(tokio::spawn).collect();
    for seat in ["A-1", "A-2", "A-3", "A-4", "A-5", "B-1", "B-2", "B-3"] {
        let customer = stage.customer("ordinary").await.expect("a customer");
        let answer = customer.try_hold(ordinary, &[seat]).await;
        let status = answer.expect("an answer").status();
        assert_eq!(status, 201, "{seat} of the ordinary show\n{}", system.log());
    }

    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    let mut held = BTreeSet::new();
    for one in crowd {
        let (status, patience, body) = one.await.expect("no panic");
        let code = body["code"].as_str().unwrap_or("held");
        *answers.entry(format!("{status} {code}")).or_default() += 1;
        assert_eq!(status == 503, patience, "{body}");
        for seat in body["seats"].as_array().into_iter().flatten() {
            if status == 201 {
                assert!(held.insert(seat.to_string()), "{seat} was held twice");
            }
        }
    }
    let known = ["201 held", "409 seats_unavailable", "503 high_demand"];
    assert!(
        answers
            .keys()
            .all(|answer| known.contains(&answer.as_str())),
        "{answers:?}\n{}",
        system.log()
    );
    assert_eq!(answers.values().sum::<usize>(), CROWD);
    assert!(answers.contains_key("201 held"), "{answers:?}");
    assert!(answers.contains_key("503 high_demand"), "{answers:?}");

    // What the customers were told is what the seats say.
    let free = stage.seats_available(hot).await.expect("a seat map");
    assert_eq!(10 - free.len(), held.len(), "{held:?} {free:?}");
    for show in [hot, ordinary] {
        let broken = stage.broken_promises(show).await.expect("a database");
        assert!(broken.is_empty(), "{broken:?}");
    }
}
