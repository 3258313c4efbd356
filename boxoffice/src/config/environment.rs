//! The environment as a layer: `BOXOFFICE_DATABASE__URL` is `database.url`.

use std::collections::BTreeMap;

use figment::value::{Dict, Value};

use super::check::Complaint;

/// What our variables begin with.
const PREFIX: &str = "BOXOFFICE_";

/// Variables of ours that are no settings.
const NO_SETTINGS: [&str; 6] = [
    "BOXOFFICE_CONFIG",
    "BOXOFFICE_CACHE",
    "BOXOFFICE_POSTGRES",
    boxoffice_failpoints::VARIABLE,
    boxoffice_failpoints::LOG_VARIABLE,
    "BOXOFFICE_TEST_DIR",
];

/// The settings in `variables`, as a layer. A variable means what the default's type says: a text is taken as
/// it stands, everything else is read as in the file.
pub(super) fn layer(
    variables: &BTreeMap<String, String>,
    defaults: &Dict,
    complaints: &mut Vec<Complaint>,
) -> Dict {
    let mut layer = Dict::new();
    for (variable, text) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if NO_SETTINGS.contains(&variable.as_str()) {
            continue;
        }
        let path: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
        let default = find(defaults, &path);
        if default.is_none() && path != ["gateways"] {
            complaints.push(Complaint::new(
                variable,
                "there is no such setting; `boxoffice config` lists them all",
            ));
            continue;
        }
        let value = match default {
            Some(Value::String(..)) => Ok(Value::from(text.as_str())),
            _ => text.parse::<Value>(),
        };
        match value {
            Ok(value) => put(&mut layer, &path, value),
            Err(_) => complaints.push(Complaint::new(
                variable,
                "cannot be read; write it as in the file, on one line",
            )),
        }
    }
    layer
}

fn find<'a>(dict: &'a Dict, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    let value = dict.get(first)?;
    match rest {
        [] => Some(value),
        _ => find(value.as_dict()?, rest),
    }
}

fn put(dict: &mut Dict, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    if rest.is_empty() {
        dict.insert(first.clone(), value);
        return;
    }
    let mut inner = dict
        .get(first)
        .and_then(Value::as_dict)
        .cloned()
        .unwrap_or_default();
    put(&mut inner, rest, value);
    dict.insert(first.clone(), Value::from(inner));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Dict {
        Dict::from([(
            "database".to_owned(),
            Value::from(Dict::from([
                ("url".to_owned(), Value::from("")),
                ("connections".to_owned(), Value::from(20)),
            ])),
        )])
    }

    fn read(pairs: &[(&str, &str)]) -> (Dict, Vec<Complaint>) {
        let variables = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let mut complaints = Vec::new();
        let layer = layer(&variables, &defaults(), &mut complaints);
        (layer, complaints)
    }

    #[test]
    fn a_text_is_taken_as_it_stands_and_a_number_is_read() {
        let (layer, complaints) = read(&[
            ("BOXOFFICE_DATABASE__URL", "0042"),
            ("BOXOFFICE_DATABASE__CONNECTIONS", "7"),
        ]);
        assert!(complaints.is_empty(), "{complaints:?}");
        let database = layer["database"].as_dict().unwrap();
        assert_eq!(database["url"].as_str(), Some("0042"));
        assert_eq!(database["connections"].to_u128(), Some(7));
    }

    #[test]
    fn every_unknown_variable_of_ours_is_named_and_others_are_not_ours() {
        let (_, complaints) = read(&[
            ("BOXOFFICE_DATABASE__ULR", "x"),
            ("BOXOFFICE_X", "1"),
            ("HOME", "/"),
            ("BOXOFFICE_CACHE", "/c"),
            ("BOXOFFICE_POSTGRES", "/p"),
        ]);
        let named: Vec<_> = complaints
            .iter()
            .map(|complaint| complaint.setting.as_str())
            .collect();
        assert_eq!(named, ["BOXOFFICE_DATABASE__ULR", "BOXOFFICE_X"]);
    }
}
