//! Templates that are merged into objects of the operator's: metadata and spec, as Kubernetes has them.
//!
//! Only the outer shape is told here; what may stand in a spec is Kubernetes' own business, and changes with its version.

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// An object whose fields the API server keeps as they are.
#[derive(JsonSchema)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub(super) struct Open {}

/// What an object has beside the operator's own.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct Template {
    /// Labels and annotations of the object.
    metadata: Option<TemplateMetadata>,
    /// The spec of the object, merged by the rules of kubectl patch: lists item by item where items have a name; null
    /// deletes.
    spec: Option<Open>,
}

/// The part of the metadata that people may add to.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is used")]
struct TemplateMetadata {
    /// Labels beside the operator's own.
    labels: Option<BTreeMap<String, Option<String>>>,
    /// Annotations beside the operator's own.
    annotations: Option<BTreeMap<String, Option<String>>>,
}
