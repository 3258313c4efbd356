//! A place in a JSON document (RFC 6901), found without reading the rest of it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::port::Unreadable;

/// What stands at `pointer`, as it is written there. None: there is no such place.
///
/// # Errors
/// [`Unreadable`]: not JSON, or a key on the way is there twice.
pub(super) fn find<'a>(json: &'a str, pointer: &str) -> Result<Option<&'a RawValue>, Unreadable> {
    let mut here: &RawValue =
        serde_json::from_str(json).map_err(|error| Unreadable::shape(&error))?;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let mut reader = serde_json::Deserializer::from_str(here.get());
        match (Step { name: &step })
            .deserialize(&mut reader)
            .map_err(|error| Unreadable::shape(&error))?
        {
            Some(inside) => here = inside,
            None => return Ok(None),
        }
    }
    Ok(Some(here))
}

/// Whether a text is a pointer to somewhere inside.
pub(super) fn is_pointer(text: &str) -> bool {
    text.starts_with('/')
}

/// The text of a value: of a text itself, of a number as it is written. None for everything else.
pub(super) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let written = value.get();
    match written.as_bytes().first()? {
        b'"' => serde_json::from_str(written).ok().map(Cow::Owned),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(written)),
        _ => None,
    }
}

struct Step<'s> {
    name: &'s str,
}

impl<'de> DeserializeSeed<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Step<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != self.name {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value::<&RawValue>()?).is_some() {
                return Err(serde::de::Error::custom("a key is there twice"));
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let wanted: Option<usize> = self.name.parse().ok();
        let (mut found, mut place) = (None, 0);
        while let Some(item) = list.next_element::<&RawValue>()? {
            if wanted == Some(place) {
                found = Some(item);
            }
            place += 1;
        }
        Ok(found)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_as_written() {
        let json = r#"{"a":{"b/c":[1,{"d":450.10}],"~":"x\u0041"},"e":null}"#;
        let written = |pointer| find(json, pointer).unwrap().map(RawValue::get);
        assert_eq!(written(""), Some(json));
        assert_eq!(written("/a/b~1c/1/d"), Some("450.10"));
        assert_eq!(written("/a/~0"), Some(r#""x\u0041""#));
        assert_eq!(written("/e"), Some("null"));
        for nowhere in [
            "/b",
            "/a/b~1c/2",
            "/a/b~1c/x",
            "/e/f",
            "/a/~0/0",
            "/a/b~1c/0/0",
        ] {
            assert_eq!(written(nowhere), None, "{nowhere}");
        }
        let value = |pointer| find(json, pointer).unwrap().and_then(text);
        assert_eq!(value("/a/~0").as_deref(), Some("xA"));
        assert_eq!(value("/a/b~1c/1/d").as_deref(), Some("450.10"));
        assert_eq!(value("/e"), None);
        assert!(find(r#"{"a":1,"a":2}"#, "/a").is_err());
        assert!(find("{", "/a").is_err());
    }
}
