//! Changing the size in the text of a manifest, and nothing else of it.

use super::{ManifestError, read_document};
use crate::yaml::{self, Shape};

/// The text with another size: comments, layout and further documents stay as they are.
///
/// # Errors
/// When the text is not a manifest, or its size is not a plain number of its own, but an alias or merged from elsewhere.
pub fn with_size(text: &str, size: i64) -> Result<String, ManifestError> {
    let (_, document) = read_document(text)?;
    let refuse = |why: &str| ManifestError::SizeNotEditable { why: why.to_owned() };
    let nodes = yaml::outline(&document).map_err(|error| super::error::of_yaml(error, &document))?;
    let node = nodes
        .iter()
        .find(|node| node.path == ["spec", "size"])
        .ok_or_else(|| refuse("it is merged from elsewhere"))?;
    let Shape::Plain(_) = node.shape else { return Err(refuse("it is not a plain number there")) };
    let bytes = node.bytes.clone().ok_or_else(|| refuse("its place is not known"))?;
    let (Some(before), Some(after)) = (text.get(..bytes.start), text.get(bytes.end..)) else {
        return Err(refuse("its place is not known"));
    };
    let edited = format!("{before}{size}{after}");
    if differs_only_in_size(&document, &edited, size) {
        Ok(edited)
    } else {
        Err(refuse("other values depend on it"))
    }
}

/// Whether the edit did what it should: the one check that counts, whatever the YAML looks like.
fn differs_only_in_size(document: &str, edited: &str, size: i64) -> bool {
    let Ok(mut expected) = yaml::from_str::<serde_json::Value>(document) else { return false };
    let Some(old) = expected.pointer_mut("/spec/size") else { return false };
    *old = size.into();
    let Ok((_, document)) = read_document(edited) else { return false };
    yaml::from_str::<serde_json::Value>(&document).is_ok_and(|found| found == expected)
}
