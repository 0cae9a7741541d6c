//! The labels, annotations and names by which the objects of a cluster are found.

use crate::plan::Side;

/// On every object of a cluster: the name of the EtcdCluster.
pub const CLUSTER: &str = "quorate.dev/cluster";
/// On the Pod and the claim of a member: its name.
pub const MEMBER: &str = "quorate.dev/member";
/// On every object of a cluster: the UID of the EtcdCluster, which tells it from another of the same name.
pub const CLUSTER_UID: &str = "quorate.dev/cluster-uid";
/// Annotation of a Pod, a Service and a PodDisruptionBudget: a hash of what it was made from.
pub const FINGERPRINT: &str = "quorate.dev/fingerprint";
/// Annotation of a Pod: what it has of the template that can be changed in place, as JSON; absent when that is nothing.
pub const SOFT: &str = "quorate.dev/changed-in-place";
/// Annotation of a claim: which name of the cluster its member bears. It outlives the member.
pub const SERIAL: &str = "quorate.dev/serial";
/// Annotation of a claim: the version of etcd that its member was made for.
pub const VERSION: &str = "quorate.dev/version";
/// Annotation of a claim: how its member is reached, and whom it trusts, as JSON; absent for plain text.
pub const TRANSPORT: &str = "quorate.dev/transport";
/// Annotation of an EtcdCluster: etcd's ID of the cluster, written when it formed. It outlives a lost status.
pub const CLUSTER_ID: &str = "quorate.dev/cluster-id";
/// Annotation of an EtcdMember: when a person asked for a restart.
pub const RESTART: &str = "quorate.dev/restart-requested";
/// Annotation of an EtcdCluster: when a person asked for a restart of all its members, as `kubectl rollout restart` writes
/// it for workloads of Kubernetes.
pub const RESTART_ALL: &str = "quorate.dev/restartedAt";
/// Annotation of an EtcdCluster: when a person asked for new certificate authorities.
pub const ROTATE: &str = "quorate.dev/rotateCertificates";
/// Annotation of an EtcdMember: a person asked to have it replaced.
pub const REPLACE: &str = "quorate.dev/replace-requested";
/// The condition of a Pod that opens the readiness gate: the cluster formed, and the member is a voter that stays.
pub const IN_SERVICE: &str = "quorate.dev/in-service";
/// What runs, in the label that Kubernetes recommends for it.
pub const APP_NAME: &str = "app.kubernetes.io/name";
/// Which one of them it is: the name of the EtcdCluster.
pub const APP_INSTANCE: &str = "app.kubernetes.io/instance";
/// Who looks after it.
pub const APP_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The labels that are the operator's own: nobody may choose another value.
pub const OWN: [&str; 6] = [CLUSTER, CLUSTER_UID, MEMBER, APP_NAME, APP_INSTANCE, APP_MANAGED_BY];
/// The container of etcd in a member's Pod.
pub const CONTAINER: &str = "etcd";
/// The init container that copies the guard into a member's Pod.
pub const INIT_CONTAINER: &str = "guard";

/// The Service for clients: it points at members that serve.
pub fn client_service(cluster: &str) -> String {
    cluster.to_owned()
}

/// The headless Service by which members find each other.
pub fn peer_service(cluster: &str) -> String {
    format!("{cluster}-peers")
}

/// The Secret with the authorities of a side.
pub fn authority_secret(cluster: &str, side: Side) -> String {
    format!("{cluster}-{side}-ca")
}

/// The Secret with the certificates of a member.
pub fn member_secret(member: &str) -> String {
    format!("{member}-tls")
}

/// The Secret with a certificate for clients.
pub fn client_secret(cluster: &str) -> String {
    format!("{cluster}-client")
}

/// The Secret, and the Certificate of cert-manager, of what the members show on a side.
pub fn issued_secret(cluster: &str, side: Side) -> String {
    format!("{cluster}-{side}-issued")
}

/// The Secret, and the Certificate of cert-manager, of what clients show.
pub fn issued_client_secret(cluster: &str) -> String {
    format!("{cluster}-issued")
}

/// Annotation of an EtcdMember: no other volume of its cluster is left, so it forgets the other members at its start.
pub const ALONE: &str = "quorate.dev/alone";
