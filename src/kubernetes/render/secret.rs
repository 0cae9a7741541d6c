//! The Secrets with certificates: one for the authorities of each side, one for each member, one for clients.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::ResourceExt;

use super::meta;
use crate::{
    api::{EtcdCluster, EtcdMember},
    kubernetes::labels,
    member::guard::words::{CLIENT_PORT, CLIENT_TLS_PORT},
    plan::{Scheme, Side, transport::Listen},
};

/// What a Secret holds, by the names of its entries.
pub type Held = BTreeMap<String, String>;

/// A Secret with the authorities of a side. It goes with its cluster.
pub fn authority_secret(cluster: &EtcdCluster, name: String, held: Held) -> Secret {
    secret(meta::of_cluster(name, cluster), "Opaque", held)
}

/// The Secret for clients. It goes with its cluster.
pub fn client_secret(cluster: &EtcdCluster, name: String, held: Held) -> Secret {
    secret(meta::of_cluster(name, cluster), "kubernetes.io/tls", held)
}

/// The Secret of a member. It goes with its EtcdMember.
pub fn member_secret(member: &EtcdMember, name: String, held: Held) -> Secret {
    let metadata = ObjectMeta {
        name: Some(name),
        namespace: member.namespace(),
        labels: Some(meta::member_labels(member)),
        owner_references: Some(vec![meta::owner(member)]),
        ..ObjectMeta::default()
    };
    secret(metadata, "Opaque", held)
}

fn secret(metadata: ObjectMeta, kind: &str, held: Held) -> Secret {
    let data = held.into_iter().map(|(name, text)| (name, ByteString(text.into_bytes()))).collect();
    Secret { metadata, type_: Some(kind.to_owned()), data: Some(data), ..Secret::default() }
}

/// The names by which a member is reached on a side, the whole ones first: etcd looks them up one after the other until one
/// is that of the peer that connects.
pub fn certificate_names(
    cluster: &str,
    namespace: &str,
    cluster_domain: &str,
    member: &str,
    side: Side,
) -> Vec<String> {
    let forms = |name: String| {
        [
            format!("{name}.{namespace}.svc.{cluster_domain}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}"),
            name,
        ]
    };
    let peers = labels::peer_service(cluster);
    let clients = labels::client_service(cluster);
    let shared = match side {
        Side::Peer => forms(peers.clone()),
        Side::Client => forms(clients),
    };
    let here = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let all = forms(format!("{member}.{peers}")).into_iter().chain(shared).chain(here);
    all.map(|name| name.to_lowercase()).collect()
}

/// The client URLs of a member: each scheme that it listens under, on a port of its own.
pub fn client_urls(name: &str, domain: &str, listen: Listen) -> Vec<String> {
    let ports = [(Scheme::Http, CLIENT_PORT), (Scheme::Https, CLIENT_TLS_PORT)];
    let listens = ports.into_iter().filter(|(scheme, _)| listen.has(*scheme));
    listens.map(|(scheme, port)| format!("{}://{name}.{domain}:{port}", scheme.name())).collect()
}
