//! Everything that can be wrong with a configuration, said at once.

use std::fmt;

use boxoffice_gateways::{AccountConfig, SigningSecret};
use figment::Figment;
use figment::value::{Dict, Value};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use sqlx::postgres::PgSslMode;

use super::{Config, DEVELOPMENT_PREFIX, DatabaseConfig, gateways, is_set, messages};
use crate::roles::Role;

/// The shortest secret that signs anything of ours, in bytes.
const SHORTEST_SECRET: usize = 32;

/// One setting, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// The setting's path, or the variable's or the file's name.
    pub setting: String,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Complaint {
    pub(super) fn new(setting: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            setting: setting.into(),
            what: what.into(),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.what)
    }
}

/// Why the configuration cannot be used: every complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order of the file.
    pub complaints: Vec<Complaint>,
}

impl ConfigError {
    pub(super) fn new(complaints: Vec<Complaint>) -> Self {
        Self { complaints }
    }

    pub(super) fn one(setting: &str, what: &str) -> Self {
        Self::new(vec![Complaint::new(setting, what)])
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        self.complaints
            .iter()
            .try_for_each(|complaint| write!(f, "\n  {complaint}"))
    }
}

/// Tables whose keys are the operator's.
const OPEN: [&str; 2] = ["kafka.options", "tickets.older_keys"];

/// Every setting of `file` must be one that `defaults` has.
pub(super) fn keys(file: &Dict, defaults: &Dict, source: &str, complaints: &mut Vec<Complaint>) {
    for (section, value) in file {
        if section == "gateways" {
            continue;
        }
        let Some(known) = defaults.get(section).and_then(Value::as_dict) else {
            complaints.push(Complaint::new(
                section,
                format!("there is no such section ({source})"),
            ));
            continue;
        };
        let Some(given) = value.as_dict() else {
            complaints.push(Complaint::new(
                section,
                format!("is a section: write [{section}] ({source})"),
            ));
            continue;
        };
        for key in given.keys().filter(|key| !known.contains_key(*key)) {
            let nearest = known.keys().find(|other| alike(other, key));
            let hint =
                nearest.map_or_else(String::new, |other| format!("; did you mean `{other}`?"));
            complaints.push(Complaint::new(
                format!("{section}.{key}"),
                format!("there is no such setting ({source}){hint}"),
            ));
        }
    }
}

/// The same letters but for a few: enough for a slip of the finger.
fn alike(one: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
        letters.sort_unstable();
        letters
    };
    sorted(one) == sorted(other) || one.starts_with(other) || other.starts_with(one)
}

/// Every value must be of its default's kind.
pub(super) fn kinds(merged: &Dict, defaults: &Dict, complaints: &mut Vec<Complaint>) {
    for (section, known) in defaults {
        let (Some(known), Some(given)) = (
            known.as_dict(),
            merged.get(section).and_then(Value::as_dict),
        ) else {
            continue;
        };
        for (key, default) in known {
            let path = format!("{section}.{key}");
            let Some(value) = given.get(key) else {
                continue;
            };
            let (want, have) = (kind(default), kind(value));
            if want != have {
                complaints.push(Complaint::new(
                    &path,
                    format!("must be {want}, and is {have}"),
                ));
            } else if OPEN.contains(&path.as_str()) {
                let inner = value.as_dict().into_iter().flatten();
                for (name, _) in inner.filter(|(_, value)| value.as_str().is_none()) {
                    complaints.push(Complaint::new(
                        format!("{path}.{name}"),
                        "must be a text: put it in quotes",
                    ));
                }
            }
        }
    }
    if let Some(value) = merged.get("gateways")
        && !matches!(value, Value::Array(..))
    {
        complaints.push(Complaint::new(
            "gateways",
            "must be a list: write [[gateways]]",
        ));
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(..) | Value::Char(..) => "a text",
        Value::Bool(..) => "true or false",
        Value::Num(..) => "a number",
        Value::Empty(..) => "nothing",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
    }
}

/// Every gateway account must be readable and make sense.
pub(super) fn accounts(accounts: &[Value], complaints: &mut Vec<Complaint>) {
    for (nth, value) in accounts.iter().enumerate() {
        let path = format!("gateways[{nth}]");
        match value.deserialize::<AccountConfig>() {
            Ok(account) => {
                if let Err(error) = account.validate() {
                    complaints.push(Complaint::new(path, error.what));
                }
            }
            Err(error) => complaints.extend(error.into_iter().map(|error| readable(&path, &error))),
        }
    }
}

/// Every section must have the types that its settings need: ranges of numbers, addresses.
pub(super) fn sections(figment: &Figment, complaints: &mut Vec<Complaint>) {
    fn section<T: DeserializeOwned>(
        figment: &Figment,
        name: &str,
        complaints: &mut Vec<Complaint>,
    ) {
        if let Err(error) = figment.extract_inner::<T>(name) {
            complaints.extend(error.into_iter().map(|error| readable(name, &error)));
        }
    }
    // Where a kind is wrong already, the type cannot be right.
    if !complaints.is_empty() {
        return;
    }
    section::<super::KafkaConfig>(figment, "kafka", complaints);
    section::<DatabaseConfig>(figment, "database", complaints);
    section::<super::IngressConfig>(figment, "ingress", complaints);
    section::<super::ApiConfig>(figment, "api", complaints);
    section::<super::TicketsConfig>(figment, "tickets", complaints);
    section::<super::FactsConfig>(figment, "facts", complaints);
    section::<super::MailConfig>(figment, "mail", complaints);
    section::<super::ProviderConfig>(figment, "sms", complaints);
    section::<super::ProviderConfig>(figment, "push", complaints);
    section::<super::AnalyticsConfig>(figment, "analytics", complaints);
    section::<super::TasksConfig>(figment, "tasks", complaints);
    section::<super::RunningCheckConfig>(figment, "running_check", complaints);
    section::<super::ReconciliationConfig>(figment, "reconciliation", complaints);
    section::<super::SimulatorConfig>(figment, "simulator", complaints);
    section::<super::HealthConfig>(figment, "health", complaints);
    section::<super::LogConfig>(figment, "log", complaints);
    section::<super::ShutdownConfig>(figment, "shutdown", complaints);
}

fn readable(section: &str, error: &figment::Error) -> Complaint {
    let inner: Vec<&str> = error
        .path
        .iter()
        .map(String::as_str)
        .filter(|part| *part != section && *part != "default")
        .collect();
    let path = if inner.is_empty() {
        section.to_owned()
    } else {
        format!("{section}.{}", inner.join("."))
    };
    // The kind alone: the error's own text names our providers, and may quote a secret.
    let what = match &error.kind {
        figment::error::Kind::MissingField(field) => format!("`{field}` is missing"),
        figment::error::Kind::UnknownField(field, known) => {
            format!("there is no `{field}`; there are {}", known.join(", "))
        }
        figment::error::Kind::InvalidType(_, wanted)
        | figment::error::Kind::InvalidValue(_, wanted) => {
            format!("must be {wanted}")
        }
        figment::error::Kind::UnknownVariant(given, known) => {
            format!("`{given}` is not one of {}", known.join(", "))
        }
        figment::error::Kind::Message(text) => text.clone(),
        other => other.to_string(),
    };
    Complaint::new(path, what)
}

/// Whether the values make sense together, and for `roles`. Returns what works and is dangerous.
pub(super) fn meaning(
    config: &Config,
    roles: &[Role],
    development: bool,
    complaints: &mut Vec<Complaint>,
) -> Vec<Complaint> {
    let mut warnings = Vec::new();
    let runs = |role: Role| roles.contains(&role);
    let mut refuse = |setting: &str, what: &str| complaints.push(Complaint::new(setting, what));

    if config.kafka.brokers.trim().is_empty() {
        refuse(
            "kafka.brokers",
            "is empty: give host:port of at least one broker",
        );
    }
    if !(1..=1_000).contains(&config.kafka.partitions) {
        refuse("kafka.partitions", "must be 1 to 1000");
    }
    if !(1..=10).contains(&config.kafka.replication) {
        refuse("kafka.replication", "must be 1 to 10");
    }
    if !(300..=300_000).contains(&config.kafka.session_timeout_ms) {
        refuse("kafka.session_timeout_ms", "must be 300 to 300000");
    }
    database(config, roles, development, &mut refuse, &mut warnings);
    if let Err(error) = config.ingress.options().check() {
        refuse("ingress", &error.to_string());
    }
    if config.ingress.answer_within_ms > 2_900 {
        refuse(
            "ingress.answer_within_ms",
            "must be at most 2900: gateways wait 3 s",
        );
    }
    if config.tasks.call_seconds == 0 || config.tasks.call_seconds * 2 >= config.tasks.lease_seconds
    {
        refuse(
            "tasks.call_seconds",
            "must be above 0 and under half of tasks.lease_seconds",
        );
    }
    if config.tasks.sweep_every_seconds == 0 {
        refuse("tasks.sweep_every_seconds", "must be at least 1");
    }
    if config.tasks.in_flight == 0 {
        refuse("tasks.in_flight", "must be at least 1");
    }
    if !(100..=3_600_000).contains(&config.running_check.interval_ms) {
        refuse("running_check.interval_ms", "must be 100 to 3600000");
    }
    if !(1..=86_400).contains(&config.running_check.events_seconds) {
        refuse("running_check.events_seconds", "must be 1 to 86400");
    }
    let retention = &config.retention;
    if !(1..=86_400).contains(&retention.every_seconds) {
        refuse("retention.every_seconds", "must be 1 to 86400");
    }
    if !(1..=1_000_000).contains(&retention.inbox_hours) {
        refuse("retention.inbox_hours", "must be 1 to 1000000");
    }
    if !(24..=1_000_000).contains(&retention.keys_hours) {
        refuse(
            "retention.keys_hours",
            "must be 24 to 1000000: the API promises a day",
        );
    }
    let reconciliation = &config.reconciliation;
    for (setting, value, range) in [
        (
            "reconciliation.interval_seconds",
            reconciliation.interval_seconds,
            1..=3_600,
        ),
        (
            "reconciliation.window_seconds",
            reconciliation.window_seconds,
            60..=86_400,
        ),
        (
            "reconciliation.again_seconds",
            reconciliation.again_seconds,
            0..=86_400,
        ),
        (
            "reconciliation.settle_seconds",
            reconciliation.settle_seconds,
            0..=3_600,
        ),
        (
            "reconciliation.first_hours",
            reconciliation.first_hours,
            1..=720,
        ),
    ] {
        if !range.contains(&value) {
            refuse(
                setting,
                &format!("must be {} to {}", range.start(), range.end()),
            );
        }
    }
    if config.tasks.mass_in_flight == 0 {
        refuse("tasks.mass_in_flight", "must be at least 1");
    }
    if config.shutdown.deadline_seconds == 0 {
        refuse("shutdown.deadline_seconds", "must be at least 1");
    }
    if tracing_subscriber::EnvFilter::try_new(&config.log.filter).is_err() {
        refuse(
            "log.filter",
            "is no filter: write a level (error, warn, info, debug, trace), or part=level, with commas",
        );
    }

    if let Err(text) = boxoffice_booking_api::TrustedProxies::new(&config.api.trusted_proxies) {
        refuse(
            "api.trusted_proxies",
            &format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"),
        );
    }
    if config.api.requests_under_way == 0 || config.api.waiting_clients == 0 {
        refuse(
            "api.requests_under_way",
            "must be at least 1, and so must api.waiting_clients",
        );
    }
    let own = [
        (
            "api.jwt_secret",
            &config.api.jwt_secret,
            runs(Role::Api) && config.api.jwks_url.is_empty(),
        ),
        (
            "api.status_secret",
            &config.api.status_secret,
            runs(Role::Api),
        ),
    ];
    for (setting, secret, needed) in own {
        own_secret(setting, secret, needed, &mut refuse);
    }
    if !config.api.jwks_url.is_empty() {
        match reqwest::Url::parse(&config.api.jwks_url) {
            Ok(url) if url.scheme() == "https" => {}
            Ok(url) if url.scheme() == "http" => warnings.push(Complaint::new(
                "api.jwks_url",
                "is fetched without TLS: whoever sits between can sign tokens",
            )),
            _ => refuse("api.jwks_url", "is no address: give https://…"),
        }
        if config.api.jwt_audience.is_empty() {
            warnings.push(Complaint::new(
                "api.jwt_audience",
                "is not set: a token that this issuer made for any other service is good here, too",
            ));
        }
    }
    if !development
        && config
            .api
            .jwt_secret
            .expose_secret()
            .starts_with(DEVELOPMENT_PREFIX)
    {
        refuse(
            "api.jwt_secret",
            "is a development secret of `boxoffice dev`, which anybody with that checkout knows: make one with \
             `openssl rand -base64 32`",
        );
    }
    let signs = runs(Role::Api) || runs(Role::Notifications);
    if !is_set(&config.tickets.signing_key) && signs {
        refuse(
            "tickets.signing_key",
            "is not set: make one with `openssl genpkey -algorithm ed25519`",
        );
    } else if is_set(&config.tickets.signing_key)
        && let Err(error) = crate::roles::ticket_keys(&config.tickets)
    {
        refuse("tickets.signing_key", &error.to_string());
    }
    let money = [Role::Ingress, Role::Coordinator, Role::Refunds, Role::Api];
    if config.gateways.is_empty() && money.into_iter().any(runs) {
        refuse(
            "gateways",
            "there is no gateway account: add a [[gateways]] section",
        );
    }
    facts(&config.facts.secrets, runs(Role::Coordinator), &mut refuse);
    messages::check(config, roles, &mut refuse);
    if !development {
        warn(config, roles, &mut warnings);
    }
    warnings
}

fn database(
    config: &Config,
    roles: &[Role],
    development: bool,
    refuse: &mut impl FnMut(&str, &str),
    warnings: &mut Vec<Complaint>,
) {
    if !(2..=500).contains(&config.database.connections) {
        refuse("database.connections", "must be 2 to 500");
    }
    let needed = config.databases(roles);
    if needed.iter().any(|database| !is_set(&database.url)) {
        refuse(
            "database.url",
            "is not set: give postgres://user:password@host:port/database",
        );
    }
    if is_set(&config.database.url) {
        let database = &config.database;
        database_url("database.url", database, development, refuse, warnings);
    }
    if is_set(&config.analytics.database_url) {
        let database = &config.analytics_database();
        database_url(
            "analytics.database_url",
            database,
            development,
            refuse,
            warnings,
        );
    }
}

fn database_url(
    setting: &str,
    database: &DatabaseConfig,
    development: bool,
    refuse: &mut impl FnMut(&str, &str),
    warnings: &mut Vec<Complaint>,
) {
    match database.connect_options() {
        Ok(options) => {
            let host = options.get_host();
            let local = host.starts_with('/') || matches!(host, "localhost" | "127.0.0.1" | "::1");
            let encrypted = matches!(
                options.get_ssl_mode(),
                PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
            );
            if !local && !encrypted && !development {
                warnings.push(Complaint::new(
                    setting,
                    "the connection may be unencrypted: add ?sslmode=verify-full, unless the network is yours alone",
                ));
            }
        }
        // The error's text may quote the URL, and the URL holds a password.
        Err(_) => refuse(
            setting,
            "is no address: write postgres://user:password@host:port/database",
        ),
    }
}

fn own_secret(
    setting: &str,
    secret: &SecretString,
    needed: bool,
    refuse: &mut impl FnMut(&str, &str),
) {
    let length = secret.expose_secret().len();
    if length == 0 {
        if needed {
            refuse(
                setting,
                "is not set: make one with `openssl rand -base64 32`",
            );
        }
    } else if length < SHORTEST_SECRET {
        refuse(
            setting,
            "has fewer than 32 bytes: make one with `openssl rand -base64 32`",
        );
    }
}

fn facts(secrets: &[SigningSecret], needed: bool, refuse: &mut impl FnMut(&str, &str)) {
    if secrets.is_empty() && needed {
        refuse(
            "facts.secrets",
            "is not set: make one with `openssl rand -base64 32`",
        );
    }
    for secret in secrets {
        own_secret("facts.secrets", &secret.secret, true, refuse);
    }
}

fn warn(config: &Config, roles: &[Role], warnings: &mut Vec<Complaint>) {
    let runs = |role: Role| roles.contains(&role);
    let mut warn = |setting: &str, what: &str| warnings.push(Complaint::new(setting, what));
    if config.kafka.replication < 3 && roles.is_empty() {
        warn(
            "kafka.replication",
            "below 3: the loss of one broker can lose records",
        );
    }
    messages::warn(config, roles, &mut warn);
    if runs(Role::Api) && config.api.public_base_url.is_empty() {
        warn(
            "api.public_base_url",
            "is not set: letters and status addresses carry no host",
        );
    }
    let plain = config.api.public_base_url.starts_with("http://");
    if runs(Role::Api) && plain {
        warn(
            "api.public_base_url",
            "is http: status addresses carry a token and should be https",
        );
    }
    gateways::warn(config, roles, &mut warn);
}
