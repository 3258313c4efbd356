//! The JSON Schemas in `schemas/`, as they are in the tree and as they were released.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

/// Schemas by their place and name, for example `bookings.events.v1/HoldPlaced`.
#[derive(Clone, Debug, PartialEq)]
pub struct Schemas(pub BTreeMap<String, Value>);

/// The directory of the last release, beside the kinds of schema.
const RELEASED: &str = "released";

impl Schemas {
    /// Those in the tree.
    ///
    /// # Errors
    /// If a file cannot be read as JSON.
    pub fn in_tree() -> anyhow::Result<Self> {
        Self::below(&root())
    }

    /// Those of the last release.
    ///
    /// # Errors
    /// If a file cannot be read as JSON.
    pub fn released() -> anyhow::Result<Self> {
        Self::below(&root().join(RELEASED))
    }

    fn below(root: &Path) -> anyhow::Result<Self> {
        let mut schemas = BTreeMap::new();
        for kind in entries(root)? {
            if !kind.is_dir() || kind.ends_with(RELEASED) {
                continue;
            }
            for file in entries(&kind)? {
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("{} cannot be read", file.display()))?;
                let schema = serde_json::from_str(&text)
                    .with_context(|| format!("{} is not JSON", file.display()))?;
                let name = file.strip_prefix(root)?.with_extension("");
                // `with_extension` takes `.json` and nothing else: the names of topics have dots, too.
                schemas.insert(name.to_string_lossy().into_owned(), schema);
            }
        }
        anyhow::ensure!(!schemas.is_empty(), "no schemas in {}", root.display());
        Ok(Self(schemas))
    }

    /// The schemas of one place, by name: of `bookings.events.v1`, those of its event types.
    pub fn of<'a>(&'a self, place: &str) -> BTreeMap<&'a str, &'a Value> {
        self.0
            .iter()
            .filter_map(|(name, schema)| {
                let name = name.strip_prefix(place)?.strip_prefix('/')?;
                Some((name, schema))
            })
            .collect()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas")
}

fn entries(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The schema as it binds us who write: no field that it does not name, and of an
/// [open list](open_list) only the values that it names. What we write must fit this, so that a schema cannot
/// lag behind the code; readers are bound by the schema as it stands.
pub fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(object) => {
            if let Some(known) = open_list(schema) {
                return json!({ "enum": known });
            }
            let mut bound: Map<String, Value> = object
                .iter()
                .map(|(name, value)| (name.clone(), closed(value)))
                .collect();
            if object.get("properties").is_some_and(Value::is_object) {
                bound.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            Value::Object(bound)
        }
        Value::Array(items) => items.iter().map(closed).collect(),
        other => other.clone(),
    }
}

/// The known values of an open list: `{"anyOf": [{"enum": […]}, {"type": "string"}]}`, texts to which more
/// may be added, so that a reader must be ready for one that it does not know.
pub fn open_list(schema: &Value) -> Option<&Vec<Value>> {
    let [known, any] = schema.get("anyOf")?.as_array()?.as_slice() else {
        return None;
    };
    (*any == json!({ "type": "string" })).then_some(())?;
    known.get("enum")?.as_array()
}
