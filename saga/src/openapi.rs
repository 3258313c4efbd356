//! How ids and currencies look in an OpenAPI document. They are read and written as plain texts and numbers.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::identity::{BookingId, PaymentId, RefundId, ShowId};
use crate::money::Currency;

macro_rules! uuids {
    ($($name:ident)*) => {
        $(
            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
                        .into()
                }
            }

            impl ToSchema for $name {}
        )*
    };
}

uuids! { BookingId PaymentId RefundId }

impl PartialSchema for ShowId {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1_i64))
            .maximum(Some(Self::MAX.cast_signed()))
            .into()
    }
}

impl ToSchema for ShowId {}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("ISO 4217"))
            .pattern(Some("^[A-Z]{3}$"))
            .into()
    }
}

impl ToSchema for Currency {}
