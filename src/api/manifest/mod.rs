//! The document that people write: YAML or JSON, the same that `kubectl apply` takes.

mod edit;
mod error;

use serde::Deserialize;

pub use edit::with_size;
pub use error::{ManifestError, UnknownField};

use super::{API_VERSION, EtcdClusterSpec, KIND, crds};
use crate::yaml::{self, Node};

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The name of the cluster.
    pub name: String,
    /// Its namespace, which means nothing on one machine.
    pub namespace: Option<String>,
    /// What the cluster shall be; whether the values make sense is for [`super::validate::check`] to say.
    pub spec: EtcdClusterSpec,
}

/// Reads the one EtcdCluster of a text. Documents of other kinds may stand beside it.
///
/// # Errors
/// When there is none or more than one, when the text is not YAML, when a value is of the wrong type, and when a field
/// is unknown or there twice. Places are those in the text.
pub fn read(text: &str) -> Result<Manifest, ManifestError> {
    let (manifest, _) = read_document(text)?;
    Ok(manifest)
}

/// Where a field such as `spec.size` is written, or the closest field around it that is; `None` when the text is not a
/// manifest. It gives a place to what [`super::validate`] finds.
pub fn position(text: &str, field: &str) -> Option<yaml::Position> {
    let nodes = yaml::outline(&the_cluster(text).ok()?).ok()?;
    let around = |node: &&Node| {
        let path = node.dotted();
        path == field
            || path.is_empty()
            || field.strip_prefix(&path).is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    nodes.iter().filter(around).max_by_key(|node| node.path.len()).map(|node| node.at)
}

/// As [`read`], with the document that it was read from.
fn read_document(text: &str) -> Result<(Manifest, String), ManifestError> {
    let document = the_cluster(text)?;
    let (whole, ignored) = match yaml::from_str_with_ignored::<Document>(&document) {
        Ok(read) => read,
        Err(error) => return Err(error::of_yaml(error, &document)),
    };
    // Metadata and status are the server's to check: they may hold whatever Kubernetes allows there.
    let unknown: Vec<_> = ignored
        .iter()
        .filter(|path| !path.starts_with("metadata."))
        .map(|path| unknown_field(path, &document))
        .collect();
    if !unknown.is_empty() {
        return Err(ManifestError::UnknownFields(unknown));
    }
    let metadata = whole.metadata.unwrap_or_default();
    let name = metadata.name.filter(|name| !name.is_empty()).ok_or(ManifestError::NoName)?;
    let spec = whole.spec.ok_or(ManifestError::NoSpec)?;
    Ok((Manifest { name, namespace: metadata.namespace, spec }, document))
}

/// A document of the right kind, strictly.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Option<Metadata>,
    spec: Option<EtcdClusterSpec>,
    #[serde(rename = "status")]
    _status: Option<serde_json::Value>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
}

/// What tells the kind of a document, whatever else is in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    api_version: Option<String>,
    kind: Option<String>,
}

/// The document of a text that is an EtcdCluster, in its place.
fn the_cluster(text: &str) -> Result<String, ManifestError> {
    let mut clusters = Vec::new();
    let mut others = Vec::new();
    for document in yaml::documents(text) {
        let header = yaml::from_str::<Option<Header>>(&document);
        let Some(header) = header.map_err(|error| error::of_yaml(error, &document))? else { continue };
        let kind = header.kind.unwrap_or_default();
        let api_version = header.api_version.unwrap_or_default();
        if kind == KIND && api_version == API_VERSION {
            clusters.push(document);
        } else {
            others.push((api_version, kind));
        }
    }
    match (clusters.len(), others.as_slice()) {
        (0, []) => Err(ManifestError::Empty),
        (0, [(api_version, kind)]) => {
            Err(ManifestError::WrongKind { api_version: api_version.clone(), kind: kind.clone() })
        }
        (0, _) => Err(ManifestError::NoCluster {
            found: others.into_iter().map(|(api_version, kind)| format!("{api_version} {kind}")).collect(),
        }),
        (1, _) => clusters.pop().ok_or(ManifestError::Empty),
        (count, _) => Err(ManifestError::SeveralClusters { count }),
    }
}

fn unknown_field(path: &str, document: &str) -> UnknownField {
    let (parent, _) = path.rsplit_once('.').unwrap_or(("", path));
    let nodes = yaml::outline(document).unwrap_or_default();
    UnknownField {
        path: path.to_owned(),
        at: nodes.iter().find(|node| node.dotted() == path).map(|node| node.key),
        known: match parent {
            "" => ["apiVersion", "kind", "metadata", "spec"].map(str::to_owned).to_vec(),
            parent => crds::fields(parent),
        },
    }
}

/// The innermost value that begins at a place, or whose key does.
fn node_at(nodes: &[Node], at: yaml::Position) -> Option<&Node> {
    nodes.iter().rev().find(|node| node.at == at || node.key == at)
}

#[cfg(test)]
mod tests;
