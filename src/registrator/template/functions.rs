//! The functions of templates: those of the original, and the few of Go's own that tags use.
//!
//! Pure. Where the original would end the process (an index into an empty list, a wrong regular expression), the
//! rendering of this one container fails.

use std::cmp::Ordering;

use regex_lite::Regex;
use serde_json::Value;

/// The one that is not called here, since it needs another server.
pub(super) const HTTP_GET: &str = "httpGet";

/// All others.
pub(super) const NAMES: &[&str] = &[
    "strSlice",
    "sIndex",
    "mIndex",
    "toUpper",
    "toLower",
    "replace",
    "join",
    "split",
    "splitIndex",
    "matchFirstElement",
    "matchAllElements",
    "jsonParse",
    "and",
    "or",
    "not",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "len",
    "index",
    "print",
    "println",
    "printf",
];

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    match (name, arguments) {
        ("strSlice", [text, bounds @ ..]) => slice(text_of(text)?, bounds),
        ("sIndex", [at, list]) => nth(integer(at)?, &strings(list)?).map(Value::from),
        ("mIndex", [key, map]) => Ok(map.get(text_of(key)?).cloned().unwrap_or_else(|| Value::from(""))),
        ("toUpper", [text]) => Ok(Value::from(text_of(text)?.to_uppercase())),
        ("toLower", [text]) => Ok(Value::from(text_of(text)?.to_lowercase())),
        ("replace", [count, old, new, text]) => {
            let (old, new, text) = (text_of(old)?, text_of(new)?, text_of(text)?);
            if new.len().saturating_mul(text.len()) > 1 << 22 {
                return Err("the result would be too long".to_owned());
            }
            Ok(Value::from(match usize::try_from(integer(count)?) {
                Ok(count) => text.replacen(old, new, count),
                Err(_) => text.replace(old, new),
            }))
        }
        ("join", [between, list]) => Ok(Value::from(strings(list)?.join(text_of(between)?))),
        ("split", [between, text]) => Ok(Value::from(parts(text_of(between)?, text_of(text)?))),
        ("splitIndex", [at, between, text]) => {
            nth(integer(at)?, &parts(text_of(between)?, text_of(text)?)).map(Value::from)
        }
        ("matchFirstElement", [pattern, list]) => {
            let found = matching(pattern, list)?.into_iter().next().unwrap_or_default();
            Ok(Value::from(found))
        }
        ("matchAllElements", [pattern, list]) => Ok(Value::from(matching(pattern, list)?)),
        ("jsonParse", [json, path]) => json_parse(text_of(json)?, text_of(path)?),
        ("and", [all @ .., last]) => Ok(all.iter().find(|one| !truth(one)).unwrap_or(last).clone()),
        ("or", [all @ .., last]) => Ok(all.iter().find(|one| truth(one)).unwrap_or(last).clone()),
        ("not", [one]) => Ok(Value::Bool(!truth(one))),
        ("eq", [one, others @ ..]) if !others.is_empty() => Ok(Value::Bool(others.contains(one))),
        ("ne", [one, other]) => Ok(Value::Bool(one != other)),
        ("lt", [one, other]) => Ok(Value::Bool(order(one, other)?.is_lt())),
        ("le", [one, other]) => Ok(Value::Bool(order(one, other)?.is_le())),
        ("gt", [one, other]) => Ok(Value::Bool(order(one, other)?.is_gt())),
        ("ge", [one, other]) => Ok(Value::Bool(order(one, other)?.is_ge())),
        ("len", [value]) => length(value),
        ("index", [value, keys @ ..]) => keys.iter().try_fold(value.clone(), |value, key| index(&value, key)),
        ("print", all) => Ok(Value::from(all.iter().map(show).collect::<String>())),
        ("println", all) => {
            let words: Vec<String> = all.iter().map(show).collect();
            Ok(Value::from(words.join(" ") + "\n"))
        }
        ("printf", [format, values @ ..]) => printf(text_of(format)?, values),
        _ => Err(format!("it does not take {} arguments", arguments.len())),
    }
}

/// A value as Go prints it.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => "<no value>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(all) => {
            format!("[{}]", all.iter().map(show).collect::<Vec<_>>().join(" "))
        }
        Value::Object(all) => {
            let pairs: Vec<String> =
                all.iter().map(|(key, value)| format!("{key}:{}", show(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// Whether a value counts as true: it is not empty, zero or nothing.
pub(super) fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(all) => !all.is_empty(),
        Value::Object(all) => !all.is_empty(),
    }
}

/// A text; what is missing counts as empty, since a map of the original gives an empty text for a key it lacks.
pub(super) fn text_of(value: &Value) -> Result<&str, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(""),
        other => Err(format!("{} is no text", show(other))),
    }
}

fn integer(value: &Value) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| format!("{} is no whole number", show(value)))
}

fn strings(list: &Value) -> Result<Vec<String>, String> {
    match list {
        Value::Array(all) => all.iter().map(|one| text_of(one).map(str::to_owned)).collect(),
        Value::Null => Ok(Vec::new()),
        other => Err(format!("{} is no list", show(other))),
    }
}

fn parts(between: &str, text: &str) -> Vec<String> {
    match between {
        // Go splits into characters here, and Rust would add an empty text on both sides.
        "" => text.chars().map(String::from).collect(),
        _ => text.split(between).map(str::to_owned).collect(),
    }
}

/// An element of a list; negative numbers count from the end, and what is out of range is the first or the last.
fn nth(at: i64, list: &[String]) -> Result<String, String> {
    let distance = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
    let found = match at < 0 {
        true if distance >= list.len() => list.first(),
        true => list.len().checked_sub(distance).and_then(|at| list.get(at)),
        false => list.get(distance).or(list.last()),
    };
    found.cloned().ok_or_else(|| "the list is empty".to_owned())
}

/// `text[from:to]` in bytes, as the original cuts.
fn slice(text: &str, bounds: &[Value]) -> Result<Value, String> {
    let at = |value: &Value| {
        integer(value).and_then(|at| usize::try_from(at).map_err(|_| format!("{at} is negative")))
    };
    let cut = match bounds {
        [from] => text.get(at(from)?..),
        [from, to] if at(to)? < at(from)? => text.get(at(from)?..),
        [from, to] => text.get(at(from)?..at(to)?),
        _ => None,
    };
    Ok(Value::from(cut.unwrap_or(text)))
}

fn matching(pattern: &Value, list: &Value) -> Result<Vec<String>, String> {
    let pattern = text_of(pattern)?;
    let pattern =
        Regex::new(pattern).map_err(|error| format!("{pattern:?} is no regular expression: {error}"))?;
    Ok(strings(list)?.into_iter().filter(|one| pattern.is_match(one)).collect())
}

/// A part of a JSON text; the path is written with `::` between its names.
fn json_parse(json: &str, path: &str) -> Result<Value, String> {
    let whole: Value = serde_json::from_str(json).map_err(|error| format!("this is no JSON: {error}"))?;
    let mut value = &whole;
    for name in path.split("::") {
        let position = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let next = match position.and_then(|position| position.parse::<usize>().ok()) {
            Some(position) => value.get(position),
            None => value.get(name),
        };
        match next {
            Some(next) => value = next,
            None => return Ok(Value::from("")),
        }
    }
    Ok(match value {
        Value::String(text) => Value::from(text.as_str()),
        other => Value::from(other.to_string()),
    })
}

fn order(one: &Value, other: &Value) -> Result<Ordering, String> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Ok(one.cmp(other)),
        (Value::Number(one), Value::Number(other)) => one
            .as_f64()
            .zip(other.as_f64())
            .and_then(|(one, other)| one.partial_cmp(&other))
            .ok_or_else(|| "these numbers have no order".to_owned()),
        _ => Err(format!("{} and {} can't be compared", show(one), show(other))),
    }
}

fn length(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Ok(Value::from(0)),
        Value::String(text) => Ok(Value::from(text.len())),
        Value::Array(all) => Ok(Value::from(all.len())),
        Value::Object(all) => Ok(Value::from(all.len())),
        other => Err(format!("{} has no length", show(other))),
    }
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::Null, _) => Ok(Value::Null),
        (Value::Object(map), Value::String(key)) => {
            Ok(map.get(key).cloned().unwrap_or_else(|| Value::from("")))
        }
        (Value::Array(all), key) => {
            let at = usize::try_from(integer(key)?).unwrap_or(usize::MAX);
            all.get(at).cloned().ok_or_else(|| format!("index {at} is out of range"))
        }
        _ => Err(format!("{} can't be indexed with {}", show(value), show(key))),
    }
}

/// `%s`, `%v`, `%d`, `%q` and `%%`.
fn printf(format: &str, values: &[Value]) -> Result<Value, String> {
    let mut values = values.iter();
    let mut text = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('%') => text.push('%'),
            Some(verb @ ('s' | 'v' | 'd' | 'q')) => {
                let value = values.next().ok_or_else(|| format!("%{verb} has no value"))?;
                match verb {
                    'q' => text.push_str(&format!("{:?}", show(value))),
                    _ => text.push_str(&show(value)),
                }
            }
            other => return Err(format!("%{} is not known", other.unwrap_or(' '))),
        }
    }
    Ok(Value::from(text))
}
