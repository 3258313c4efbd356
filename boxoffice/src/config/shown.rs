//! The default file with the values that are in effect, secrets hidden.

use std::fmt::Write;

use figment::value::{Dict, Value};

/// What stands in a secret's place.
const HIDDEN: &str = "\"<hidden>\"";

/// Settings that are secrets, by the last part of their path.
const SECRETS: [&str; 15] = [
    "jwt_secret",
    "status_secret",
    "older_status_secrets",
    "signing_key",
    "secrets",
    "api_key",
    "webhook_secret",
    "razorpay_key_secret",
    "razorpay_webhook_secret",
    "cashfree_client_secret",
    "adyen_api_key",
    "adyen_hmac_key",
    "secret",
    "smtp_url",
    "token",
];

/// `text` is the default file; every `key = value` of it gets its value from `merged`.
pub(super) fn render(text: &str, merged: &Dict) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            if name == "facts" {
                accounts(merged, &mut shown);
            }
            name.clone_into(&mut section);
        }
        let key = line
            .split_once(" = ")
            .map(|(key, _)| key)
            .filter(|key| !key.starts_with('#'));
        let value = key.and_then(|key| {
            merged
                .get(&section)?
                .as_dict()?
                .get(key)
                .map(|value| (key, value))
        });
        match value {
            Some((key, value)) => {
                let _ = writeln!(shown, "{key} = {}", rendered(key, value));
            }
            None => {
                shown.push_str(line);
                shown.push('\n');
            }
        }
    }
    shown
}

fn accounts(merged: &Dict, shown: &mut String) {
    let Some(Value::Array(_, accounts)) = merged.get("gateways") else {
        return;
    };
    for account in accounts.iter().filter_map(Value::as_dict) {
        shown.push_str("[[gateways]]\n");
        for (key, value) in account {
            let _ = writeln!(shown, "{key} = {}", rendered(key, value));
        }
        shown.push_str("\n\n");
    }
}

fn rendered(key: &str, value: &Value) -> String {
    let secret =
        SECRETS.contains(&key) || key.contains("password") || key.contains("sasl.oauthbearer");
    match value {
        Value::String(_, text) if secret && !text.is_empty() => HIDDEN.to_owned(),
        Value::String(_, text) if key == "url" => quoted(&without_password(text)),
        Value::String(_, text) => quoted(text),
        Value::Char(_, c) => quoted(&c.to_string()),
        Value::Bool(_, yes) => yes.to_string(),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string()))
            .unwrap_or_default(),
        Value::Empty(..) => quoted(""),
        Value::Array(_, items) => {
            let items: Vec<String> = items.iter().map(|item| rendered(key, item)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Dict(_, dict) if dict.is_empty() => "{}".to_owned(),
        Value::Dict(_, dict) => {
            let pairs: Vec<String> = dict
                .iter()
                .map(|(key, value)| format!("{} = {}", bare(key), rendered(key, value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn bare(key: &str) -> String {
    let plain = key
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
    if plain { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A URL without what stands between the user's name and the `@`, and without `password=`.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:<hidden>@{host}"),
            None => authority.to_owned(),
        },
        None => authority.to_owned(),
    };
    let path = match path.split_once("password=") {
        Some((before, after)) => {
            format!(
                "{before}password=<hidden>{}",
                after.find('&').map_or("", |end| &after[end..])
            )
        }
        None => path.to_owned(),
    };
    format!("{scheme}://{authority}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_hidden() {
        assert_eq!(
            without_password("postgres://u:p@h:1/d?x=1"),
            "postgres://u:<hidden>@h:1/d?x=1"
        );
        assert_eq!(
            without_password("postgres://u:a@b@h/d"),
            "postgres://u:<hidden>@h/d"
        );
        assert_eq!(
            without_password("postgres:///d?password=p&x=1"),
            "postgres:///d?password=<hidden>&x=1"
        );
        assert_eq!(without_password("postgres://h/d"), "postgres://h/d");
    }
}
