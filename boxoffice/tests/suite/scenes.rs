//! The demo's scenes on real servers, and what the letters and the audit say afterwards.

use boxoffice::demo::Played;
use tokio::sync::OnceCell;

use crate::system;

/// The demo on the shared system, played once for all who look at what it leaves: a scene closes the mail server, so
/// two of them would disturb each other. Every scene is as expected.
pub async fn played() -> &'static [Played] {
    static PLAYED: OnceCell<Vec<Played>> = OnceCell::const_new();
    let system = system::shared().await;
    let play = || async {
        boxoffice::demo::play(system.target.clone(), |_| {})
            .await
            .expect("the system can be reached")
    };
    let played = PLAYED.get_or_init(play).await;
    for scene in played {
        assert!(scene.ok(), "{scene:#?}\n{}", system.log());
    }
    played
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_scene_of_the_demo_ends_as_expected() {
    let system = system::shared().await;
    assert_eq!(played().await.len(), 10);
    let letters = system.letters();
    for template in ["booking_confirmed", "booking_failed_refunding", "refunded"] {
        assert!(
            letters.iter().any(|file| file.contains(template)),
            "no letter {template}: {letters:?}"
        );
    }
    system.audit();
}
