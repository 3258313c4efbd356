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
        Self { file, variables: std::env::vars().collect(), ..Self::default() }
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
        check::keys(&file, &defaults, &path.display().to_string(), &mut complaints);
        figment = figment.merge(Serialized::defaults(file));
    }
    let variables = environment::layer(&layers.variables, &defaults, &mut complaints);
    figment = figment.merge(Serialized::defaults(variables)).merge(Serialized::defaults(&layers.decided));
    let merged = dict_of(&figment).map_err(|error| ConfigError::one("the configuration", &error.to_string()))?;
    check::kinds(&merged, &defaults, &mut complaints);
    if let Some(Value::Array(_, accounts)) = merged.get("gateways") {
        check::accounts(accounts, &mut complaints);
    }
    check::sections(&figment, &mut complaints);
    if !complaints.is_empty() {
        return Err(ConfigError::new(complaints));
    }
    let config: Config =
        figment.extract().map_err(|error| ConfigError::one("the configuration", &error.to_string()))?;
    let warnings = check::meaning(&config, roles, layers.development.is_some(), &mut complaints);
    if complaints.is_empty() {
        Ok(Loaded { config, warnings, merged })
    } else {
        Err(ConfigError::new(complaints))
    }
}

fn file_layer(path: &Path) -> Result<Dict, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::one(&name, &format!("cannot be read: {error}")))?;
    dict_of(&Toml::string(&text)).map_err(|error| ConfigError::one(&name, &format!("is not TOML: {error}")))
}

fn dict_of(provider: &impl Provider) -> Result<Dict, figment::Error> {
    Ok(provider.data()?.into_iter().fold(Dict::new(), |mut all, (_, dict)| {
        all.extend(dict);
        all
    }))
}
