//! Tokens: one for many calls, and nothing asked without.

use boxoffice_gateways::GatewayClient;
use boxoffice_gateways::phonepe::PhonePeClient;
use boxoffice_saga::fact::PaymentState;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    TOKEN_PATH, attempt, became, configured, order, phonepe, problem, refund_order, serve, token,
};

#[tokio::test]
async fn a_token_serves_many_calls_until_it_ends_or_is_refused() {
    let id = attempt().to_string();
    let open = || order("PENDING", &[]);
    let (client, asked) = phonepe(vec![
        token("short", 30),
        open(),
        token("second", 3_600),
        open(),
        open(),
        problem(401, "AUTHORIZATION_FAILED"),
        token("third", 3_600),
        open(),
    ])
    .await;
    for _ in 0..3 {
        client.fetch_payment(&id).await.unwrap();
    }
    let error = client.fetch_payment(&id).await.unwrap_err();
    assert_eq!(became(&error), "later", "{error}");
    client.fetch_payment(&id).await.unwrap();
    let borne: Vec<_> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|call| {
            call.lines()
                .find_map(|line| line.strip_prefix("authorization: O-Bearer "))
                .unwrap_or("(asks for one)")
                .to_owned()
        })
        .collect();
    let new = "(asks for one)";
    assert_eq!(
        borne,
        [
            new, "short", new, "second", "second", "second", new, "third"
        ]
    );
}

#[tokio::test]
async fn many_calls_at_once_ask_for_one_token() {
    let id = attempt().to_string();
    let mut answers = vec![token("first", 3_600)];
    answers.extend((0..8).map(|_| order("PENDING", &[])));
    let (client, asked) = phonepe(answers).await;
    let calls = (0..8).map(|_| client.fetch_payment(&id));
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap().state, PaymentState::Open);
    }
    let asked = asked.lock().unwrap();
    let for_tokens = asked.iter().filter(|call| call.starts_with(TOKEN_PATH));
    assert_eq!((asked.len(), for_tokens.count()), (9, 1));
}

#[tokio::test]
async fn without_a_token_nothing_is_asked_and_nothing_secret_is_said() {
    let mut nameless = token("first", 3_600).1;
    nameless["token_type"] = Value::Null;
    for (answer, expected) in [
        (problem(400, "INVALID_CLIENT"), "later"),
        (problem(401, "INVALID_CLIENT"), "later"),
        (problem(429, "TOO_MANY_REQUESTS"), "later"),
        (problem(500, "INTERNAL_SERVER_ERROR"), "never asked"),
        ((200, nameless), "never asked"),
        (token("first\n", 3_600), "never asked"),
        ((200, json!("<html>")), "never asked"),
    ] {
        let shown = format!("{answer:?}");
        let (client, asked) = phonepe(vec![answer]).await;
        let error = client.refund(&refund_order()).await.unwrap_err();
        assert_eq!(became(&error), expected, "{shown}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("hush") && !said.contains("first"), "{said}");
        assert_eq!(asked.lock().unwrap().len(), 1, "{shown}");
    }
}

#[tokio::test]
async fn a_client_does_not_show_what_it_keeps() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = configured(&listener);
    let asked = serve(listener, vec![token("first", 3_600), order("PENDING", &[])]);
    let client = PhonePeClient::new(&config, config.api.as_ref().unwrap()).unwrap();
    client.fetch_payment(&attempt().to_string()).await.unwrap();
    assert!(asked.lock().unwrap()[1].contains("O-Bearer first"));
    let shown = format!("{client:?}");
    assert!(
        !shown.contains("hush") && !shown.contains("first"),
        "{shown}"
    );
}
