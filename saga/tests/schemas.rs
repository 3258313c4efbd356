//! Every event that random histories produce fits the schema that we publish, and all kinds are produced.

mod hall;

use std::collections::BTreeSet;

use hall::Hall;
use rand::SeedableRng;
use rand::rngs::StdRng;

#[test]
fn every_event_fits_its_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../schemas/bookings.events.v1.json")).expect("JSON");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut seen = BTreeSet::new();
    for seed in 0..300 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut hall = Hall::new();
        for _ in 0..60 {
            let (booking, input) = hall.something(&mut rng);
            hall.happens(booking, input);
        }
        for event in hall.events() {
            let value = serde_json::to_value(event).expect("JSON");
            if let Err(error) = validator.validate(&value) {
                panic!("seed {seed}: {value}: {error}");
            }
            let back: boxoffice_saga::event::Event =
                serde_json::from_value(value).expect("an event");
            assert_eq!(&back, event, "seed {seed}: what is written can be read");
            seen.insert(event.body.name());
        }
    }
    let published: BTreeSet<&str> = schema["$defs"]
        .as_object()
        .expect("definitions")
        .keys()
        .filter(|name| name.starts_with(char::is_uppercase))
        .map(String::as_str)
        .collect();
    assert_eq!(seen, published, "kinds produced, and kinds with a schema");
}
