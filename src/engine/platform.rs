//! What a platform is: a few verbs about members. One machine and Kubernetes are two of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    future::Future,
};

use crate::{
    etcd::{Credentials, Endpoint},
    plan::{
        Admission, ClusterId, Desired, Incarnation, MemberName, PeerDomain, Recipe, Record, Side, Sides,
        Snapshot, Step, Transport, certificates::Certificates, status::ClusterStatus, transport::AuthorityId,
        version::Minor,
    },
};

/// What a platform sees of one cluster. The members' own words are added by the engine.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The name of the cluster.
    pub cluster: String,
    /// What tells it from another of the same name.
    pub uid: String,
    /// Counts the edits of the spec.
    pub generation: Option<i64>,
    /// The spec, checked.
    pub desired: Desired,
    /// The facts that can't be observed again.
    pub record: Record,
    /// The members that exist.
    pub incarnations: Vec<Incarnation>,
    /// What is known of the certificates.
    pub certificates: Sides<Certificates>,
    /// The snapshots of the data that are kept for changes of the minor version.
    pub snapshots: Vec<Snapshot>,
    /// The members of a former cluster of this name whose volumes are still there.
    pub left: Vec<MemberName>,
    /// By which members get addresses that are known before their places are; `None` where each place gets its own.
    pub domain: Option<PeerDomain>,
    /// How they are talked to.
    pub credentials: Credentials,
    /// Where each of them is reached.
    pub endpoints: BTreeMap<MemberName, Endpoint>,
    /// Those that somebody else sees serve, by asking the same `/readyz` again and again: on Kubernetes the kubelet.
    pub vouched: BTreeSet<MemberName>,
}

/// The verbs. Each is done when its future is ready, and doing one again after a crash does no harm.
pub trait Platform {
    /// Why a verb failed, in words for a person.
    type Error: Error + Send + Sync + 'static;

    /// Looks at everything; changes nothing of a member.
    fn observe(&self) -> impl Future<Output = Result<Observed, Self::Error>>;
    /// Writes the serial down, then makes a place for a member of this name, made from this recipe.
    fn reserve(
        &self,
        name: &MemberName,
        serial: u64,
        recipe: &Recipe,
        admission: Option<&Admission>,
    ) -> impl Future<Output = Result<(), Self::Error>>;
    /// Makes a member of a volume that a former cluster of this name left; `alone` when no other volume is left.
    fn take_up(
        &self,
        name: &MemberName,
        alone: bool,
        transport: &Transport,
    ) -> impl Future<Output = Result<(), Self::Error>>;
    /// Records how a member enters the cluster.
    fn admit(
        &self,
        name: &MemberName,
        admission: &Admission,
    ) -> impl Future<Output = Result<(), Self::Error>>;
    /// Starts a member's process on its data, with or without etcd's initial corruption check. Refuses when the data is
    /// gone.
    fn start(&self, name: &MemberName, check: bool) -> impl Future<Output = Result<(), Self::Error>>;
    /// Stops a member's process and keeps its data.
    fn stop(&self, name: &MemberName) -> impl Future<Output = Result<(), Self::Error>>;
    /// Makes a member anew from another recipe, on the data it has. Its process ends, if it runs.
    fn renew(&self, name: &MemberName, recipe: &Recipe) -> impl Future<Output = Result<(), Self::Error>>;
    /// Begins to take a snapshot of the data through a member, and keeps it: what becomes of it shows in later looks.
    fn snapshot(&self, name: &MemberName, to: Minor) -> impl Future<Output = Result<(), Self::Error>>;
    /// Makes a new authority of the cluster's own. The first of a side signs at once, a further one is only trusted yet.
    /// There is at most one of those.
    fn add_authority(&self, side: Side) -> impl Future<Output = Result<(), Self::Error>>;
    /// Lets an authority sign from now on.
    fn use_authority(&self, side: Side, id: &AuthorityId) -> impl Future<Output = Result<(), Self::Error>>;
    /// Forgets an authority that does not sign (any more).
    fn drop_authority(&self, side: Side, id: &AuthorityId) -> impl Future<Output = Result<(), Self::Error>>;
    /// Records that clients are told to leave a member, or that they may come back.
    fn drain(&self, name: &MemberName, draining: bool) -> impl Future<Output = Result<(), Self::Error>>;
    /// Ends a member's process, if any, and deletes it with its data.
    fn discard(&self, name: &MemberName) -> impl Future<Output = Result<(), Self::Error>>;
    /// Records that the cluster formed.
    fn record_formed(&self, cluster_id: ClusterId) -> impl Future<Output = Result<(), Self::Error>>;
    /// Makes sure, by a read that is newer than any write before it, that what is about to be removed or deleted is what
    /// the look showed.
    fn confirm(&self, step: &Step) -> impl Future<Output = Result<(), Self::Error>>;
    /// Lets clients reach the members in `open`, and not those in `closed`.
    fn serve(
        &self,
        open: &[MemberName],
        closed: &[MemberName],
    ) -> impl Future<Output = Result<(), Self::Error>>;
    /// Shows the status to people.
    fn publish(&self, status: &ClusterStatus) -> impl Future<Output = Result<(), Self::Error>>;
    /// Ready as soon as something changed since the last look. It may be ready for no reason.
    fn changed(&self) -> impl Future<Output = ()>;
}
