//! `schemas/`: sound, and nothing that was released is taken back.

use std::collections::BTreeSet;

use boxoffice_contracts::{Schemas, breaking};
use serde_json::{Value, json};

#[test]
fn nothing_that_was_released_is_taken_back() {
    let released = Schemas::released().expect("the released schemas");
    let now = Schemas::in_tree().expect("the schemas");
    let found = breaking(&released, &now);
    assert!(
        found.is_empty(),
        "readers would break (contracts/src/breaking.rs has the rules):\n{}",
        found.join("\n")
    );
}

#[test]
fn every_schema_is_sound_and_whole_in_itself() {
    for (place, schema) in Schemas::in_tree().expect("the schemas").0 {
        jsonschema::draft202012::meta::validate(&schema)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        let urn = place.replace('/', ":");
        assert_eq!(schema["$id"], format!("urn:boxoffice:schema:{urn}"));
        for reference in all(&schema, "$ref") {
            assert!(
                reference
                    .as_str()
                    .is_some_and(|place| place.starts_with("#/$defs/")),
                "{place} refers to {reference}, which is not in the same file"
            );
        }
    }
}

#[test]
fn every_event_says_its_name_and_what_all_events_say() {
    let schemas = Schemas::in_tree().expect("the schemas");
    let mut money = BTreeSet::new();
    for (name, schema) in schemas.of("bookings.events.v1") {
        assert_eq!(schema["title"], name);
        assert_eq!(schema["properties"]["type"], json!({ "const": name }));
        let required = schema["required"].as_array().expect("required fields");
        for field in ["type", "booking_id", "show_id", "sequence", "at"] {
            assert!(required.contains(&json!(field)), "{name}: {field}");
        }
        money.extend(schema["$defs"].get("money").map(Value::to_string));
    }
    assert_eq!(money.len(), 1, "money is written in one way: {money:?}");
}

/// Every value under this key, anywhere.
fn all<'a>(schema: &'a Value, key: &str) -> Vec<&'a Value> {
    match schema {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| {
                let own = (name == key).then_some(value);
                own.into_iter().chain(all(value, key))
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| all(item, key)).collect(),
        _ => Vec::new(),
    }
}

/// Each change of a schema that [`breaking`] must find, or must let pass, made to a copy of the real ones.
mod changes {
    use super::*;

    const EVENT: &str = "bookings.events.v1/BookingFailed_InitiateRefund";

    /// What is found after this change to one schema.
    fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
        after_all(|schemas| change(schemas.0.get_mut(EVENT).expect("the event")))
    }

    fn after_all(change: impl FnOnce(&mut Schemas)) -> Vec<String> {
        let released = Schemas::in_tree().expect("the schemas");
        let mut now = released.clone();
        change(&mut now);
        breaking(&released, &now)
    }

    fn field<'a>(schema: &'a mut Value, name: &str) -> &'a mut Value {
        &mut schema["properties"][name]
    }

    fn take(object: &mut Value, name: &str) -> Value {
        let object = object.as_object_mut().expect("an object");
        object.remove(name).expect("a member")
    }

    fn require(schema: &mut Value, name: &str) {
        let required = schema["required"].as_array_mut().expect("a list");
        required.push(json!(name));
    }

    fn no_longer_require(schema: &mut Value, name: &str) {
        let required = schema["required"].as_array_mut().expect("a list");
        required.retain(|field| field != name);
    }

    #[test]
    fn every_schema_that_is_taken_away_is_found() {
        let released = Schemas::in_tree().expect("the schemas");
        for name in released.0.keys() {
            let found = after_all(|schemas| {
                schemas.0.remove(name);
            });
            assert_eq!(found, [format!("{name} has been taken away")]);
        }
        let renamed = after_all(|schemas| {
            let schema = schemas.0.remove(EVENT).expect("the event");
            schemas.0.insert(format!("{EVENT}s"), schema);
        });
        assert_eq!(renamed.len(), 1);
    }

    #[test]
    fn every_field_that_is_taken_away_or_renamed_is_found() {
        let released = Schemas::in_tree().expect("the schemas");
        for (name, schema) in &released.0 {
            for field in schema["properties"].as_object().expect("fields").keys() {
                let taken = after_all(|schemas| {
                    let schema = schemas.0.get_mut(name).expect("a schema");
                    take(&mut schema["properties"], field);
                    no_longer_require(schema, field);
                });
                assert!(!taken.is_empty(), "{name}: {field} taken away");
                let renamed = after_all(|schemas| {
                    let schema = schemas.0.get_mut(name).expect("a schema");
                    let own = take(&mut schema["properties"], field);
                    schema["properties"]["another"] = own;
                    no_longer_require(schema, field);
                    require(schema, "another");
                });
                assert!(!renamed.is_empty(), "{name}: {field} renamed");
            }
        }
    }

    #[test]
    fn every_promise_of_presence_that_changes_is_found() {
        assert!(!after(|schema| no_longer_require(schema, "reason")).is_empty());
        assert!(
            !after(|schema| no_longer_require(&mut schema["$defs"]["money"], "currency"))
                .is_empty()
        );
        let new_and_required = after(|schema| {
            *field(schema, "operator") = json!({ "type": "string" });
            require(schema, "operator");
        });
        assert!(!new_and_required.is_empty());
        let optional_then_required = after_all(|schemas| {
            let headers = "headers/bookings.events.v1";
            require(schemas.0.get_mut(headers).expect("headers"), "traceparent");
        });
        assert!(!optional_then_required.is_empty());
    }

    #[test]
    fn every_other_meaning_of_a_field_is_found() {
        type Change = fn(&mut Value);
        let changes: [(&str, Change); 15] = [
            ("another type", |schema| {
                *field(schema, "sequence") = json!({ "type": "string" })
            }),
            ("wider: a further type", |schema| {
                field(schema, "sequence")["type"] = json!(["integer", "null"])
            }),
            ("narrower: a bound", |schema| {
                field(schema, "show_id")["maximum"] = json!(1_000)
            }),
            ("wider: a bound", |schema| {
                field(schema, "show_id")["maximum"] = json!(1_u64 << 50)
            }),
            ("wider: no bound", |schema| {
                take(field(schema, "show_id"), "maximum");
            }),
            ("narrower: a new bound", |schema| {
                field(schema, "seats_lost")["maxItems"] = json!(4)
            }),
            ("wider: may be empty", |schema| {
                take(field(schema, "seats_lost"), "minItems");
            }),
            ("items", |schema| {
                field(schema, "seats_lost")["items"] = json!({ "type": "integer" })
            }),
            ("another format", |schema| {
                field(schema, "at")["format"] = json!("date")
            }),
            ("another constant", |schema| {
                field(schema, "type")["const"] = json!("BookingFailed")
            }),
            ("a value fewer", |schema| {
                field(schema, "reason")["anyOf"][0]["enum"] = json!(["SEATS_LOST"])
            }),
            ("a closed list", |schema| {
                *field(schema, "reason") = json!({ "enum": ["SEATS_LOST"] })
            }),
            ("inside what is referred to", |schema| {
                schema["$defs"]["money"]["properties"]["currency"]["pattern"] = json!("^[A-Z]{4}$");
            }),
            ("what is referred to", |schema| {
                *field(schema, "amount") = json!({ "type": "integer" })
            }),
            ("closed to further fields", |schema| {
                schema["additionalProperties"] = json!(false)
            }),
        ];
        for (what, change) in changes {
            assert!(!after(change).is_empty(), "{what}");
        }
    }

    #[test]
    fn what_breaks_nobody_passes() {
        type Change = fn(&mut Value);
        let changes: [(&str, Change); 6] = [
            ("a further optional field", |schema| {
                *field(schema, "operator") = json!({ "type": "string" });
            }),
            ("a further optional field inside", |schema| {
                schema["$defs"]["money"]["properties"]["scale"] = json!({ "type": "integer" });
            }),
            ("a further value in an open list", |schema| {
                let list = &mut field(schema, "reason")["anyOf"][0]["enum"];
                list.as_array_mut()
                    .expect("a list")
                    .push(json!("SHOW_CANCELLED"));
            }),
            ("other words", |schema| {
                schema["description"] = json!("Otherwise said.");
                field(schema, "reason")["description"] = json!("Otherwise said.");
                field(schema, "amount")["deprecated"] = json!(true);
            }),
            ("another order", |schema| {
                schema["required"].as_array_mut().expect("a list").reverse();
            }),
            ("the same, said in place", |schema| {
                let money = take(&mut schema["$defs"], "money");
                *field(schema, "amount") = money;
            }),
        ];
        for (what, change) in changes {
            assert_eq!(after(change), [""; 0], "{what}");
        }
        let further = after_all(|schemas| {
            let schema = schemas.0[EVENT].clone();
            schemas
                .0
                .insert("bookings.events.v1/BookingMoved".to_owned(), schema);
        });
        assert_eq!(further, [""; 0], "a further event");
    }

    /// A field may be called like a keyword that is for people only.
    #[test]
    fn a_field_is_not_taken_for_words() {
        let mut released = Schemas::in_tree().expect("the schemas");
        *field(released.0.get_mut(EVENT).expect("the event"), "title") =
            json!({ "type": "string" });
        let mut now = released.clone();
        take(
            &mut now.0.get_mut(EVENT).expect("the event")["properties"],
            "title",
        );
        assert_eq!(breaking(&released, &now).len(), 1);
    }
}
