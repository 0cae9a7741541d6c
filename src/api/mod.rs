//! The resource that people write, on every platform: its fields, its rules and the manifest it is read from.
//!
//! The rules stand twice: as CEL in the custom resource definition, where the API server applies them, and in
//! [`validate`], which needs no server. `tests/validation.rs` holds both to one table of cases.
//!
//! Pure: text and values in, values and messages out. It may use [`crate::plan`], which knows nothing of it.

pub mod cluster;
pub mod crds;
pub mod manifest;
pub mod member;
mod options;
mod quantity;
mod rules;
mod scalars;
mod storage;
mod template;
mod tls;
pub mod validate;

pub use cluster::{Bootstrap, EtcdCluster, EtcdClusterSpec, Services};
pub use member::{EtcdMember, EtcdMemberSpec, EtcdMemberStatus};
pub use options::EtcdSpec;
pub use quantity::Quantity;
pub use storage::{ClaimRequests, ClaimResources, ClaimSpec, ClaimTemplate, EmptyDir, Storage};
pub use tls::{ClientTls, Given, IssuerRef, PeerTls, Tls};

/// The API group and version of the resource, as it stands in `apiVersion`.
pub const API_VERSION: &str = "quorate.dev/v1alpha1";
/// The kind of the resource.
pub const KIND: &str = "EtcdCluster";
