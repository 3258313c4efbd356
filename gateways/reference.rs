//! Our reference in a gateway's metadata: `booking_id`, `payment_id`, `refund_id`. Metadata may be `null`,
//! absent, `[]` (Razorpay, when empty) or hold anything that other products put there.

use std::borrow::Cow;
use std::fmt;

use boxoffice_saga::fact::Reference;
use boxoffice_saga::identity::{BookingId, RefundId};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::legible;

/// The key of our booking's id.
pub(crate) const BOOKING: &str = "booking_id";
/// The key of our attempt's id.
pub(crate) const PAYMENT: &str = "payment_id";
/// The key of our refund's id.
pub(crate) const REFUND: &str = "refund_id";

/// The key of which go at our refund it is.
pub(crate) const GENERATION: &str = "generation";

/// The longest piece of a malformed booking id that is kept, in characters.
const SHOWN: usize = 64;

/// The keys of ours, as found.
#[derive(Debug, Default)]
pub(crate) struct Metadata<'a> {
    pub(crate) booking: Loose<'a>,
    pub(crate) payment: Loose<'a>,
    pub(crate) refund: Loose<'a>,
    pub(crate) generation: Loose<'a>,
}

/// A value that should be text but is whatever the sender made of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Loose<'a> {
    /// Absent or `null`.
    #[default]
    Nothing,
    /// Text.
    Text(Cow<'a, str>),
    /// Something else.
    Other,
}

impl<'a> Loose<'a> {
    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nothing | Self::Other => None,
        }
    }

    /// Itself, if it is an id of a booking: of a field that is not ours alone anything else says nothing.
    pub(crate) fn if_ours(&self) -> Loose<'a> {
        match self.parse::<BookingId>() {
            Some(_) => self.clone(),
            None => Loose::Nothing,
        }
    }

    fn parse<T: std::str::FromStr>(&self) -> Option<T> {
        match self {
            Self::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl<'a> Metadata<'a> {
    /// Metadata that names a booking only.
    pub(crate) fn of_booking(booking: &Loose<'a>) -> Self {
        Self {
            booking: booking.clone(),
            ..Self::default()
        }
    }

    /// Whose money it is.
    pub(crate) fn reference(&self) -> Reference {
        match &self.booking {
            Loose::Nothing => Reference::Absent,
            Loose::Other => Reference::Malformed {
                found: "(not a text)".into(),
            },
            Loose::Text(text) => match text.parse::<BookingId>() {
                Ok(booking) => Reference::Booking {
                    booking,
                    payment: self.payment.parse(),
                },
                Err(_) => Reference::Malformed {
                    found: legible::words(text, SHOWN),
                },
            },
        }
    }

    /// Which go at our refund it is, if it says.
    pub(crate) fn generation(&self) -> Option<u32> {
        self.generation.parse()
    }

    /// Our refund, if it names one.
    pub(crate) fn refund(&self) -> Option<RefundId> {
        self.refund.parse()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Metadata<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MetadataVisitor)
    }
}

/// The go at our refund whose [idempotency key](RefundId::gateway_key) this is.
pub(crate) fn our_refund(key: &str) -> Option<(RefundId, u32)> {
    let (refund, generation) = key.split_once('-')?;
    if refund.len() != 32 {
        return None;
    }
    let (refund, generation): (RefundId, u32) = (refund.parse().ok()?, generation.parse().ok()?);
    // Nobody else's spelling of it.
    (refund.gateway_key(generation) == key).then_some((refund, generation))
}

struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object, a text, an empty list or null")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = Metadata::default();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let place = match &*key.0 {
                BOOKING => &mut found.booking,
                PAYMENT => &mut found.payment,
                REFUND => &mut found.refund,
                GENERATION => &mut found.generation,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // Which of two would the gateway have meant? A person must say.
            if *place != Loose::Nothing {
                return Err(serde::de::Error::custom("a key of ours is there twice"));
            }
            *place = map.next_value()?;
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Metadata::default())
    }

    // We write objects; whoever writes a text (Mollie takes any) is another product.
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Metadata::default())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Metadata::default())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Ok(Metadata::default())
    }
}

/// A key, borrowed where it has no escapes. (`Cow` alone always copies.)
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Loose::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Loose::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }
}
