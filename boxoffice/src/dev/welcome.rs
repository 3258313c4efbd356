//! What a newcomer needs to play on.

use secrecy::ExposeSecret;
use serde_json::json;

use super::stage;
use super::system::System;
use crate::failure::Failure;
use crate::terminal;

/// Prints addresses, a token, secrets, a script that posts a webhook, a `curl` of a hold, and how to stop.
///
/// # Errors
/// When the script cannot be written.
pub async fn print(system: &System) -> Result<(), Failure> {
    let (config, target, place) = (system.config(), system.target(), system.place());
    let now = stage(system)
        .await?
        .now()
        .await
        .map_err(|error| Failure::because("the database does not answer", error.as_ref()))?;
    let claims = json!({ "sub": "you", "exp": (now + time::Duration::days(1)).unix_timestamp() });
    let key = jsonwebtoken::EncodingKey::from_secret(target.jwt_secret.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key)
        .map_err(|error| Failure::because("no token can be made", &error))?;
    place.write(
        "post-webhook.sh",
        &script(target.webhook_secret.as_str(), &target.ingress),
        0o700,
    )?;
    let script = place.dir().join("post-webhook.sh");
    // As this process was called: a fresh checkout has no `boxoffice` on the PATH.
    let me = std::env::args()
        .next()
        .unwrap_or_else(|| "boxoffice".to_owned());
    let lines = [
        terminal::bold("Where things are"),
        format!("  booking API      {}", target.api),
        format!("  webhook ingress  {}", target.ingress),
        format!(
            "  gateway          {}  (the simulator; its books: /_sim/books)",
            target.simulator
        ),
        format!(
            "  mail server      {}  (the simulator's; closed and opened by POST /_sim/mail)",
            config.simulator.mail_listen
        ),
        format!(
            "  health, metrics  http://{}/readyz, /metrics",
            config.health.listen
        ),
        format!("  Kafka            {}", target.kafka),
        format!("  PostgreSQL       {}", target.database),
        format!(
            "  letters          {}",
            config.simulator.mail_files.display()
        ),
        format!("  log              {}", place.log_file().display()),
        String::new(),
        terminal::bold("Webhook secrets"),
    ];
    lines.iter().for_each(terminal::line);
    for account in &config.gateways {
        let secret = account
            .secrets
            .first()
            .map(|secret| secret.secret.expose_secret())
            .unwrap_or_default();
        terminal::line(format!("  {:<16} {secret}", account.gateway));
    }
    let lines = [
        String::new(),
        terminal::bold("Hold two seats (shows 1 and 2; in show 3 a hold lasts five seconds)"),
        format!("  TOKEN={token}"),
        format!(
            "  curl -s -X POST {}/v1/shows/1/holds -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \\",
            target.api
        ),
        "    -d '{\"seats\": [\"B-1\", \"B-2\"], \"contact\": {\"email\": \"you@example.com\"}}'"
            .to_owned(),
        String::new(),
        terminal::bold(
            "Pay for it: sign and post a Stripe webhook (booking id, amount in minor units)",
        ),
        format!("  {} BOOKING_ID 90000", script.display()),
        String::new(),
        terminal::bold("Then"),
        format!("  {me} demo    plays the hard scenes against this system"),
        format!("  {me} audit   evaluates every promise"),
        format!("  {me} report  prints what the analytics have counted"),
        "  Ctrl-C stops everything; the state is kept".to_owned(),
    ];
    lines.iter().for_each(terminal::line);
    Ok(())
}

/// A script that signs and posts a webhook as Stripe would, with nothing but a shell, openssl and curl.
fn script(secret: &str, ingress: &str) -> String {
    format!(
        r#"#!/bin/sh
# Signs and posts `payment_intent.succeeded` as Stripe would. Usage: post-webhook.sh BOOKING_ID [MINOR_UNITS [CURRENCY]]
set -eu
booking=${{1:?usage: post-webhook.sh BOOKING_ID [MINOR_UNITS [CURRENCY]]}}
minor=${{2:-90000}}
currency=${{3:-inr}}
at=$(date +%s)
body=$(printf '{{"id":"evt_%s_%s","object":"event","type":"payment_intent.succeeded","livemode":false,"data":{{"object":{{"id":"pi_by_hand_%s","object":"payment_intent","status":"succeeded","livemode":false,"amount":%s,"amount_received":%s,"currency":"%s","metadata":{{"booking_id":"%s"}}}}}}}}' \
    "$at" "$$" "$booking" "$minor" "$minor" "$currency" "$booking")
signature=$(printf '%s.%s' "$at" "$body" | openssl dgst -sha256 -hmac '{secret}' | sed 's/^.*= *//')
curl -sS -o /dev/null -w 'the ingress answered %{{http_code}}\n' -X POST '{ingress}/webhooks/stripe' \
    -H "Stripe-Signature: t=$at,v1=$signature" -H 'Content-Type: application/json' --data-binary "$body"
"#
    )
}
