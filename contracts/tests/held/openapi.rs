//! `docs/openapi.json`: what the booking API's own code says of itself, for people and tools.

use std::collections::BTreeSet;
use std::path::PathBuf;

use boxoffice_booking_api::problem::Code;
use serde_json::Value;

/// Set, the document in the tree is written anew instead of compared.
const WRITE: &str = "BOXOFFICE_WRITE_OPENAPI";

fn made() -> Value {
    serde_json::to_value(boxoffice_booking_api::openapi()).expect("JSON")
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json")
}

#[test]
fn the_document_in_the_tree_is_what_the_code_says() {
    let made = made();
    if std::env::var_os(WRITE).is_some() {
        let text = serde_json::to_string_pretty(&made).expect("JSON");
        std::fs::write(file(), format!("{text}\n")).expect("written");
    }
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    let in_tree: Value = serde_json::from_str(&text).unwrap_or_default();
    assert!(
        in_tree == made,
        "docs/openapi.json is not what the code says: look whether the change may break a caller, and then run\n\
         {WRITE}=1 cargo test -p boxoffice-contracts openapi"
    );
}

#[test]
fn every_door_says_what_it_refuses_and_every_code_belongs_to_a_door() {
    let made = made();
    assert_eq!(made["openapi"], "3.1.0");
    let mut documented = BTreeSet::new();
    let mut names = BTreeSet::new();
    for (path, item) in made["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let door = format!("{method} {path}");
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{door}: {name} is taken");
            assert!(operation["summary"].is_string(), "{door} has no summary");
            assert!(operation["tags"].is_array(), "{door} has no tag");
            let responses = operation["responses"].as_object().expect("responses");
            for (status, response) in responses {
                let described = response["description"].as_str();
                assert!(
                    described.is_some_and(|text| !text.is_empty()),
                    "{door}: {status} is not described"
                );
                let problem = &response["content"]["application/problem+json"];
                for (code, example) in problem["examples"].as_object().into_iter().flatten() {
                    let value = &example["value"];
                    assert_eq!(value["code"], code.as_str(), "{door}");
                    assert_eq!(value["status"].to_string(), *status, "{door}: {code}");
                    documented.insert(code.clone());
                }
            }
            let parameters = operation["parameters"].as_array();
            let keyed = parameters
                .into_iter()
                .flatten()
                .any(|parameter| parameter["name"] == "Idempotency-Key");
            assert_eq!(
                method == "post",
                keyed,
                "{door}: every POST takes an Idempotency-Key"
            );
        }
    }
    // No path is meant by it.
    documented.insert(Code::MethodNotAllowed.name().to_owned());
    let all: BTreeSet<String> = Code::ALL
        .iter()
        .map(|code| code.name().to_owned())
        .collect();
    assert_eq!(documented, all);
}
