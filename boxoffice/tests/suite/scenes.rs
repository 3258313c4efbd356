//! The demo's scenes on real servers, and what the letters and the audit say afterwards.

use crate::system;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scene_of_the_demo_ends_as_expected() {
    let system = system::shared().await;
    let played = boxoffice::demo::play(system.target.clone(), |_| {})
        .await
        .expect("the system can be reached");
    for scene in &played {
        assert!(scene.ok(), "{scene:#?}\n{}", system.log());
    }
    let letters = system.letters();
    for template in ["booking_confirmed", "booking_failed_refunding", "refunded"] {
        assert!(
            letters.iter().any(|file| file.contains(template)),
            "no letter {template}: {letters:?}"
        );
    }
    system.audit();
}
