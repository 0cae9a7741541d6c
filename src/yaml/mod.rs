//! The only place that reads and writes YAML, so that every file is read by the same rules: those that kubectl and the
//! API server apply, where texts in place of numbers, numbers in place of texts and duplicate keys are refused.
//!
//! Pure: text in, values out.

mod documents;
mod outline;

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_saphyr::{Location, MessageFormatter, UserMessageFormatter};

pub use documents::documents;
pub use outline::{Node, Shape, outline};

/// A place in a text; both counts start with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column, in characters.
    pub column: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text could not be read, or a value could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where, if it is known.
    pub at: Option<Position>,
    /// What is wrong, without the place.
    pub message: String,
    /// The field that is missing, when that is what is wrong; `at` is then somewhere in the object that lacks it.
    pub missing: Option<&'static str>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{at}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Error {}

/// Reads the one document of a text; JSON is YAML too.
///
/// # Errors
/// When the text is not YAML, repeats a key, holds more than one document, or does not fit the type.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| Error::of_reading(&error))
}

/// Reads the one document of a text, and lists the paths of the fields that the type does not have.
///
/// # Errors
/// As [`from_str`].
pub fn from_str_with_ignored<T: DeserializeOwned>(text: &str) -> Result<(T, Vec<String>), Error> {
    let Listing { value, ignored } = from_str(text)?;
    Ok((value, ignored))
}

/// Writes a value as YAML that every reader understands the same way, YAML 1.1 readers such as kubectl included.
///
/// # Errors
/// When the value can't be YAML, such as a map whose keys are maps.
pub fn to_string<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_saphyr::to_string(value).map_err(|error| Error {
        at: None,
        message: error.to_string(),
        missing: None,
    })
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        // The API server refuses a number or a bool where a text is expected, so this reader has to as well.
        no_schema: true,
        with_snippet: false,
    }
}

impl Error {
    fn of_reading(error: &serde_saphyr::Error) -> Self {
        use serde_saphyr::Error as E;
        let mut cause = error.without_snippet();
        while let E::AliasError { error, .. } = cause {
            cause = error;
        }
        let message = match cause {
            E::InvalidScalar { ty, .. } => format!("this is not {}", described(ty)),
            E::SerdeInvalidType { expected, .. } => format!("this is not {}", described(expected)),
            E::QuotingRequired { value, .. } => {
                format!("a text is expected: write it in quotes, \"{value}\"")
            }
            E::DuplicateMappingKey { key: Some(key), .. } => {
                format!("{key} is there twice; remove one of them")
            }
            E::NullIntoString { .. } => "a text is expected, and there is no value".into(),
            E::Unexpected { expected, .. } => format!("{} is expected", described(expected)),
            other => UserMessageFormatter.format_message(other).into_owned(),
        };
        let missing = match cause {
            E::SerdeMissingField { field, .. } => Some(*field),
            _ => None,
        };
        let at = cause.location().filter(|at| *at != Location::UNKNOWN);
        Self { at: at.map(|at| Position { line: at.line(), column: at.column() }), message, missing }
    }
}

/// The parser's words for what it expected, in the words of people.
fn described(expected: &str) -> &str {
    match expected {
        "i64" | "u64" | "i32" | "u32" | "u8" => "a whole number",
        "f64" | "f32" => "a number",
        "bool" | "boolean" => "true or false",
        "mapping start" => "an object with fields",
        "sequence start" => "a list",
        "string scalar" => "a text",
        other => other,
    }
}

/// A value with the paths that its type does not have.
struct Listing<T> {
    value: T,
    ignored: Vec<String>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listing<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut ignored = Vec::new();
        let value = serde_ignored::deserialize(deserializer, |path| {
            // serde_ignored writes a question mark where it passed through an Option.
            ignored.push(path.to_string().replace("?.", "").replace(".?", ""));
        })?;
        Ok(Self { value, ignored })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only reading it is tested")]
    struct Sample {
        count: i64,
        name: Option<String>,
        #[serde(default)]
        lit: bool,
        inner: Option<BTreeMap<String, String>>,
        list: Option<Vec<String>>,
    }

    #[test]
    fn errors_have_a_place_and_a_plain_message() {
        let table = [
            ("count: three", "line 1, column 8: this is not a whole number"),
            ("count: 3.5", "line 1, column 8: this is not a whole number"),
            ("count:", "line 1, column 6: this is not a whole number"),
            ("name: x", "missing field `count`"),
            ("count: 1\nname: 5", "line 2, column 7: a text is expected: write it in quotes, \"5\""),
            (
                "count: 1\ninner: {a: true}",
                "line 2, column 12: a text is expected: write it in quotes, \"true\"",
            ),
            ("count: 1\ninner: {a: }", "a text is expected, and there is no value"),
            ("count: 1\ncount: 2", "line 2, column 1: count is there twice; remove one of them"),
            ("count: 1\ninner: {a: x, a: y}", "a is there twice"),
            ("count: 1\ninner: [x]", "line 2, column 8: an object with fields is expected"),
            ("count: 1\ninner: x", "line 2, column 8: an object with fields is expected"),
            ("count: 1\nlist: {a: b}", "line 2, column 7: a list is expected"),
            ("count: 1\nlist: a", "line 2, column 7: a list is expected"),
            ("count: 1\nname: [a]", "line 2, column 7: a text is expected"),
            ("count: 1\nlit: 3", "line 2, column 6: this is not true or false"),
            ("count: [1", "line 1"),
            ("count: 1\n---\ncount: 2", "line 3, column 1: only single YAML document expected"),
            ("count: 99999999999999999999", "line 1, column 8: this is not a whole number"),
        ];
        let mut wrong = Vec::new();
        for (text, expected) in table {
            let error = from_str::<Sample>(text).unwrap_err();
            if !error.to_string().contains(expected) {
                wrong.push(format!("{text:?}: {error} ({error:?})"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn ignored_fields_are_listed_with_their_paths() {
        #[derive(Deserialize)]
        struct Outer {
            #[expect(dead_code, reason = "only reading it is tested")]
            sample: Option<Sample>,
        }
        let text = "sample: {count: 1, size: 2}\nother: {deep: 1}";
        let (_, ignored) = from_str_with_ignored::<Outer>(text).unwrap();
        assert_eq!(ignored, ["sample.size", "other"]);
    }

    #[test]
    fn texts_that_look_like_something_else_are_quoted() {
        let texts =
            ["yes", "on", "y", "null", "~", "3", "0x1f", "1e3", "1_000", "012", "1:30", "2026-01-01", ""];
        let value: BTreeMap<String, String> =
            texts.iter().map(|text| ((*text).to_owned(), (*text).to_owned())).collect();
        let written = to_string(&value).unwrap();
        assert_eq!(from_str::<BTreeMap<String, String>>(&written).unwrap(), value);
        assert!(written.lines().all(|line| line.ends_with(['"', '\''])), "{written}");
    }

    #[test]
    fn long_and_odd_texts_come_back_the_same() {
        for text in
            ["a\nb", "a\nb\n", "  lead", "trail  ", "a: b # c", "'\"\\", &"long words ".repeat(40), "\ttab"]
        {
            let value = BTreeMap::from([("k".to_owned(), text.to_owned())]);
            let written = to_string(&value).unwrap();
            assert_eq!(from_str::<BTreeMap<String, String>>(&written).unwrap(), value, "{written}");
        }
    }
}
