//! Quantities as Kubernetes writes them: `10Gi`, `1.5G`, `500M`, `1e9`.

use std::{borrow::Cow, cmp::Ordering, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// An amount as it was written, a text or a number. Whether it is well-formed is for [`Quantity::parse`] to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// An amount that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    /// In billionths, which is as fine as Kubernetes goes.
    nanos: i128,
}

impl Amount {
    /// Whether it is more than nothing.
    pub fn is_positive(self) -> bool {
        self.nanos > 0
    }
}

impl Quantity {
    /// The amount; `None` when the text is not a quantity (`resource.ParseQuantity` of apimachinery).
    ///
    /// Amounts beyond 10²⁹ count as equal, which no volume will notice.
    pub fn parse(&self) -> Option<Amount> {
        let text = self.0.as_str();
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.len() + fraction.len() == 0 || fraction.contains('.') {
            return None;
        }
        let (two, ten) = scale(suffix)?;
        let mut nanos: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            nanos = nanos.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
        }
        nanos = nanos.saturating_mul(1 << two);
        let shift = ten + 9 - i32::try_from(fraction.len()).ok()?;
        for _ in 0..shift.unsigned_abs().min(60) {
            nanos = if shift > 0 { nanos.saturating_mul(10) } else { nanos.div_euclid(10) };
        }
        Some(Amount { nanos: nanos.saturating_mul(sign) })
    }

    /// How it compares with another; `None` when one of them is not a quantity.
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        Some(self.parse()?.cmp(&other.parse()?))
    }
}

/// The powers of two and of ten that a suffix stands for.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let exponent: i32 = exponent.parse().ok()?;
            (0, exponent.clamp(-60, 60))
        }
    })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 10Gi")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-kubernetes-int-or-string": true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity(text.to_owned())
    }

    #[test]
    fn amounts_compare_across_units() {
        let rising = ["-1", "0", "1n", "1u", "1m", "0.5", "1", "1k", "1Ki", "1M", "1Mi", "999M", "1G", "1Gi"];
        let rising =
            rising.into_iter().chain(["1.5Gi", "2Gi", "1T", "1Ti", "1P", "1Pi", "1E", "1Ei", "16Ei"]);
        let rising: Vec<_> = rising.map(quantity).collect();
        for pair in rising.windows(2) {
            assert_eq!(pair[0].compare(&pair[1]), Some(Ordering::Less), "{} < {}", pair[0], pair[1]);
        }
        for (a, b) in
            [("1Gi", "1073741824"), ("1e9", "1G"), ("1E3", "1k"), (".5", "500m"), ("1.", "1"), ("+2", "2")]
        {
            assert_eq!(quantity(a).compare(&quantity(b)), Some(Ordering::Equal), "{a} = {b}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for text in ["", "-", ".", "ten", "10gi", "10 Gi", "1.2.3", "Gi", "1e", "10GiB", "0x10", "1K"] {
            assert_eq!(quantity(text).parse(), None, "{text:?}");
        }
    }
}
