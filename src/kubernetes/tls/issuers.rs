//! The mode CertManager: Certificates of cert-manager that ask an issuer for what members and clients show.
//!
//! What cert-manager makes of them are Secrets like those that a person keeps, and they are used in the same way.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{CustomResource, Resource, ResourceExt};
use serde::{Deserialize, Serialize};

use super::supply;
use crate::{
    api::{EtcdCluster, Given, IssuerRef, Tls},
    kubernetes::{error::KubernetesError, labels, platform::KubernetesPlatform, render},
    plan::Side,
};

/// How long Certificates that were seen to be right count as right.
const BELIEVED: Duration = Duration::from_secs(60);

/// What is asked of cert-manager: the fields of its Certificate that are used here.
#[derive(CustomResource, Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[kube(group = "cert-manager.io", version = "v1", kind = "Certificate", namespaced, schema = "disabled")]
#[serde(rename_all = "camelCase")]
pub struct CertificateSpec {
    /// Where it puts what it made.
    pub secret_name: String,
    /// The common name; etcd takes it for that of a user.
    pub common_name: String,
    /// The DNS names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// The addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
    /// What it is for.
    pub usages: Vec<String>,
    /// Which key it has.
    pub private_key: PrivateKey,
    /// Who signs it.
    pub issuer_ref: Issuer,
}

/// The key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivateKey {
    /// Of which kind.
    pub algorithm: String,
    /// How long.
    pub size: u16,
    /// In which form.
    pub encoding: String,
    /// Whether each certificate gets another one.
    pub rotation_policy: String,
}

/// Who signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// The group of that kind.
    pub group: String,
}

/// The sides whose certificates an issuer signs.
pub(super) fn sides(cluster: &EtcdCluster) -> impl Iterator<Item = Side> {
    Side::ALL.into_iter().filter(|side| issuer(cluster, *side).is_some())
}

fn issuer(cluster: &EtcdCluster, side: Side) -> Option<IssuerRef> {
    match Tls::given(cluster.spec.tls.as_ref(), side)? {
        Given::Issuer(issuer) => Some(issuer),
        Given::Secrets { .. } => None,
    }
}

/// The Certificates of a cluster.
fn certificates(cluster: &EtcdCluster, cluster_domain: &str) -> Vec<Certificate> {
    let name = cluster.name_any();
    let mut all = Vec::new();
    for side in Side::ALL {
        let Some(issuer) = issuer(cluster, side) else { continue };
        let names = supply::names(cluster, cluster_domain, side).into_iter();
        let (addresses, mut dns_names): (Vec<_>, Vec<_>) = names.partition(|name| name == "127.0.0.1");
        dns_names.push("localhost".to_owned());
        if side == Side::Client {
            let namespace = cluster.namespace().unwrap_or_default();
            let service = labels::client_service(&name);
            dns_names.extend([
                format!("{service}.{namespace}.svc"),
                format!("{service}.{namespace}"),
                service,
            ]);
        }
        let secret = labels::issued_secret(&name, side);
        all.push(certificate(
            cluster,
            secret,
            (dns_names, addresses),
            &["server auth", "client auth"],
            &issuer,
        ));
        if side == Side::Client {
            let secret = labels::issued_client_secret(&name);
            all.push(certificate(cluster, secret, (Vec::new(), Vec::new()), &["client auth"], &issuer));
        }
    }
    all
}

fn certificate(
    cluster: &EtcdCluster,
    name: String,
    (dns_names, ip_addresses): (Vec<String>, Vec<String>),
    usages: &[&str],
    issuer: &IssuerRef,
) -> Certificate {
    let usages = ["digital signature"].iter().chain(usages);
    let spec = CertificateSpec {
        secret_name: name.clone(),
        common_name: name.clone(),
        dns_names,
        ip_addresses,
        usages: usages.map(|usage| (*usage).to_owned()).collect(),
        private_key: PrivateKey {
            algorithm: "ECDSA".to_owned(),
            size: 256,
            encoding: "PKCS8".to_owned(),
            rotation_policy: "Always".to_owned(),
        },
        issuer_ref: Issuer {
            name: issuer.name.clone(),
            kind: issuer.kind.clone().unwrap_or_else(|| "Issuer".to_owned()),
            group: issuer.group.clone().unwrap_or_else(|| "cert-manager.io".to_owned()),
        },
    };
    Certificate { metadata: render::of_cluster(name, cluster), spec }
}

/// Whether a Certificate that is there belongs to the same cluster as the one that is wanted.
fn is_own(found: &ObjectMeta, wanted: &ObjectMeta) -> bool {
    let owner = |meta: &ObjectMeta| Some(meta.owner_references.as_ref()?.first()?.uid.clone());
    owner(found) == owner(wanted)
}

impl KubernetesPlatform {
    /// Makes the Certificates, and corrects those that are not as they should be. It touches nothing of a cluster that is
    /// paused.
    pub(in crate::kubernetes) async fn keep_certificates(
        &self,
        cluster: &EtcdCluster,
    ) -> Result<(), KubernetesError> {
        let wanted = certificates(cluster, &self.shared.cluster_domain);
        let specs: Vec<_> = wanted.iter().map(|one| one.spec.clone()).collect();
        let seen = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if wanted.is_empty()
            || cluster.spec.paused
            || seen.is_some_and(|(at, asked)| asked == specs && at.elapsed() < BELIEVED)
        {
            return Ok(());
        }
        for one in &wanted {
            match self.hands().certificate(&self.namespace, &one.name_any()).await? {
                None => self.hands().make_certificate(one).await?,
                Some(found) if !is_own(found.meta(), one.meta()) => {
                    return Err(KubernetesError::Foreign { kind: "Certificate", name: one.name_any() });
                }
                Some(found) if found.spec == one.spec => {}
                Some(found) => self.hands().change_certificate(&found, &one.spec).await?,
            }
        }
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), specs));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::EtcdClusterSpec;

    #[test]
    fn cert_manager_is_asked_for_what_is_needed_and_for_nothing_else() {
        let cluster = |tls| {
            let spec: EtcdClusterSpec =
                serde_json::from_value(serde_json::json!({ "size": 3, "tls": tls })).unwrap();
            let mut cluster = EtcdCluster::new("demo", spec);
            cluster.metadata.namespace = Some("ns".into());
            certificates(&cluster, "cluster.local")
        };
        let issuer = serde_json::json!({ "mode": "CertManager", "issuerRef": { "name": "ours" } });
        let all = cluster(serde_json::json!({ "peer": issuer, "client": issuer }));
        let names: Vec<_> = all.iter().map(|one| one.spec.secret_name.as_str()).collect();
        assert_eq!(names, ["demo-peer-issued", "demo-client-issued", "demo-issued"]);
        let [peer, members, clients] = all.as_slice() else { panic!("{names:?}") };
        let peers = ["*.demo-peers.ns.svc.cluster.local", "demo-peers.ns.svc.cluster.local", "localhost"];
        assert_eq!(peer.spec.dns_names, peers);
        assert!(members.spec.dns_names.iter().any(|name| name == "demo.ns.svc"));
        assert_eq!(members.spec.ip_addresses, ["127.0.0.1"]);
        assert_eq!(clients.spec.usages, ["digital signature", "client auth"]);
        assert_eq!(clients.spec.issuer_ref.kind, "Issuer");
        let given = serde_json::json!({ "mode": "Secret", "secretName": "mine" });
        assert_eq!(cluster(serde_json::json!({ "peer": given })).len(), 0);
    }
}
