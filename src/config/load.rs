//! Reads the file and the environment into [`Settings`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::tree::{Known, flatten, unflatten};
use super::{Problem, Problems, Settings};

/// What every variable starts with.
const PREFIX: &str = "CIVICLENS__";

/// Where configuration is read from. Nothing else is consulted.
pub struct Sources<'a> {
    /// The file: its name and text.
    pub file: Option<(String, String)>,
    /// The environment; variables of others are passed over.
    pub env: Vec<(String, String)>,
    /// Reads the file a secret is kept in.
    pub read: &'a dyn Fn(&Path) -> std::io::Result<String>,
}

/// What was read: settings that parse, not yet judged, and what did not parse.
#[derive(Debug)]
pub struct Loaded {
    /// The settings; a value that did not parse is left at its default.
    pub settings: Settings,
    /// Where each value that was set came from.
    pub origins: BTreeMap<String, String>,
    /// What could not be understood.
    pub problems: Problems,
}

impl Loaded {
    /// Everything wrong with it: what did not parse, then what is not valid.
    pub fn all_problems(&self) -> Problems {
        let mut all = self.problems.clone();
        let unread: Vec<&str> = self.problems.0.iter().map(|problem| problem.key.as_str()).collect();
        let invalid = self.settings.validate(self.settings.is_production()).with_origins(&self.origins);
        all.0.extend(invalid.0.iter().filter(|problem| !unread.contains(&problem.key.as_str())).cloned());
        all
    }

    /// The settings, when nothing at all is wrong with them.
    pub fn validated(self) -> Result<Settings, Problems> {
        let problems = self.all_problems();
        if problems.is_empty() { Ok(self.settings) } else { Err(problems) }
    }

    /// The settings, when everything parses and the keys that start with one of `used` are valid.
    pub fn validated_for(self, used: &[&str]) -> Result<Settings, Problems> {
        let mut problems = self.all_problems();
        let unread = self.problems.0.len();
        let mut index = 0;
        problems.0.retain(|problem| {
            index += 1;
            index <= unread || problem.key == "log.filter" || used.iter().any(|start| problem.key.starts_with(start))
        });
        if problems.is_empty() { Ok(self.settings) } else { Err(problems) }
    }

    /// The settings as they parse, for a command that fills in what is missing and validates itself.
    pub fn parsed(self) -> Result<Settings, Problems> {
        if self.problems.is_empty() { Ok(self.settings) } else { Err(self.problems) }
    }
}

/// Reads `path`, or else the file `CIVICLENS_CONFIG` names, and the environment of the process.
pub fn load_from_process(path: Option<PathBuf>) -> Result<Loaded, Problems> {
    let env: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .collect();
    let named = || env.iter().find(|(name, value)| name == "CIVICLENS_CONFIG" && !value.is_empty());
    let path = path.or_else(|| named().map(|(_, value)| PathBuf::from(value)));
    let file = match path {
        None => None,
        Some(path) => {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(&path)
                .map_err(|error| Problems(vec![Problem::new(&name, "", format!("cannot be read: {error}"))]))?;
            Some((name, text))
        }
    };
    Ok(load(&Sources { file, env, read: &|path| std::fs::read_to_string(path) }))
}

/// Reads all sources; the environment wins over the file.
pub fn load(sources: &Sources<'_>) -> Loaded {
    let mut reader = Reader { known: Known::from_defaults(), good: BTreeMap::new(), problems: Vec::new() };
    if let Some((name, text)) = &sources.file {
        let layer = reader.file_layer(name, text);
        reader.apply(layer, sources.read);
    }
    let layer = reader.env_layer(&sources.env);
    reader.apply(layer, sources.read);
    reader.finish()
}

/// A value somebody gave: which key, from where.
struct Given {
    key: String,
    origin: String,
    /// What to try, most likely first.
    candidates: Vec<Value>,
}

struct Reader {
    known: Known,
    good: BTreeMap<String, (String, Value)>,
    problems: Vec<Problem>,
}

impl Reader {
    fn file_layer(&mut self, name: &str, text: &str) -> Vec<Given> {
        let tree = match text.parse::<toml::Table>() {
            Ok(table) => serde_json::to_value(table).unwrap_or_default(),
            Err(error) => {
                let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
                let message = format!("line {line} is not TOML: {}", error.message());
                self.problems.push(Problem::new(name, "", message));
                return Vec::new();
            }
        };
        let mut leaves = BTreeMap::new();
        flatten("", tree, &mut leaves);
        leaves
            .into_iter()
            .filter(|(key, _)| !key.is_empty())
            .map(|(key, value)| Given { key, origin: name.to_owned(), candidates: vec![value] })
            .collect()
    }

    fn env_layer(&self, env: &[(String, String)]) -> Vec<Given> {
        let mut layer: Vec<Given> = env
            .iter()
            .filter_map(|(name, text)| {
                let key = name.strip_prefix(PREFIX)?.to_ascii_lowercase().replace("__", ".");
                let candidates = candidates(self.known.default_of(&key), text);
                Some(Given { key, origin: name.clone(), candidates })
            })
            .collect();
        layer.sort_by(|left, right| left.origin.cmp(&right.origin));
        layer
    }

    fn apply(&mut self, layer: Vec<Given>, read: &dyn Fn(&Path) -> std::io::Result<String>) {
        let given: Vec<String> = layer.iter().map(|given| given.key.clone()).collect();
        for item in layer {
            if self.known.default_of(&item.key).is_some() {
                self.take(&item.key, &item.origin, item.candidates);
            } else if let Some(secret) = Known::secret_of_file(&item.key) {
                if given.iter().any(|key| key == secret) {
                    let message = format!("cannot be given beside {secret}");
                    self.problems.push(Problem::new(&item.origin, &item.key, message));
                } else {
                    self.take_from_file(secret, &item, read);
                }
            } else {
                let hint = self.known.nearest(&item.key).map(|near| format!("; did you mean {near}?"));
                let message = format!("is not a known key{}", hint.unwrap_or_default());
                self.problems.push(Problem::new(&item.origin, &item.key, message));
            }
        }
    }

    fn take_from_file(&mut self, secret: &str, item: &Given, read: &dyn Fn(&Path) -> std::io::Result<String>) {
        let Some(path) = item.candidates.first().and_then(Value::as_str) else {
            return self.problems.push(Problem::new(&item.origin, &item.key, "must be the name of a file"));
        };
        match read(Path::new(path)) {
            Ok(text) => {
                let value = text.trim_end_matches(['\n', '\r']).to_owned();
                self.take(secret, &item.origin, vec![value.into()]);
            }
            Err(error) => {
                let message = format!("names {path}, which cannot be read: {error}");
                self.problems.push(Problem::new(&item.origin, &item.key, message));
            }
        }
    }

    /// Keeps the first candidate that parses on its own, so that each wrong value is named, not only the first.
    fn take(&mut self, key: &str, origin: &str, candidates: Vec<Value>) {
        let mut refused = None;
        for value in candidates {
            let alone = unflatten(std::iter::once((key, value.clone())));
            match serde_json::from_value::<Settings>(alone) {
                Ok(_) => {
                    self.good.insert(key.to_owned(), (origin.to_owned(), value));
                    return;
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let secret = super::SECRET_KEYS.contains(&key);
        let why = match refused {
            Some(error) if !secret => error.to_string(),
            _ => "expected a string".to_owned(),
        };
        self.problems.push(Problem::new(origin, key, format!("has a wrong value: {why}")));
    }

    fn finish(self) -> Loaded {
        let tree = unflatten(self.good.iter().map(|(key, (_, value))| (key.as_str(), value.clone())));
        let mut problems = Problems(self.problems);
        let settings = serde_json::from_value(tree).unwrap_or_else(|error| {
            problems.0.push(Problem::of_value("", &error.to_string()));
            Settings::default()
        });
        let origins = self.good.into_iter().map(|(key, (origin, _))| (key, origin)).collect();
        Loaded { settings, origins, problems }
    }
}

/// What a variable's text may stand for, judged by the default of its key.
fn candidates(default: Option<&Value>, text: &str) -> Vec<Value> {
    let string = Value::String(text.to_owned());
    let scalar = || text.trim().parse::<Value>().ok().filter(|value| value.is_number() || value.is_boolean());
    match default {
        Some(Value::Array(_)) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            vec![items.map(Value::from).collect()]
        }
        Some(Value::Bool(_) | Value::Number(_)) => scalar().into_iter().chain([string]).collect(),
        Some(Value::Null) if text.is_empty() => vec![Value::Null],
        Some(Value::Null) => [string].into_iter().chain(scalar()).collect(),
        _ => vec![string],
    }
}
