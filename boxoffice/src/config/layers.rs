//! Defaults, then the file, then the environment; where each value comes from is kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};
use figment::{Figment, Provider};

use super::check::{self, Complaint, ConfigError};
use super::{Config, DEFAULT, environment, shown};
use crate::roles::Role;

/// What is laid over the defaults, in this order.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// What `boxoffice dev` generates; generated secrets are refused elsewhere.
    pub development: Option<Dict>,
    /// The operator's file.
    pub file: Option<PathBuf>,
    /// The environment's variables.
    pub variables: BTreeMap<String, String>,
    /// What the command itself decides: addresses of servers that it has started.
    pub decided: Dict,
}

impl Layers {
    /// A file and this process's environment.
    pub fn operator(file: Option<PathBuf>) -> Self {
        Self {
            file,
            variables: std::env::vars().collect(),
            ..Self::default()
        }
    }
}

/// The configuration, and what there is to say about it.
#[derive(Debug)]
pub struct Loaded {
    /// In types.
    pub config: Config,
    /// Combinations that work and that are dangerous.
    pub warnings: Vec<Complaint>,
    merged: Dict,
}

impl Loaded {
    /// The default file with the values in effect, secrets hidden.
    pub fn shown(&self) -> String {
        shown::render(DEFAULT, &self.merged)
    }
}

/// Reads all layers and checks the whole, for a process that runs `roles`.
///
/// # Errors
/// [`ConfigError`] with every complaint that was found.
pub fn load(layers: &Layers, roles: &[Role]) -> Result<Loaded, ConfigError> {
    let mut complaints = Vec::new();
    let defaults = dict_of(&Toml::string(DEFAULT))
        .map_err(|error| ConfigError::one("config.default.toml", &error.to_string()))?;
    let mut figment = Figment::new().merge(Toml::string(DEFAULT));
    if let Some(development) = &layers.development {
        figment = figment.merge(Serialized::defaults(development));
    }
    if let Some(path) = &layers.file {
        let file = file_layer(path)?;
        check::keys(
            &file,
            &defaults,
            &path.display().to_string(),
            &mut complaints,
        );
        figment = figment.merge(Serialized::defaults(file));
    }
    let variables = environment::layer(&layers.variables, &defaults, &mut complaints);
    figment = figment
        .merge(Serialized::defaults(variables))
        .merge(Serialized::defaults(&layers.decided));
    let merged = dict_of(&figment)
        .map_err(|error| ConfigError::one("the configuration", &error.to_string()))?;
    check::kinds(&merged, &defaults, &mut complaints);
    if let Some(Value::Array(_, accounts)) = merged.get("gateways") {
        check::accounts(accounts, &mut complaints);
    }
    check::sections(&figment, &mut complaints);
    // What can be read is judged even where something else cannot, so that all is said at once.
    let read = figment.extract::<Config>();
    let config = match read {
        Ok(config) => config,
        Err(_) if !complaints.is_empty() => return Err(ConfigError::new(complaints)),
        Err(error) => return Err(ConfigError::one("the configuration", &error.to_string())),
    };
    let warnings = check::meaning(
        &config,
        roles,
        layers.development.is_some(),
        &mut complaints,
    );
    if complaints.is_empty() {
        Ok(Loaded {
            config,
            warnings,
            merged,
        })
    } else {
        Err(ConfigError::new(complaints))
    }
}

fn file_layer(path: &Path) -> Result<Dict, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::one(&name, &format!("cannot be read: {error}")))?;
    dict_of(&Toml::string(&text))
        .map_err(|error| ConfigError::one(&name, &format!("is not TOML: {error}")))
}

fn dict_of(provider: &impl Provider) -> Result<Dict, Box<figment::Error>> {
    Ok(provider
        .data()?
        .into_iter()
        .fold(Dict::new(), |mut all, (_, dict)| {
            all.extend(dict);
            all
        }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(variables: &[(&str, &str)], roles: &[Role]) -> Vec<String> {
        let variables = variables
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let layers = Layers {
            variables,
            ..Layers::default()
        };
        match load(&layers, roles) {
            Ok(_) => Vec::new(),
            Err(error) => error
                .complaints
                .into_iter()
                .map(|complaint| complaint.setting)
                .collect(),
        }
    }

    #[test]
    fn the_defaults_can_be_read_and_every_setting_of_them_is_shown() {
        let loaded = load(&Layers::default(), &[]).unwrap();
        assert_eq!(loaded.shown(), DEFAULT);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let wrong = [
            ("BOXOFFICE_DATABASE__ULR", "x"),
            ("BOXOFFICE_DATABASE__CONNECTIONS", "900"),
        ];
        let said = complaints(&wrong, &[Role::Api]);
        for setting in [
            "BOXOFFICE_DATABASE__ULR",
            "database.connections",
            "database.url",
            "api.jwt_secret",
            "api.status_secret",
            "tickets.signing_key",
            "gateways",
        ] {
            assert!(
                said.iter().any(|named| named == setting),
                "{setting} is not among {said:?}"
            );
        }
    }

    #[test]
    fn the_analytics_need_one_database_and_nothing_else() {
        let url = "postgres://boxoffice@localhost/boxoffice";
        let main = [("BOXOFFICE_DATABASE__URL", url)];
        let own = [("BOXOFFICE_ANALYTICS__DATABASE_URL", url)];
        assert!(complaints(&main, &[Role::Analytics]).is_empty());
        assert!(complaints(&own, &[Role::Analytics]).is_empty());
        assert_eq!(complaints(&[], &[Role::Analytics]), ["database.url"]);
        assert_eq!(complaints(&own, &[Role::Relay]), ["database.url"]);
        let wrong = [main[0], ("BOXOFFICE_ANALYTICS__DATABASE_URL", "elsewhere")];
        assert_eq!(complaints(&wrong, &[]), ["analytics.database_url"]);
    }

    #[test]
    fn a_development_secret_is_refused_outside_of_dev() {
        let secret = format!("{}{}", super::super::DEVELOPMENT_PREFIX, "x".repeat(40));
        let variables = [("BOXOFFICE_API__JWT_SECRET", secret.as_str())];
        assert_eq!(complaints(&variables, &[]), ["api.jwt_secret"]);
    }

    #[test]
    fn messages_need_a_token_time_and_an_offset() {
        let wrong = [
            ("BOXOFFICE_MAIL__UTC_OFFSET", "India"),
            ("BOXOFFICE_SMS__URL", "sms.example.com"),
            ("BOXOFFICE_PUSH__URL", "http://push.example.com/messages"),
            ("BOXOFFICE_PUSH__TIMEOUT_SECONDS", "60"),
        ];
        assert_eq!(
            complaints(&wrong, &[]),
            [
                "mail.utc_offset",
                "sms.url",
                "sms.token",
                "push.token",
                "push.timeout_seconds"
            ]
        );
        let right = [
            ("BOXOFFICE_MAIL__UTC_OFFSET", "-03:30"),
            ("BOXOFFICE_SMS__URL", "http://localhost:9000/sms"),
            ("BOXOFFICE_SMS__TOKEN", "t"),
        ];
        assert!(complaints(&right, &[]).is_empty());
    }

    #[test]
    fn no_secret_is_shown_or_quoted() {
        let variables = [
            (
                "BOXOFFICE_API__JWT_SECRET",
                "this-must-not-be-seen-0123456789abcdef",
            ),
            (
                "BOXOFFICE_DATABASE__URL",
                "postgres://u:must-not-be-seen@h/d",
            ),
            ("BOXOFFICE_SMS__TOKEN", "must-not-be-seen"),
            ("BOXOFFICE_PUSH__TOKEN", "must-not-be-seen"),
            (
                "BOXOFFICE_KAFKA__OPTIONS",
                "{ \"sasl.password\" = \"must-not-be-seen\" }",
            ),
            (
                "BOXOFFICE_GATEWAYS",
                "[{ gateway = \"stripe\", secrets = [\"must-not-be-seen\"] }]",
            ),
        ];
        let variables = variables
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into();
        let loaded = load(
            &Layers {
                variables,
                ..Layers::default()
            },
            &[],
        )
        .unwrap();
        assert!(
            !loaded.shown().contains("must-not-be-seen"),
            "{}",
            loaded.shown()
        );
        assert!(!format!("{:?}", loaded.config).contains("must-not-be-seen"));
    }
}
