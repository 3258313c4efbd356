//! Reading `docker-compose.yml` as Compose does: YAML with its anchors, then the variables.

use std::collections::BTreeMap;

use serde_json::Value;

/// The file, as it stands, with no variable set on this machine.
pub fn file() -> Value {
    read(&crate::text("docker-compose.yml"))
}

/// Reads a Compose file.
pub fn read(text: &str) -> Value {
    let mut file = serde_saphyr::from_str(text).expect("YAML");
    interpolate(&mut file);
    file
}

/// Puts the default in place of each `${NAME:-default}`. The file uses no other form.
fn interpolate(value: &mut Value) {
    match value {
        Value::String(text) => {
            while let Some(start) = text.find('$') {
                let rest = &text[start..];
                let (variable, default) = rest
                    .strip_prefix("${")
                    .and_then(|rest| rest.split_once('}'))
                    .and_then(|(inside, _)| Some((inside, inside.split_once(":-")?.1.to_owned())))
                    .unwrap_or_else(|| panic!("not of the form ${{NAME:-default}}: {rest}"));
                let end = start + "${}".len() + variable.len();
                text.replace_range(start..end, &default);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(interpolate),
        Value::Object(values) => values.values_mut().for_each(interpolate),
        _ => {}
    }
}

/// The services.
pub fn services(file: &Value) -> BTreeMap<&str, &Value> {
    let services = file["services"].as_object().expect("services");
    services
        .iter()
        .map(|(name, service)| (name.as_str(), service))
        .collect()
}

/// A service's environment, as the process sees it.
pub fn environment(service: &Value) -> BTreeMap<String, String> {
    let variables = service["environment"].as_object();
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    variables
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// A list of words, such as a command.
pub fn words(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// A duration in whole seconds, as in `35s`.
pub fn seconds(value: &Value) -> Option<u64> {
    value.as_str()?.strip_suffix('s')?.parse().ok()
}

/// The file with another value at a place, such as `/services/api/command/0`.
pub fn with(file: &Value, place: &str, value: Value) -> Value {
    let mut file = file.clone();
    let (parent, key) = place.rsplit_once('/').expect("a place");
    match file.pointer_mut(parent) {
        Some(Value::Array(list)) => list[key.parse::<usize>().expect("an index")] = value,
        Some(Value::Object(table)) => drop(table.insert(key.to_owned(), value)),
        _ => panic!("there is no {parent}"),
    }
    file
}

#[test]
fn variables_have_their_defaults_and_anchors_their_values() {
    let file = read(
        "x: &x { a: \"${A:-one}, ${B:-two}\" }\nservices: { s: { environment: { <<: *x, b: 1 } } }",
    );
    let expected =
        [("a", "one, two"), ("b", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(environment(&file["services"]["s"]), expected.into());
}
