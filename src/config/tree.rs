//! The known keys, taken from the defaults themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{SECRET_KEYS, Settings};

/// Every known key with its default, a secret's shown redacted.
pub(super) struct Known(BTreeMap<String, Value>);

impl Known {
    /// Reads the keys from the defaults.
    pub(super) fn from_defaults() -> Self {
        let mut leaves = BTreeMap::new();
        let tree = serde_json::to_value(Settings::default()).unwrap_or_default();
        flatten("", tree, &mut leaves);
        Self(leaves)
    }

    /// The default of `key`; `None` where no such key is known.
    pub(super) fn default_of(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// The known key nearest to a mistyped one; `None` when none is near.
    pub(super) fn nearest(&self, key: &str) -> Option<&str> {
        let limit = (key.len() / 3).max(2);
        self.0
            .keys()
            .map(|known| (distance(known, key), known.as_str()))
            .filter(|(distance, _)| *distance <= limit)
            .min()
            .map(|(_, known)| known)
    }

    /// Which secret `key` names a file for; `None` for any other key.
    pub(super) fn secret_of_file(key: &str) -> Option<&'static str> {
        let secret = key.strip_suffix("_file")?;
        SECRET_KEYS.iter().copied().find(|known| *known == secret)
    }
}

/// Adds the leaves under `prefix`; lists count as leaves.
pub(super) fn flatten(prefix: &str, value: Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
                flatten(&key, value, leaves);
            }
        }
        leaf => {
            leaves.insert(prefix.to_owned(), leaf);
        }
    }
}

/// Puts leaves back into a tree.
pub(super) fn unflatten<'a>(leaves: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let mut root = Map::new();
    for (key, value) in leaves {
        match key.split_once('.') {
            None => {
                root.insert(key.to_owned(), value);
            }
            Some((section, name)) => {
                let section = root.entry(section).or_insert_with(|| Value::Object(Map::new()));
                if let Some(fields) = section.as_object_mut() {
                    fields.insert(name.to_owned(), value);
                }
            }
        }
    }
    Value::Object(root)
}

/// Edits that turn one word into the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, to) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}
