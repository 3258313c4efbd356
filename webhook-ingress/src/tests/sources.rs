//! Who may send, and how often without a signature.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use boxoffice_peers::{PeerAddress, TrustedProxies};

use super::*;

const HINT: &str = "id=tr_d0b0E3EA3v";

/// `generic` from two networks alone, and `mollie`, whose older webhooks nobody signs.
fn listed(kafka: &TestKafka, options: IngressOptions) -> Router {
    let accounts = serde_json::json!([
        { "gateway": "generic", "secrets": [SECRET], "from": ["203.0.113.0/24", "2001:db8::/32"] },
        { "gateway": "mollie", "secrets": [SECRET] },
    ]);
    let gateways = Gateways::new(serde_json::from_value(accounts).unwrap(), vec![]).unwrap();
    router(Ingress::new(Arc::new(gateways), kafka.clone(), options).unwrap())
}

fn from(peer: &str, forwarded: Option<&str>) -> Request<Body> {
    let mut request = signed(PAID);
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(PeerAddress(peer));
    if let Some(chain) = forwarded {
        request
            .headers_mut()
            .insert("x-forwarded-for", chain.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn an_account_with_a_list_takes_webhooks_from_there_alone() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = listed(&kafka, IngressOptions::default());
    for peer in ["203.0.113.9:1", "[2001:db8::9]:1", "[::ffff:203.0.113.9]:1"] {
        assert_eq!(ask(&door, from(peer, None)).await.status(), 200, "{peer}");
    }
    assert_eq!(kafka.published().len(), 3);
    for (peer, forwarded) in [
        ("198.51.100.1:1", None),
        ("[2001:db9::9]:1", None),
        // Nobody whom we trust says so.
        ("198.51.100.1:1", Some("203.0.113.9")),
    ] {
        let refusal = refusal(ask(&door, from(peer, forwarded)).await).await;
        assert_eq!(refusal, refused(403, "source_not_allowed"), "{peer}");
    }
    // Without an address there is none that is on the list.
    let refusal = refusal(ask(&door, signed(PAID)).await).await;
    assert_eq!(refusal, refused(403, "source_not_allowed"));
    assert!(kafka.published().is_empty());
}

#[tokio::test]
async fn behind_a_proxy_that_we_trust_it_is_the_sender_that_counts() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let options = IngressOptions {
        trusted_proxies: TrustedProxies::new(&["10.0.0.0/8".to_owned()]).unwrap(),
        ..IngressOptions::default()
    };
    let door = listed(&kafka, options);
    for (chain, status) in [
        (Some("203.0.113.9"), 200),
        (Some("203.0.113.9, 198.51.100.1"), 403),
        (Some("198.51.100.1, 203.0.113.9, 10.2.2.2"), 200),
        (None, 403),
    ] {
        let answer = ask(&door, from("10.1.1.1:1", chain)).await;
        assert_eq!(answer.status(), status, "{chain:?}");
    }
}

#[tokio::test]
async fn hints_have_a_rate_and_what_is_signed_has_none() {
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let options = IngressOptions {
        hints_per_second: NonZeroU32::MIN,
        ..IngressOptions::default()
    };
    let door = listed(&kafka, options);
    let post = |body: &'static str, signature: Option<String>| {
        let mut request = Request::post("/webhooks/mollie");
        if let Some(signature) = signature {
            request = request.header("x-mollie-signature", signature);
        }
        request.body(Body::from(body)).unwrap()
    };
    // One a second is permitted, so one of many at once is turned away.
    let mut turned_away = None;
    for _ in 0..1_000 {
        let answer = ask(&door, post(HINT, None)).await;
        if answer.status() != 200 {
            turned_away = Some(refusal(answer).await);
            break;
        }
    }
    assert_eq!(turned_away, Some(refused(503, "too_busy")));
    let hint = kafka.published().remove(0);
    assert_eq!(
        (hint.key.as_str(), &*hint.record.kind),
        ("tr_d0b0E3EA3v", "hint")
    );

    let body =
        r#"{"resource":"event","id":"event_1","type":"payment-link.paid","entityId":"pl_1"}"#;
    for _ in 0..5 {
        let genuine = post(body, Some(sign(body.as_bytes())));
        assert_eq!(ask(&door, genuine).await.status(), 200);
    }
    let unsigned = refusal(ask(&door, post(body, None)).await).await;
    assert_eq!(unsigned, refused(400, "signature_missing"));
}

#[tokio::test]
async fn a_compressed_body_is_the_bytes_that_were_sent() {
    // "{}", through gzip.
    let packed: &[u8] = &[
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0x02, 0x03, 0xab, 0xae, 0x05, 0, 0x43, 0xbf, 0xa6, 0xa3,
        0x02, 0, 0, 0,
    ];
    let kafka = TestKafka::new(Kafka::Acknowledges);
    let door = door(&kafka);
    let encoded = |signed: &[u8]| {
        let mut request = signed_stream(signed, Body::from(packed));
        let gzip = "gzip".parse().unwrap();
        request.headers_mut().insert("content-encoding", gzip);
        request
    };
    // Signed before it was compressed: whoever compresses on the way breaks the signature, and is told so.
    let refusal = refusal(ask(&door, encoded(b"{}")).await).await;
    assert_eq!(refusal, refused(400, "signature_mismatch"));
    // Signed as sent: genuine, unreadable, and kept as it is for a person.
    assert_eq!(ask(&door, encoded(packed)).await.status(), 200);
    let kept = kafka.only().record;
    assert_eq!((&*kept.kind, &kept.body[..]), ("unreadable", packed));
}
