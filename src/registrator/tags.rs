//! How lists of tags are split.
//!
//! Pure. The original splits at commas that have no backslash in front, drops empty parts, trims nothing, and puts the
//! tag that stands first last (`bridge/util.go`); consumers have seen that order for ten years.

/// Splits at commas; `\,` is a comma inside a tag.
pub fn split(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&',') => {
                characters.next();
                part.push(',');
            }
            ',' => parts.push(std::mem::take(&mut part)),
            other => part.push(other),
        }
    }
    parts.push(part);
    parts.retain(|part| !part.is_empty());
    parts.reverse();
    parts
}
