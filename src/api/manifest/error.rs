//! What can be wrong with a manifest, in words that name the field, the place and the way out.

use std::fmt;

use super::{API_VERSION, KIND, node_at};
use crate::yaml::{self, Position, Shape};

/// Why a text is not a manifest of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Nothing is in it.
    #[error(
        "there is no document: write one with apiVersion: {API_VERSION}, kind: {KIND}, metadata and spec"
    )]
    Empty,
    /// Its one document is something else.
    #[error(
        "{} is not an EtcdCluster: it needs apiVersion: {API_VERSION} and kind: {KIND}",
        named(api_version, kind)
    )]
    WrongKind {
        /// The `apiVersion` it has, or nothing.
        api_version: String,
        /// The `kind` it has, or nothing.
        kind: String,
    },
    /// None of its documents is a cluster.
    #[error(
        "none of the {} documents is an EtcdCluster ({}): one needs apiVersion: {API_VERSION} and kind: {KIND}",
        found.len(),
        found.join(", ")
    )]
    NoCluster {
        /// The `apiVersion` and `kind` of each.
        found: Vec<String>,
    },
    /// More than one of its documents is a cluster.
    #[error("{count} documents are an EtcdCluster, and one is expected: keep one of them in this file")]
    SeveralClusters {
        /// How many.
        count: usize,
    },
    /// The cluster has no name.
    #[error("metadata.name is missing: give the cluster a name")]
    NoName,
    /// There is no spec.
    #[error("spec is missing: the smallest one is spec: {{size: 3}}")]
    NoSpec,
    /// It is not YAML, or a value does not fit its field.
    #[error("{}", invalid(*at, field, message))]
    Invalid {
        /// Where, if it is known.
        at: Option<Position>,
        /// The field, such as `spec.size`; empty when it is about the document as a whole.
        field: String,
        /// What is wrong, and the way out.
        message: String,
    },
    /// It has fields that an EtcdCluster does not have.
    #[error("{}", all(.0))]
    UnknownFields(Vec<UnknownField>),
    /// The size can't be changed in the text as it is written.
    #[error("spec.size cannot be changed in this text, since {why}: edit the file by hand")]
    SizeNotEditable {
        /// What stands in the way.
        why: String,
    },
}

/// A field that an EtcdCluster does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownField {
    /// Its path, such as `spec.sise`.
    pub path: String,
    /// Where it is, if that is known.
    pub at: Option<Position>,
    /// The fields that could stand there.
    pub known: Vec<String>,
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = self.at {
            write!(f, "{at}: ")?;
        }
        write!(f, "{} is not a field of an EtcdCluster: correct or remove it", self.path)?;
        if !self.known.is_empty() {
            write!(f, "; there are {}", self.known.join(", "))?;
        }
        Ok(())
    }
}

/// An error of the reader, with the field it is about.
pub(super) fn of_yaml(error: yaml::Error, document: &str) -> ManifestError {
    let nodes = yaml::outline(document).unwrap_or_default();
    let node = error.at.and_then(|at| node_at(&nodes, at));
    let mut field = node.map(yaml::Node::dotted).unwrap_or_default();
    let mut at = error.at;
    let mut message = error.message;
    let size = |field: &str| if field == "spec.size" { "; use 3, 5, 7 or 9" } else { "" };
    if let Some(missing) = error.missing {
        let object = error.at.map(|at| object_at(&nodes, at)).unwrap_or_default();
        field = if object.is_empty() { missing.to_owned() } else { format!("{object}.{missing}") };
        message = format!("it is missing{}", size(&field));
    } else if let Some(node) = node
        && let Some(rest) = message.strip_prefix("this is")
        && let Shape::Plain(text) | Shape::Text(text) = &node.shape
    {
        let nothing = node.bytes.as_ref().is_some_and(std::ops::Range::is_empty);
        let text = if nothing { "an empty value".to_owned() } else { format!("{text:?}") };
        message = format!("{text} is{rest}{}", size(&field));
        // The reader may point at the key.
        at = Some(node.at);
    }
    ManifestError::Invalid { at, field, message }
}

/// The path of the object that begins at a place, or of the one around the key that stands there.
fn object_at(nodes: &[yaml::Node], at: Position) -> String {
    if let Some(object) = nodes.iter().find(|node| node.at == at && node.shape == Shape::Object) {
        return object.dotted();
    }
    let field = nodes.iter().find(|node| node.key == at).map(yaml::Node::dotted).unwrap_or_default();
    field.rsplit_once('.').map(|(object, _)| object.to_owned()).unwrap_or_default()
}

fn invalid(at: Option<Position>, field: &str, message: &str) -> String {
    let place = at.map(|at| format!("{at}: ")).unwrap_or_default();
    let field = if field.is_empty() { String::new() } else { format!("{field}: ") };
    format!("{place}{field}{message}")
}

fn named(api_version: &str, kind: &str) -> String {
    match (api_version, kind) {
        ("", "") => "a document without apiVersion and kind".into(),
        ("", kind) => format!("{kind} without an apiVersion"),
        (api_version, "") => format!("{api_version} without a kind"),
        (api_version, kind) => format!("{kind} of {api_version}"),
    }
}

fn all(fields: &[UnknownField]) -> String {
    fields.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
