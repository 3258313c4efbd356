//! Which changes of a schema break somebody.
//!
//! Two kinds of reader must be able to go on. One knows the *released* schema and meets what we write today;
//! one knows today's schema and meets what was written before, for booking events are kept without limit. We
//! write no field that a schema does not name ([`closed`](crate::schemas::closed)), and readers pass over fields that
//! they do not know. So, for a schema that was released:
//!
//! | change | allowed? |
//! |---|---|
//! | a further schema (event type) | yes: readers pass over types that they do not know |
//! | a further optional field | yes |
//! | a further value in an [open list](crate::schemas::open_list) | yes |
//! | other words: `title`, `description`, `examples`, `$comment`, `deprecated` | yes |
//! | a schema or a field taken away or renamed | no |
//! | a further *required* field | no: what was written before lacks it |
//! | a required field made optional | no: readers rely on it |
//! | an optional field made required | no: what was written before may lack it |
//! | anything else about a field: type, bounds, pattern, format, values | no: wider breaks the readers of the released schema, narrower those of what was written before |
//!
//! A change that is not allowed needs a new version of the topic, or a new event type or field beside the old one.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::schemas::{Schemas, open_list};

/// Keywords that say something to people only.
const WORDS: [&str; 8] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "title",
    "description",
    "examples",
    "deprecated",
];
/// Keywords whose members are schemas by a name of ours.
const NAMED: [&str; 2] = ["properties", "patternProperties"];
/// No schema of ours is nested this deep: its references run in a circle.
const DEEPEST: usize = 32;

/// What would break somebody, one sentence each; empty if nothing does.
pub fn breaking(released: &Schemas, now: &Schemas) -> Vec<String> {
    let mut found = Vec::new();
    for (name, old) in &released.0 {
        match now.0.get(name) {
            Some(new) => compare(name, &meaning(old), &meaning(new), &mut found),
            None => found.push(format!("{name} has been taken away")),
        }
    }
    found
}

/// The schema without its words, and with what it refers to in its place.
fn meaning(schema: &Value) -> Value {
    said(schema, schema, 0)
}

fn said(schema: &Value, document: &Value, depth: usize) -> Value {
    let Value::Object(object) = schema else {
        return schema.clone();
    };
    if depth > DEEPEST {
        return Value::from("endless");
    }
    let mut meaning = Map::new();
    for (keyword, value) in object {
        if WORDS.contains(&keyword.as_str()) {
            continue;
        }
        let value = match value {
            Value::String(place) if keyword == "$ref" => {
                let target = place
                    .strip_prefix('#')
                    .and_then(|pointer| document.pointer(pointer));
                // Schemas are whole in themselves: what refers elsewhere is compared as it stands.
                target.map_or_else(|| value.clone(), |target| said(target, document, depth + 1))
            }
            Value::Object(members) if NAMED.contains(&keyword.as_str()) => members
                .iter()
                .map(|(name, member)| (name.clone(), said(member, document, depth + 1)))
                .collect(),
            Value::Array(items) => items
                .iter()
                .map(|item| said(item, document, depth + 1))
                .collect(),
            other => said(other, document, depth + 1),
        };
        match value {
            // A reference says what its target says.
            Value::Object(target) if keyword == "$ref" => meaning.extend(target),
            value => {
                meaning.insert(keyword.clone(), value);
            }
        }
    }
    Value::Object(meaning)
}

fn compare(place: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if let (Some(old), Some(new)) = (open_list(old), open_list(new)) {
        for value in old.iter().filter(|value| !new.contains(value)) {
            found.push(format!("{place}: {value} is no known value any more"));
        }
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        if old != new {
            found.push(format!("{place} was {old} and is {new}"));
        }
        return;
    };
    let keywords: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for keyword in keywords {
        let (old, new) = (old.get(keyword), new.get(keyword));
        match (keyword.as_str(), old, new) {
            ("required", old, new) => required(place, old, new, found),
            ("properties", Some(Value::Object(old)), Some(Value::Object(new))) => {
                for (name, old) in old {
                    let place = format!("{place}.{name}");
                    match new.get(name) {
                        Some(new) => compare(&place, old, new, found),
                        None => found.push(format!("{place} has been taken away")),
                    }
                }
            }
            ("items", Some(old), Some(new)) => compare(&format!("{place}[]"), old, new, found),
            (_, old, new) if old == new => {}
            (_, Some(old), Some(new)) => {
                found.push(format!("{place}: {keyword} was {old} and is {new}"));
            }
            (_, Some(old), None) => found.push(format!("{place}: {keyword} was {old} and is gone")),
            (_, _, new) => found.push(format!(
                "{place}: {keyword} was not there and is {}",
                new.unwrap_or(&Value::Null)
            )),
        }
    }
}

fn required(place: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<String>) {
    let names = |value: Option<&Value>| -> BTreeSet<String> {
        let names = value.and_then(Value::as_array).into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (old, new) = (names(old), names(new));
    for name in old.difference(&new) {
        found.push(format!(
            "{place}.{name} was always there and is optional now"
        ));
    }
    for name in new.difference(&old) {
        found.push(format!(
            "{place}.{name} is required now, but what was written before may lack it"
        ));
    }
}
