//! `SERVICE_*`: what a container says about its services in environment variables and labels.
//!
//! Pure. Precedence, highest first: label for the port, variable for the port, label for a range of ports, variable for
//! a range, label for all, variable for all. Within one class the later entry wins.

use std::collections::BTreeMap;

use super::container::Container;

/// What is said about one port of a container. Keys are in lower case and without `SERVICE_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    values: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    text: String,
    scope: Scope,
}

/// Which ports an entry is about, from the widest to the narrowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    All,
    Range,
    Port,
}

/// Keys with a meaning of their own; all others are attributes of the service.
const RESERVED: [&str; 3] = ["name", "id", "tags"];

impl Metadata {
    /// Gathers what is said about one port of a container, by the port's number inside of it.
    pub fn of(container: &Container, port: &str) -> Self {
        let mut metadata = Self::default();
        for entry in &container.env {
            if let Some((key, value)) = entry.split_once('=') {
                metadata.add(key, value, port);
            }
        }
        for (key, value) in &container.labels {
            metadata.add(key, value, port);
        }
        metadata
    }

    fn add(&mut self, key: &str, text: &str, port: &str) {
        let Some(rest) = key.strip_prefix("SERVICE_") else { return };
        let rest = rest.to_lowercase();
        let (scope, key) = match rest.split_once('_') {
            Some((number, key)) if is_integer(number) => {
                // As text, like the original: 080 is not 80.
                if number != port {
                    return;
                }
                (Scope::Port, key.to_owned())
            }
            Some((numbers, key)) if is_range(numbers) => {
                if !covers(numbers, port) {
                    return;
                }
                (Scope::Range, key.to_owned())
            }
            _ => (Scope::All, rest),
        };
        // An empty name for a port would hide the name for all and take the suffix away: it counts as not given.
        if key == "name" && text.is_empty() && scope > Scope::All {
            return;
        }
        match self.values.get(&key) {
            Some(known) if known.scope > scope => {}
            _ => {
                self.values.insert(key, Value { text: text.to_owned(), scope });
            }
        }
    }

    /// The value of a key, unless it is empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.text.as_str()).filter(|text| !text.is_empty())
    }

    /// Whether the name was given for this very port, so that it needs no suffix to be told from others.
    pub fn names_the_port(&self) -> bool {
        self.values.get("name").is_some_and(|value| value.scope == Scope::Port)
    }

    /// All that has no meaning of its own. An `ignore` that is empty, and so ignores nothing, stays as in the original.
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let own = |(key, _): &(&String, &Value)| !RESERVED.contains(&key.as_str());
        let attribute = |(key, value): (&String, &Value)| (key.clone(), value.text.clone());
        self.values.iter().filter(own).map(attribute).collect()
    }
}

/// What Go's `strconv.Atoi` reads.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_range(text: &str) -> bool {
    bounds(text).is_some()
}

fn bounds(text: &str) -> Option<(u16, u16)> {
    let (low, high) = text.split_once('-')?;
    Some((low.parse().ok()?, high.parse().ok()?))
}

fn covers(range: &str, port: &str) -> bool {
    let Some((low, high)) = bounds(range) else { return false };
    port.parse().is_ok_and(|port: u16| (low..=high).contains(&port))
}
