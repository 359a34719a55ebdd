//! What is wrong with a configuration.

use std::collections::BTreeMap;
use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or variable it came from; `None` for a value nobody set.
    pub origin: Option<String>,
    /// The key it is about, such as `token.secret`; empty when it is about a whole file.
    pub key: String,
    /// What is wrong, to be read after the key.
    pub message: String,
}

impl Problem {
    pub(super) fn new(origin: &str, key: &str, message: impl Into<String>) -> Self {
        Self { origin: Some(origin.to_owned()), key: key.to_owned(), message: message.into() }
    }

    pub(super) fn of_value(key: &str, message: &str) -> Self {
        Self { origin: None, key: key.to_owned(), message: message.to_owned() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(out, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(out, "{} ", self.key)?;
        }
        out.write_str(&self.message)
    }
}

/// Everything that is wrong, in the order found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names where each value came from.
    pub(super) fn with_origins(mut self, origins: &BTreeMap<String, String>) -> Self {
        for problem in &mut self.0 {
            if problem.origin.is_none() {
                problem.origin = origins.get(&problem.key).cloned();
            }
        }
        self
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => out.write_str("the configuration is fine"),
            [one] => write!(out, "the configuration has a problem: {one}"),
            many => {
                write!(out, "the configuration has {} problems:", many.len())?;
                many.iter().try_for_each(|problem| write!(out, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for Problems {}
