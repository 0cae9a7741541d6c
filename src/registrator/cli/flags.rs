//! Flags as Go's `flag` package reads them: `-x`, `--x`, `-x=v`, `-x v`; integers with base prefixes; parsing stops at the
//! first argument that is no flag. Scripts that start the original pass such command lines.
//!
//! Pure.

use std::{collections::BTreeMap, fmt::Write};

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Nothing, or `=true` and `=false`.
    Switch,
}

/// A flag that is known.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Its name, without hyphens.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What it holds when it is not given, as text.
    pub default: &'static str,
    /// What it is for, in one sentence.
    pub help: &'static str,
}

/// What was given, in its order; and the arguments behind the flags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    values: BTreeMap<&'static str, Vec<String>>,
    /// The arguments behind the flags.
    pub arguments: Vec<String>,
}

/// Why the arguments can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    /// `-h` or `-help`: no error, but nothing to run either.
    #[error("help was asked for")]
    Help,
    /// The words of Go's `flag`.
    #[error("{0}")]
    Wrong(String),
}

/// Reads arguments.
///
/// # Errors
/// For a flag that is not known, lacks its value or has a wrong one, in the words of Go's `flag`.
pub fn parse(known: &[Flag], arguments: &[String]) -> Result<Given, FlagError> {
    let wrong = |message: String| Err(FlagError::Wrong(message));
    let mut given = Given::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let is_flag = argument.len() > 1 && argument.starts_with('-');
        if !is_flag {
            given.arguments.push(argument.clone());
            break;
        }
        if argument == "--" {
            break;
        }
        let word = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')).unwrap_or_default();
        if word.is_empty() || word.starts_with(['-', '=']) {
            return wrong(format!("bad flag syntax: {argument}"));
        }
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word, None),
        };
        let Some(flag) = known.iter().find(|flag| flag.name == name) else {
            return match name {
                "h" | "help" => Err(FlagError::Help),
                _ => wrong(format!("flag provided but not defined: -{name}")),
            };
        };
        let value = match (value, flag.kind) {
            (Some(value), _) => value,
            (None, Kind::Switch) => "true".to_owned(),
            (None, _) => match rest.next() {
                Some(value) => value.clone(),
                None => return wrong(format!("flag needs an argument: -{name}")),
            },
        };
        let readable = match flag.kind {
            Kind::Text => true,
            Kind::Integer => integer(&value).is_some(),
            Kind::Switch => boolean(&value).is_some(),
        };
        match (readable, flag.kind) {
            (true, _) => given.values.entry(flag.name).or_default().push(value),
            (false, Kind::Switch) => {
                return wrong(format!("invalid boolean value {value:?} for -{name}: parse error"));
            }
            (false, _) => return wrong(format!("invalid value {value:?} for flag -{name}: parse error")),
        }
    }
    given.arguments.extend(rest.cloned());
    Ok(given)
}

impl Given {
    /// The last text that was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// The last text that was given, unless it is empty.
    pub fn filled(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// All texts that were given.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The last number that was given.
    pub fn integer(&self, name: &str) -> Option<i64> {
        integer(self.text(name)?)
    }

    /// Whether a switch is on.
    pub fn switch(&self, name: &str) -> bool {
        self.text(name).and_then(boolean).unwrap_or(false)
    }
}

/// What Go's `strconv.ParseBool` reads.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// What Go's `strconv.ParseInt` reads with base 0: prefixes, octal by a leading zero, underscores between digits.
fn integer(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, base)| lower.strip_prefix(prefix).map(|digits| (digits, base)));
    let (digits, base) = match prefixed {
        Some((digits, base)) => (digits, base),
        None if lower.len() > 1 && lower.starts_with('0') => (lower.get(1..)?, 8),
        None => (lower.as_str(), 10),
    };
    if digits.ends_with('_') || digits.contains("__") || (base == 10 && digits.starts_with('_')) {
        return None;
    }
    let digits = digits.replace('_', "");
    match digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        true => i64::from_str_radix(&format!("{sign}{digits}"), base).ok(),
        false => None,
    }
}

/// The flags as `-help` shows them.
pub fn describe(known: &[Flag]) -> String {
    let mut text = String::new();
    for flag in known {
        let takes = match flag.kind {
            Kind::Text => " string",
            Kind::Integer => " int",
            Kind::Switch => "",
        };
        let default = match flag.default {
            "" => String::new(),
            value if flag.kind == Kind::Text => format!(" (default {value:?})"),
            value => format!(" (default {value})"),
        };
        // Writing to a text can't fail.
        let _ = writeln!(text, "  -{}{takes}\n    \t{}{default}", flag.name, flag.help);
    }
    text
}
