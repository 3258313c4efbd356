//! Every event that random histories produce fits the schema that we publish, and all kinds are produced.

use std::collections::{BTreeMap, BTreeSet};

use crate::hall::Hall;
use boxoffice_contracts::Schemas;
use boxoffice_contracts::schemas::closed;
use boxoffice_saga::event::Event;
use boxoffice_saga::input::Input;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

/// Random histories' events, each with the seed of its history.
fn events() -> impl Iterator<Item = (u64, Event)> {
    (0..600).flat_map(|seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut hall = Hall::new();
        hall.cancel_fee_bp = 1_000;
        for _ in 0..60 {
            let (booking, input) = hall.something(&mut rng);
            hall.happens(booking, input);
        }
        let events = hall.events().to_vec();
        events.into_iter().map(move |event| (seed, event))
    })
}

/// We write nothing that a schema does not name, and a schema names nothing that we do not write.
#[test]
fn every_event_fits_its_schema_and_says_no_more() {
    let schemas = Schemas::in_tree().expect("the schemas");
    let schemas = schemas.of("bookings.events.v1");
    let validators: BTreeMap<_, _> = schemas
        .iter()
        .map(|(name, schema)| {
            let validator = jsonschema::options()
                .should_validate_formats(true)
                .build(&closed(schema));
            (*name, validator.expect("a schema"))
        })
        .collect();
    let mut written: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (seed, event) in events() {
        let name = event.body.name();
        let value = serde_json::to_value(&event).expect("JSON");
        let Some(validator) = validators.get(name) else {
            panic!("{name} has no schema");
        };
        if let Err(error) = validator.validate(&value) {
            panic!(
                "seed {seed}: {value}: {error}, at {}",
                error.instance_path()
            );
        }
        let fields = value.as_object().expect("an object").keys().cloned();
        written.entry(name).or_default().extend(fields);
    }
    let published: BTreeMap<&str, BTreeSet<String>> = schemas
        .iter()
        .map(|(name, schema)| {
            let fields = schema["properties"].as_object().expect("fields");
            (*name, fields.keys().cloned().collect())
        })
        .collect();
    assert_eq!(
        written, published,
        "what is written, and what the schemas name"
    );
}

/// Our own readers are open: a field that a later version adds, at any depth, is passed over.
#[test]
fn an_event_is_read_as_it_was_written_and_further_fields_are_passed_over() {
    for (seed, event) in events() {
        let mut value = serde_json::to_value(&event).expect("JSON");
        let read = |value: &Value| serde_json::from_value::<Event>(value.clone());
        assert_eq!(read(&value).expect("an event"), event, "seed {seed}");
        add_to_every_object(&mut value);
        assert_eq!(read(&value).expect("an event"), event, "seed {seed}");
    }
}

/// By it a reader knows what it has read before.
#[test]
fn an_event_has_an_id_of_its_own() {
    let mut hall = Hall::new();
    let bookings = [hall.hold("ann", &["A-1"]), hall.hold("bob", &["A-2"])];
    for booking in bookings {
        hall.happens(booking, Input::Release);
    }
    let ids: BTreeSet<_> = hall.events().iter().map(Event::id).collect();
    assert_eq!(ids.len(), 4);
    let again = hall.events().iter().map(|event| event.clone().id());
    assert_eq!(again.collect::<BTreeSet<_>>(), ids);
}

fn add_to_every_object(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(add_to_every_object);
            object.insert("of_a_later_version".to_owned(), Value::Bool(true));
        }
        Value::Array(items) => items.iter_mut().for_each(add_to_every_object),
        _ => {}
    }
}
