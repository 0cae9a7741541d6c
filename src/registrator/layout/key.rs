//! Keys: cleaned as the original's were by the v2 API, and never outside of their prefix.
//!
//! Pure. Names and IDs come from labels, which anybody writes who may start a container. The v3 API stores any bytes,
//! so what `path.Join` did to keys of v2 is done here, and what would climb out of the prefix is refused.

use std::fmt;

/// What all keys of an output begin with; it ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Prefix {
    /// Cleans what a person wrote. `leading` says whether keys begin with a slash: consumers differ.
    pub fn new(text: &str, leading: bool) -> Self {
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
        let mut cleaned = if leading { "/".to_owned() } else { String::new() };
        for part in parts {
            cleaned.push_str(part);
            cleaned.push('/');
        }
        Self(cleaned)
    }

    /// The text, with the slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a name and an ID below the prefix.
    ///
    /// # Errors
    /// When the key would be outside of the prefix, have no ID, or be too long.
    pub fn key(&self, name: &str, id: &str) -> Result<String, BadKey> {
        let bad = |why| Err(BadKey::Outside { name: shown(name), id: shown(id), why });
        let mut parts: Vec<&str> = Vec::new();
        let mut id_stands = false;
        let named = name.split('/').map(|part| (part, false));
        for (part, of_id) in named.chain(id.split('/').map(|part| (part, true))) {
            match part {
                "" | "." => {}
                ".." => {
                    id_stands = false;
                    if parts.pop().is_none() {
                        return bad("it would leave the prefix");
                    }
                }
                part => {
                    id_stands = of_id;
                    parts.push(part);
                }
            }
        }
        if !id_stands {
            return bad("the ID names no key");
        }
        let mut key = self.0.clone();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                key.push('/');
            }
            escape(part, &mut key);
        }
        match key.len() > KEY_LIMIT {
            true => Err(BadKey::KeyTooLong { name: shown(name), bytes: key.len() }),
            false => Ok(key),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest key, in bytes: longer ones are no names, and tools print keys.
const KEY_LIMIT: usize = 4096;

/// A service that gets no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Its name and ID lead out of the prefix or nowhere.
    #[error("the name {name} with the ID {id} makes no key: {why}")]
    Outside {
        /// The name, quoted and cut.
        name: String,
        /// The ID, quoted and cut.
        id: String,
        /// What is wrong with them.
        why: &'static str,
    },
    /// Its key is too long.
    #[error("the key of the name {name} would have {bytes} bytes, and at most 4096 are written")]
    KeyTooLong {
        /// The name, quoted and cut.
        name: String,
        /// How long the key would be.
        bytes: usize,
    },
    /// Its value is too long.
    #[error("the value of the key {key} would have {bytes} bytes, and at most 65536 are written")]
    ValueTooLong {
        /// The key.
        key: String,
        /// How long the value would be.
        bytes: usize,
    },
}

/// A text of somebody else, for a message: quoted, without control characters, and not longer than a line.
fn shown(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("{cut:?}{more}")
}

/// Writes a part of a key. Spaces become `+`, as the v2 API stored them; control characters are percent-encoded, since
/// a newline or a NUL in a key breaks every tool that lists keys.
fn escape(part: &str, key: &mut String) {
    for character in part.chars() {
        match character {
            ' ' => key.push('+'),
            character if character.is_control() => {
                let mut bytes = [0; 4];
                for byte in character.encode_utf8(&mut bytes).bytes() {
                    key.push_str(&format!("%{byte:02X}"));
                }
            }
            character => key.push(character),
        }
    }
}

/// One DNS label, or one word of a path that allows as little: lower case, digits and hyphens, at most 63 of them.
pub(super) fn label(text: &str) -> String {
    let mut label = String::new();
    for character in text.chars() {
        match character.to_ascii_lowercase() {
            plain @ ('a'..='z' | '0'..='9') => label.push(plain),
            _ if label.ends_with('-') || label.is_empty() => {}
            _ => label.push('-'),
        }
    }
    let trimmed = label.trim_end_matches('-');
    if trimmed.is_empty() || trimmed.len() > 63 {
        // Cut names would meet: the digest of the whole one keeps them apart.
        let head: String = trimmed.chars().take(46).collect();
        return format!("{}{}{:016x}", head, if head.is_empty() { "x" } else { "-" }, digest(text));
    }
    trimmed.to_owned()
}

/// A number that stands for a text: the same in every version and on every machine (FNV-1a, 64 bits).
pub fn digest(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mixed = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    // FNV leaves the high bits of short texts alike; this spreads them (the finalizer of SplitMix64).
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
