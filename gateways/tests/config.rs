//! Configuration: what is taken, and how a mistake is told.

#![allow(clippy::unwrap_used, reason = "in tests a panic is the message")]

use boxoffice_gateways::{AccountConfig, GatewayAccount, Gateways};
use serde_json::json;

fn built(config: serde_json::Value) -> Result<Gateways, String> {
    let accounts: Vec<AccountConfig> =
        serde_json::from_value(config).map_err(|error| error.to_string())?;
    Gateways::new(accounts, vec![]).map_err(|error| error.to_string())
}

#[test]
fn a_whole_configuration_is_taken() {
    let gateways = built(json!([
        { "gateway": "stripe", "live": true, "tolerance_seconds": 120,
          "secrets": ["whsec_new", { "secret": "whsec_old", "valid_until": "2026-08-01T00:00:00Z" }],
          "api": { "base_url": "https://api.stripe.com", "api_key": "sk_live_x" } },
        { "gateway": "stripe", "account": "eu", "secrets": ["x"],
          "api": { "base_url": "http://127.0.0.1:9/", "api_key": "sk_test_x", "timeout_ms": 2500 },
          "line": { "calls_per_second": 100, "burst": 200, "open_after": 3 } },
        { "gateway": "boxtown", "scheme": "generic", "secrets": ["y"] },
    ]));
    let gateways = match gateways {
        // A machine without TLS roots cannot speak https, and says so.
        Err(error) if error.contains("cannot be built") => return,
        other => other.unwrap_or_else(|error| panic!("{error}")),
    };
    let names: Vec<String> = gateways.names().map(ToString::to_string).collect();
    assert_eq!(names, ["boxtown/default", "stripe/default", "stripe/eu"]);
    let eu = GatewayAccount::new("stripe", "eu");
    let patience = gateways.client(&eu).unwrap().timeout();
    assert_eq!(
        patience.as_millis(),
        3_000,
        "a call and the wait for its turn"
    );
    let boxtown = GatewayAccount::new("boxtown", "default");
    assert!(gateways.door(&boxtown).is_some() && gateways.client(&boxtown).is_none());
    assert!(
        gateways
            .door(&GatewayAccount::new("stripe", "us"))
            .is_none()
    );
}

#[test]
fn mistakes_are_told_in_words_and_without_secrets() {
    let told = |account: serde_json::Value| built(json!([account])).err().unwrap();
    for (account, words) in [
        (json!({ "gateway": "stripe" }), "no signing secret"),
        (json!({ "gateway": "stripe", "secrets": [""] }), "empty"),
        (
            json!({ "gateway": "stripe", "secrets": ["hush\n"] }),
            "line break",
        ),
        (
            json!({ "gateway": "strype", "secrets": ["hush"] }),
            "set `scheme`",
        ),
        (json!({ "gateway": "Stripe", "secrets": ["hush"] }), "a-z"),
        (
            json!({ "gateway": "fetched", "scheme": "generic", "secrets": ["hush"] }),
            "choose another",
        ),
        (
            json!({ "gateway": "stripe", "secrets": ["hush"], "toleranc": 1 }),
            "unknown field `toleranc`",
        ),
        (
            json!({ "gateway": "stripe", "secrets": [{ "secret": "hush", "until": 1 }] }),
            "unknown field `until`",
        ),
        (
            json!({ "gateway": "stripe", "secrets": [7] }),
            "a secret as text",
        ),
        (
            json!({ "gateway": "generic", "secrets": ["hush"], "api": { "base_url": "http://x", "api_key": "hush" } }),
            "no API that we call",
        ),
        (
            json!({ "gateway": "square", "secrets": ["hush"] }),
            "set `webhook_url`",
        ),
        (
            json!({ "gateway": "standard_webhooks", "secrets": ["whsec_hush!"] }),
            "whpk_",
        ),
        (
            json!({ "gateway": "standard_webhooks", "secrets": ["whsk_hush"] }),
            "the sender's private key",
        ),
        (
            json!({ "gateway": "standard_webhooks", "secrets": ["whpk_aHVzaA=="] }),
            "32 bytes",
        ),
        (
            json!({ "gateway": "generic", "secrets": ["hush"], "from": ["203.0.113.0/33"] }),
            "203.0.113.0/33",
        ),
        (
            json!({ "gateway": "generic", "secrets": ["hush"], "hmac": { "header": "x" } }),
            "`hmac` is for",
        ),
        (
            json!({ "gateway": "acme", "scheme": "hmac", "secrets": ["hush"] }),
            "needs `hmac",
        ),
        (
            json!({ "gateway": "acme", "scheme": "hmac", "secrets": ["hush"], "hmac": { "header": "x", "signed": "{timestamp}.{body}" } }),
            "go together",
        ),
        (
            json!({ "gateway": "acme", "scheme": "hmac", "secrets": ["hush"], "hmac": { "header": "x", "timestamp_header": "t" } }),
            "go together",
        ),
        (
            json!({ "gateway": "acme", "scheme": "hmac", "secrets": ["hush"], "hmac": { "header": "x", "signed": "{id}{body}" } }),
            "`id_header`",
        ),
        (
            json!({ "gateway": "acme", "scheme": "hmac", "secrets": ["hush"], "hmac": { "header": "x", "signed": "{url}{body}" } }),
            "`webhook_url`",
        ),
        (
            json!({ "gateway": "acme", "scheme": "hmac", "secrets": ["hush"], "hmac": { "header": "x", "key_encoding": "hex" } }),
            "`key_encoding`",
        ),
        (
            json!({ "gateway": "acme", "scheme": "hmac", "secrets": ["hush"], "hmac": { "header": "x y" } }),
            "no name of a header",
        ),
        (
            json!({ "gateway": "mollie", "secrets": ["hush"], "api": { "base_url": "http://x", "api_key": "test_hush" } }),
            "`return_url`",
        ),
        (
            json!({ "gateway": "mollie", "secrets": ["hush"], "return_url": "x", "api": { "base_url": "http://x", "api_key": "live_hush" } }),
            "the other mode",
        ),
        (
            json!({ "gateway": "phonepe", "secrets": ["hush"], "capture": "after_seats" }),
            "`capture`",
        ),
        (
            json!({ "gateway": "phonepe", "secrets": ["hush"], "api": { "base_url": "http://x", "api_key": "hush" } }),
            "`api.user`",
        ),
        (
            json!({ "gateway": "phonepe", "secrets": ["hush"], "api": { "base_url": "http://x", "user": "x", "api_key": "hush" } }),
            "`return_url`",
        ),
        (
            json!({ "gateway": "phonepe", "live": true, "secrets": ["hush"], "return_url": "x", "api": { "base_url": "https://api-preprod.phonepe.com/apis/pg-sandbox", "user": "x", "api_key": "hush" } }),
            "the sandbox's",
        ),
        (
            json!({ "gateway": "phonepe", "secrets": ["hush"], "return_url": "x", "api": { "base_url": "https://api.phonepe.com/apis/pg", "user": "x", "api_key": "hush" } }),
            "where real money is",
        ),
        (
            json!({ "gateway": "stripe", "secrets": ["hush"], "api": { "base_url": "stripe", "api_key": "hush" } }),
            "must look like",
        ),
        (
            json!({ "gateway": "stripe", "live": true, "secrets": ["hush"], "api": { "base_url": "http://x", "api_key": "hush" } }),
            "https",
        ),
        (
            json!({ "gateway": "stripe", "secrets": ["hush"], "api": { "base_url": "http://x", "api_key": "hush\n" } }),
            "characters",
        ),
        (
            json!({ "gateway": "stripe", "secrets": ["hush"], "api": { "base_url": "http://x", "api_key": "hush", "timeout_ms": 0 } }),
            "timeout_ms",
        ),
    ] {
        let error = told(account);
        assert!(error.contains(words), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
    let twice = json!({ "gateway": "stripe", "secrets": ["x"] });
    assert!(
        built(json!([twice, twice]))
            .err()
            .unwrap()
            .contains("twice")
    );
    let config: AccountConfig =
        serde_json::from_value(json!({ "gateway": "stripe", "secrets": ["hush"] })).unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}
