//! The labels, annotations and names by which the objects of a cluster are found.

/// On every object of a cluster: the name of the EtcdCluster.
pub const CLUSTER: &str = "quorate.dev/cluster";
/// On the Pod and the claim of a member: its name.
pub const MEMBER: &str = "quorate.dev/member";
/// On every object of a cluster: the UID of the EtcdCluster, which tells it from another of the same name.
pub const CLUSTER_UID: &str = "quorate.dev/cluster-uid";
/// Annotation of a Pod, a Service and a PodDisruptionBudget: a hash of what it was made from.
pub const FINGERPRINT: &str = "quorate.dev/fingerprint";
/// Annotation of an EtcdCluster: etcd's ID of the cluster, written when it formed. It outlives a lost status.
pub const CLUSTER_ID: &str = "quorate.dev/cluster-id";
/// Annotation of an EtcdMember: when a person asked for a restart.
pub const RESTART: &str = "quorate.dev/restart-requested";
/// Annotation of an EtcdMember: a person asked to have it replaced.
pub const REPLACE: &str = "quorate.dev/replace-requested";
/// The condition of a Pod that opens the readiness gate: the cluster formed, and the member is a voter that stays.
pub const IN_SERVICE: &str = "quorate.dev/in-service";
/// The container of etcd in a member's Pod.
pub const CONTAINER: &str = "etcd";

/// The Service for clients: it points at members that serve.
pub fn client_service(cluster: &str) -> String {
    cluster.to_owned()
}

/// The headless Service by which members find each other.
pub fn peer_service(cluster: &str) -> String {
    format!("{cluster}-peers")
}
/// Annotation of a claim: which name of its cluster it bears.
pub const SERIAL: &str = "quorate.dev/serial";
/// Annotation of a claim: the version of etcd that runs on it.
pub const VERSION: &str = "quorate.dev/version";
