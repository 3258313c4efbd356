//! What an operator configures about a gateway account.

use std::time::Duration;

use boxoffice_peers::Networks;
use boxoffice_saga::identity::GatewayAccount;
use boxoffice_saga::payment::CaptureMode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::configured::HmacConfig;
use crate::line::LineConfig;
use crate::secrets::SigningSecret;
use crate::standard_webhooks;

/// How a gateway speaks: which folder of this crate serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// Stripe: webhooks and client.
    Stripe,
    /// Razorpay: webhooks and client.
    Razorpay,
    /// Cashfree: webhooks and client.
    Cashfree,
    /// Adyen: webhooks and client.
    Adyen,
    /// `X-Hub-Signature-256` over our own small body. Webhooks only; its refunds are made by a person.
    Generic,
    /// Standard Webhooks 1.0 over our own small body. Webhooks only.
    StandardWebhooks,
    /// Square. Webhooks only; needs `webhook_url`.
    Square,
    /// Checkout.com. Webhooks only.
    CheckoutCom,
    /// Mollie: signed webhooks, and unsigned ones as hints; client.
    Mollie,
    /// PhonePe v2: its webhooks are hints; client.
    Phonepe,
    /// PayU India. Webhooks only.
    PayuIndia,
    /// An HMAC as the account's `hmac` describes it. Webhooks only.
    Hmac,
}

impl Scheme {
    /// Whether we can call gateways of this scheme.
    const fn has_client(self) -> bool {
        matches!(
            self,
            Self::Stripe
                | Self::Razorpay
                | Self::Cashfree
                | Self::Adyen
                | Self::Mollie
                | Self::Phonepe
        )
    }

    /// The scheme that a gateway of this name has unless configured otherwise.
    pub fn of_gateway(name: &str) -> Option<Self> {
        match name {
            "stripe" => Some(Self::Stripe),
            "razorpay" => Some(Self::Razorpay),
            "cashfree" => Some(Self::Cashfree),
            "adyen" => Some(Self::Adyen),
            "generic" => Some(Self::Generic),
            "standard_webhooks" => Some(Self::StandardWebhooks),
            "square" => Some(Self::Square),
            "checkout_com" => Some(Self::CheckoutCom),
            "mollie" => Some(Self::Mollie),
            "phonepe" => Some(Self::Phonepe),
            "payu_india" => Some(Self::PayuIndia),
            _ => None,
        }
    }
}

/// One account at one gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// The gateway's name, as it stands in the webhook's URL: 1 to 32 of `a-z 0-9 - _`.
    pub gateway: String,
    /// The account's name, where there is more than one.
    #[serde(default = "default_account")]
    pub account: String,
    /// How it speaks. Needed only where the gateway's name does not say it.
    #[serde(default)]
    pub scheme: Option<Scheme>,
    /// Real money (true) or the gateway's test mode. An event of the other mode goes to a person.
    #[serde(default)]
    pub live: bool,
    /// When the money of payments opened here is taken: by the gateway with the authorisation (`automatic`), or only
    /// when the seats are the customer's (`after_seats`): then a lost seat is an authorisation given up, and no
    /// refund. The second needs a gateway that can do it: Stripe, Razorpay, Cashfree, Adyen.
    #[serde(default, deserialize_with = "capture_mode")]
    pub capture: CaptureMode,
    /// What it signs its webhooks with.
    #[serde(default)]
    pub secrets: Vec<SigningSecret>,
    /// How far a signature's time may be from ours, both ways, in seconds. Default 300.
    #[serde(default = "default_tolerance")]
    pub tolerance_seconds: u32,
    /// The address to which the gateway posts, exactly as the gateway knows it: for schemes that sign it (Square).
    #[serde(default)]
    pub webhook_url: Option<String>,
    /// Where customers are sent once they have paid, or have not, on the gateway's own page: for gateways that want it
    /// (Mollie, PhonePe).
    #[serde(default)]
    pub return_url: Option<String>,
    /// The addresses and networks that its webhooks come from, where it says so; others are refused. Default: from
    /// anywhere, for the signature is what counts.
    #[serde(default)]
    pub from: Networks,
    /// How it signs, for the scheme `hmac`.
    #[serde(default)]
    pub hmac: Option<HmacConfig>,
    /// How to call it. Without, its payments cannot be opened, voided, looked up or refunded by us.
    #[serde(default)]
    pub api: Option<ApiConfig>,
    /// How often it is called, and when it is left alone.
    #[serde(default)]
    pub line: LineConfig,
}

/// How to call a gateway.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiConfig {
    /// Where its API is, without a path of a single call, for example `https://api.stripe.com` or
    /// `https://api.phonepe.com/apis/pg`.
    pub base_url: String,
    /// Who we are there, where the key alone does not say it: Razorpay's key id (`rzp_live_…` or `rzp_test_…`),
    /// Cashfree's and PhonePe's client id.
    #[serde(default)]
    pub user: Option<String>,
    /// Which version of `user` and `api_key` these are: PhonePe's `client_version`. Default 1.
    #[serde(default)]
    pub client_version: Option<u32>,
    /// The merchant account that the calls are for, where a key is good for several: Adyen's `merchantAccount`.
    #[serde(default)]
    pub merchant: Option<String>,
    /// The secret key.
    pub api_key: SecretString,
    /// The longest that one exchange may take, in milliseconds. Default 10 000. Keep it under half of the
    /// tasks' lease.
    #[serde(default = "default_timeout")]
    pub timeout_ms: u32,
}

fn capture_mode<'de, D: serde::Deserializer<'de>>(source: D) -> Result<CaptureMode, D::Error> {
    let name = String::deserialize(source)?;
    CaptureMode::from_name(&name.to_ascii_uppercase())
        .ok_or_else(|| serde::de::Error::custom("capture is `automatic` or `after_seats`"))
}

fn default_account() -> String {
    GatewayAccount::DEFAULT.into()
}

const fn default_tolerance() -> u32 {
    300
}

const fn default_timeout() -> u32 {
    10_000
}

impl AccountConfig {
    /// A test-mode account named [`GatewayAccount::DEFAULT`] with one secret and no API.
    pub fn new(gateway: impl Into<String>, secret: SigningSecret) -> Self {
        Self {
            gateway: gateway.into(),
            account: default_account(),
            scheme: None,
            live: false,
            capture: CaptureMode::Automatic,
            secrets: vec![secret],
            tolerance_seconds: default_tolerance(),
            webhook_url: None,
            return_url: None,
            from: Networks::default(),
            hmac: None,
            api: None,
            line: LineConfig::default(),
        }
    }

    /// Who this is.
    pub fn gateway_account(&self) -> GatewayAccount {
        GatewayAccount::new(&self.gateway, &self.account)
    }

    /// The scheme, checked together with everything else.
    ///
    /// # Errors
    /// [`ConfigError`] for the first thing that is wrong.
    pub fn validate(&self) -> Result<Scheme, ConfigError> {
        let account = self.gateway_account();
        let bad = |what: &str| ConfigError {
            account: account.clone(),
            what: what.into(),
        };
        if !good_name(&self.gateway) || !good_name(&self.account) {
            return Err(bad("a name is 1 to 32 of a-z, 0-9, - and _"));
        }
        if self.gateway == crate::fetched::RESERVED_NAME {
            return Err(bad("this name is ours: choose another"));
        }
        let scheme = self
            .scheme
            .or_else(|| Scheme::of_gateway(&self.gateway))
            .ok_or_else(|| {
                bad("no gateway is known by this name: set `scheme`, for example to `stripe` or `hmac`")
            })?;
        if self.secrets.is_empty() {
            return Err(bad(
                "it has no signing secret, so none of its webhooks could be believed",
            ));
        }
        for secret in &self.secrets {
            let text = secret.secret.expose_secret();
            if text.is_empty() {
                return Err(bad("a signing secret is empty: anybody could sign with it"));
            }
            if text.trim() != text {
                return Err(bad(
                    "a signing secret has a space or a line break around it",
                ));
            }
        }
        if scheme == Scheme::StandardWebhooks {
            for secret in &self.secrets {
                standard_webhooks::usable(secret.secret.expose_secret()).map_err(bad)?;
            }
        }
        if scheme == Scheme::Square && self.webhook_url.is_none() {
            return Err(bad(
                "Square signs the address that it posts to: set `webhook_url` to it",
            ));
        }
        if scheme == Scheme::Adyen {
            self.adyen().map_err(bad)?;
        }
        if scheme == Scheme::Mollie && self.capture == CaptureMode::AfterSeats {
            return Err(bad(
                "Mollie's reservations are not taken by boxoffice: `capture` must be `automatic`",
            ));
        }
        if scheme == Scheme::Phonepe {
            self.phonepe().map_err(bad)?;
        }
        if self.hmac.is_some() && scheme != Scheme::Hmac {
            return Err(bad(
                "`hmac` is for `scheme = \"hmac\"`: remove the one or set the other",
            ));
        }
        self.line.validate().map_err(|what| bad(&what))?;
        if let Some(api) = &self.api {
            api.validate(self.live).map_err(|what| bad(&what))?;
            if scheme == Scheme::Razorpay {
                razorpay_key(api, self.live).map_err(bad)?;
            }
            if scheme == Scheme::Cashfree && api.user.as_deref().unwrap_or_default().is_empty() {
                return Err(bad(
                    "`api.user` is missing: Cashfree's client id (`x-client-id`)",
                ));
            }
            if !scheme.has_client() {
                return Err(bad("this scheme has no API that we call: remove `api`"));
            }
        }
        Ok(scheme)
    }
}

impl AccountConfig {
    fn adyen(&self) -> Result<(), &'static str> {
        let hex = |secret: &SigningSecret| crate::adyen::key(secret.secret.expose_secret());
        if self.secrets.iter().any(|secret| hex(secret).is_none()) {
            return Err(
                "a signing secret is not in hexadecimal digits, as Adyen shows its HMAC keys",
            );
        }
        let named = |api: &ApiConfig| api.merchant.as_deref().is_some_and(|name| !name.is_empty());
        if self.api.as_ref().is_some_and(|api| !named(api)) {
            return Err("`api.merchant` is missing: the merchant account (`merchantAccount`)");
        }
        Ok(())
    }
}

impl AccountConfig {
    /// PhonePe's answers do not say which mode they are of: the address does.
    fn phonepe(&self) -> Result<(), &'static str> {
        if self.capture == CaptureMode::AfterSeats {
            return Err("PhonePe takes the money at once: `capture` must be `automatic`");
        }
        let Some(api) = &self.api else {
            return Ok(());
        };
        if api.user.as_deref().unwrap_or_default().is_empty() {
            return Err("`api.user` is missing: PhonePe's client id (`client_id`)");
        }
        if self.return_url.is_none() {
            return Err(
                "PhonePe's customers pay on its page and are sent back: set `return_url` to where",
            );
        }
        if self.live && api.base_url.contains("sandbox") {
            return Err("it is live, and `api.base_url` is the sandbox's");
        }
        if !self.live && api.base_url.starts_with("https://api.phonepe.com") {
            return Err("it is not live, and `api.base_url` is where real money is");
        }
        Ok(())
    }
}

impl ApiConfig {
    /// The longest that one exchange may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }

    /// Whether the calls go out in the clear, as to the simulator.
    pub(crate) fn plain_http(&self) -> bool {
        self.base_url.starts_with("http://")
    }

    fn validate(&self, live: bool) -> Result<(), String> {
        let url = self
            .base_url
            .parse::<http::Uri>()
            .map_err(|error| format!("`base_url`: {error}"))?;
        if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none() {
            return Err("`base_url` must look like https://api.example.com".into());
        }
        if live && self.plain_http() {
            return Err("`base_url` must be https: a live key must not travel in the clear".into());
        }
        if self.api_key.expose_secret().is_empty() {
            return Err("`api_key` is empty".into());
        }
        if self.timeout_ms == 0 {
            return Err("`timeout_ms` is 0: no call could ever be answered".into());
        }
        Ok(())
    }
}

/// Razorpay's key id names its mode, and nothing else does: neither its webhooks nor its answers.
fn razorpay_key(api: &ApiConfig, live: bool) -> Result<(), &'static str> {
    let user = api.user.as_deref().unwrap_or_default();
    let (prefix, wrong) = if live {
        (
            "rzp_live_",
            "it is live, so `api.user` is the key id that begins with rzp_live_",
        )
    } else {
        (
            "rzp_test_",
            "it is not live, so `api.user` is the key id that begins with rzp_test_",
        )
    };
    if user.starts_with(prefix) {
        Ok(())
    } else {
        Err(wrong)
    }
}

fn good_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_')
}

/// What is wrong with a gateway's configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gateway {account}: {what}")]
pub struct ConfigError {
    /// Whose.
    pub account: GatewayAccount,
    /// What, for people. Never holds a secret.
    pub what: String,
}
