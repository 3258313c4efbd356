//! Parameters of a call: flat pairs, brackets in the keys, as in `application/x-www-form-urlencoded`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Decoded pairs in the order received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) fn parse(text: &[u8]) -> Self {
        let pairs = text
            .split(|&byte| byte == b'&')
            .filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| {
                    let mut halves = pair.splitn(2, |&byte| byte == b'=');
                    let mut half = || decode(halves.next().unwrap_or_default());
                    (half(), half())
                })
                .collect(),
        )
    }

    /// The same from a JSON object, as Razorpay's callers send it: what is inside an object gets brackets.
    pub(crate) fn from_json(text: &[u8]) -> Self {
        let mut pairs = Vec::new();
        if let Ok(Value::Object(fields)) = serde_json::from_slice(text) {
            for (name, value) in fields {
                match value {
                    Value::Null => {}
                    Value::Object(inner) => {
                        let inner = inner.iter();
                        pairs.extend(
                            inner.map(|(key, value)| (format!("{name}[{key}]"), plain(value))),
                        );
                    }
                    value => pairs.push((name, plain(&value))),
                }
            }
        }
        Self(pairs)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// `key[a]=…&key[b]=…`
    pub(crate) fn map(&self, key: &str) -> BTreeMap<String, String> {
        self.0
            .iter()
            .filter_map(|(name, value)| {
                let inner = name
                    .strip_prefix(key)?
                    .strip_prefix('[')?
                    .strip_suffix(']')?;
                Some((inner.to_owned(), value.clone()))
            })
            .collect()
    }

    /// `key[]=…&key[]=…` or `key[0]=…`
    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(name, _)| {
                name.strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with('[') && rest.ends_with(']'))
            })
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// The same parameters in one order, so that two calls can be compared.
    pub(crate) fn sorted(&self) -> Vec<(String, String)> {
        let mut pairs = self.0.clone();
        pairs.sort();
        pairs
    }
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn decode(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high * 16 + low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_escapes_and_plus_are_understood() {
        let form = Form::parse(
            b"a=1+2%2B&metadata%5Bbooking_id%5D=x%zz&metadata[b]=&types[]=p&types[1]=q&&e",
        );
        assert_eq!(form.get("a"), Some("1 2+"));
        assert_eq!(form.get("e"), Some(""));
        let metadata = form.map("metadata");
        assert_eq!(metadata.get("booking_id").map(String::as_str), Some("x%zz"));
        assert_eq!(metadata.get("b").map(String::as_str), Some(""));
        assert_eq!(form.list("types"), ["p", "q"]);
    }
}
