//! What the OpenAPI document says of an id is what is read and written.

use boxoffice_saga::identity::{BookingId, PaymentId, RefundId, ShowId};
use boxoffice_saga::money::Currency;
use serde_json::{Value, json};
use utoipa::PartialSchema;

fn schema<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).expect("JSON")
}

fn fits<T: PartialSchema>(value: &Value) -> bool {
    jsonschema::is_valid(&schema::<T>(), value)
}

#[test]
fn ids_are_numbers_and_uuids_and_a_currency_is_three_letters() {
    for number in [1, 7, ShowId::MAX] {
        assert!(fits::<ShowId>(&number.into()));
        assert!(ShowId::try_from(number).is_ok());
    }
    for number in [0, ShowId::MAX + 1] {
        assert!(!fits::<ShowId>(&number.into()));
        assert!(ShowId::try_from(number).is_err());
    }
    assert!(!fits::<ShowId>(&json!("7")));
    assert!(fits::<Currency>(&json!("INR")));
    for odd in [json!("inr"), json!("IN"), json!("INRX"), json!(7)] {
        assert!(!fits::<Currency>(&odd), "{odd}");
    }
    let uuid = json!({"type": "string", "format": "uuid"});
    for id in [
        schema::<BookingId>(),
        schema::<PaymentId>(),
        schema::<RefundId>(),
    ] {
        assert_eq!(id, uuid);
    }
}
