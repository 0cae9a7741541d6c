//! `explain` of a cluster on Kubernetes: the operator's last word on it, and the flags that the guards give to etcd.

use std::{collections::BTreeMap, net::IpAddr, path::Path};

use kube::ResourceExt;

use super::{
    server::{Cluster, Server},
    status::shown,
};
use crate::{
    api::EtcdMember,
    cli::{
        ExplainOutput, Target,
        exit::{self, CommandError},
        explain::{Explanation, Member},
    },
    kubernetes::{incarnation, render, views::MemberView},
    member::guard::{
        self,
        words::{CERTIFICATES, VOLUME},
    },
    plan::status::ClusterStatus,
};

/// `quorate explain`.
pub(in crate::cli) async fn explain(
    target: &Target,
    name: Option<&str>,
    output: ExplainOutput,
) -> Result<(), CommandError> {
    let server = Server::of(target).await?;
    let cluster = server.cluster(name).await?;
    let status = shown(&cluster)?;
    let members = server.members(&cluster).await?;
    let mut addresses = BTreeMap::new();
    for one in &members {
        // The address only tells IPv4 from IPv6, so a reader who may not see Pods gets the flags all the same.
        match server.pod(&one.name_any()).await {
            Ok(pod) => {
                let ip = pod.and_then(|pod| pod.status?.pod_ip?.parse::<IpAddr>().ok());
                addresses.extend(ip.map(|ip| (one.name_any(), ip)));
            }
            Err(error) => {
                exit::note(&format!("{error}; the addresses it listens on are shown as for IPv4"));
                break;
            }
        }
    }
    exit::print(&explanation(&cluster, status, &members, &addresses).text(output))
}

fn explanation(
    cluster: &Cluster,
    status: &ClusterStatus,
    members: &[EtcdMember],
    addresses: &BTreeMap<String, IpAddr>,
) -> Explanation {
    let progressing = status.condition("Progressing");
    let (decision, reason) = match (&status.operation, progressing) {
        (Some(operation), _) => ("InProgress", operation.reason.clone()),
        (None, Some(condition)) if condition.reason == "Settled" => ("Settled", condition.message.clone()),
        (None, Some(condition)) => ("Wait", condition.message.clone()),
        (None, None) => ("Wait", "the operator has not said yet".to_owned()),
    };
    let applied = status.condition("SpecApplied").filter(|condition| condition.status == "False");
    let mut members: Vec<_> =
        members.iter().map(|one| member(one, status, addresses.get(&one.name_any()).copied())).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Explanation {
        cluster: cluster.name_any(),
        as_of: Some(as_of(cluster)),
        decision,
        operation: status.operation.as_ref().map(|operation| operation.kind.clone()),
        reason,
        // What it does next is the operator's to know; its status has the sentence, not the steps.
        steps: Vec::new(),
        not_applied: applied.map(|condition| condition.message.clone()).into_iter().collect(),
        members,
    }
}

/// When the status was written, by what the API server notes beside it. Nothing is written while nothing changes.
fn as_of(cluster: &Cluster) -> String {
    let written = cluster
        .metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|fields| fields.subresource.as_deref() == Some("status"))
        .filter_map(|fields| fields.time.as_ref())
        .map(|time| time.0)
        .max();
    match written {
        Some(at) => format!("as the operator saw it at {at:.0}; it writes again when something changes"),
        None => "as the operator saw it last".to_owned(),
    }
}

/// A member and the flags that its guard gives to etcd at the next start, as it is recorded now.
fn member(object: &EtcdMember, status: &ClusterStatus, pod_ip: Option<IpAddr>) -> Member {
    let name = object.name_any();
    let admitted = object.spec.admission.as_ref().filter(|_| !object.spec.discarded);
    let flags = domain(object, status).zip(admitted).map(|(domain, admission)| {
        let started =
            incarnation::started(&MemberView::of(object.clone()), status.cluster_id.is_some(), None);
        let assignment = render::assignment(object, started, domain);
        let addresses = guard::addresses(&assignment, pod_ip);
        // A guard leaves the check out when no quorum of its peers answers.
        let check = !started || status.is("Available");
        let data = Path::new(VOLUME).join("data");
        let certificates = Path::new(CERTIFICATES);
        guard::flags(&assignment, Some(admission.clone()), &addresses, &data, certificates, !started, check)
    });
    Member { name, version: object.spec.version.to_string(), flags }
}

/// The domain of the cluster's members. Only the operator knows that of the Kubernetes cluster; it stands in the peer URLs.
fn domain(object: &EtcdMember, status: &ClusterStatus) -> Option<String> {
    let listed = status.members.iter().map(|one| (&one.name, &one.peer_url));
    let told = object.spec.admission.iter().flat_map(|told| &told.initial_cluster);
    let mut urls = listed.chain(told.map(|peer| (&peer.name, &peer.url)));
    urls.find_map(|(name, url)| {
        let (_, host) = url.split_once("://")?;
        let host = host.strip_prefix(name.as_str())?.strip_prefix('.')?;
        Some(host.rsplit_once(':')?.0.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DOMAIN: &str = "demo-peers.ns.svc.corp";

    fn cluster() -> Cluster {
        let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": ""});
        let peer = |name: &str| json!({"name": name, "peerURL": format!("http://{name}.{DOMAIN}:2380")});
        serde_json::from_value(json!({
            "metadata": {
                "namespace": "ns", "name": "demo", "uid": "u", "generation": 2,
                "managedFields": [
                    {"manager": "kubectl", "operation": "Apply", "time": "2026-11-22T16:00:00Z"},
                    {"manager": "quorate", "operation": "Update", "subresource": "status", "time": "2026-11-22T15:04:05Z"},
                ],
            },
            "spec": {"size": 3},
            "status": {
                "observedGeneration": 2,
                "clusterId": "9a2f",
                "members": [peer("demo-a"), peer("demo-b")],
                "operation": {"kind": "ScaleOut", "member": "demo-b", "reason": "waiting for demo-b to answer"},
                "conditions": [
                    condition("Available", "True", "QuorumServes", ""),
                    condition("Progressing", "True", "ScaleOut", "waiting for demo-b to answer"),
                    condition("SpecApplied", "False", "NotApplied", "spec.podTemplate.spec.hostname is not applied"),
                ],
            },
        }))
        .unwrap()
    }

    fn object(name: &str, admission: Value) -> EtcdMember {
        serde_json::from_value(json!({
            "apiVersion": "quorate.dev/v1alpha1", "kind": "EtcdMember",
            "metadata": {"namespace": "ns", "name": name, "uid": "m"},
            "spec": {
                "cluster": "demo", "clusterUid": "u", "serial": 1, "version": "3.6.16", "image": "etcd:v3.6.16",
                "options": {"quotaBackendBytes": 1024}, "admission": admission,
            },
        }))
        .unwrap()
    }

    fn explained(addresses: &[(&str, &str)]) -> Explanation {
        let cluster = cluster();
        let founder = json!({
            "state": "new", "token": "demo-u",
            "initialCluster": [{"name": "demo-a", "url": format!("http://demo-a.{DOMAIN}:2380")}],
        });
        let members = [object("demo-b", Value::Null), object("demo-a", founder)];
        let addresses =
            addresses.iter().map(|(name, ip)| ((*name).to_owned(), ip.parse().unwrap())).collect();
        explanation(&cluster, cluster.status.as_ref().unwrap(), &members, &addresses)
    }

    #[test]
    fn the_text_has_the_reason_the_time_and_every_flag() {
        let text = explained(&[]).text(ExplainOutput::Text);
        let start = "cluster demo: waiting for demo-b to answer\n\
                     as the operator saw it at 2026-11-22T15:04:05Z; it writes again when something changes\n\
                     not applied: spec.podTemplate.spec.hostname is not applied\n\n\
                     demo-a, etcd 3.6.16:\n  etcd --name=demo-a \\\n    --data-dir=/var/lib/etcd/data \\\n";
        assert!(text.starts_with(start), "{text}");
        for flag in [
            "--listen-client-urls=http://0.0.0.0:2379",
            "--advertise-client-urls=http://demo-a.demo-peers.ns.svc.corp:2379",
            // It formed the cluster, which is recorded, so it never forms one again.
            "--initial-cluster-state=existing",
            "--quota-backend-bytes=1024",
            "--feature-gates=InitialCorruptCheck=true",
        ] {
            assert!(text.contains(flag), "{flag}\n{text}");
        }
        assert!(
            text.ends_with("\ndemo-b, etcd 3.6.16: not admitted yet or not readable, so it has no flags\n"),
            "{text}"
        );
    }

    #[test]
    fn the_json_has_the_shape_of_one_machine_and_says_who_saw_it() {
        let value: Value =
            serde_json::from_str(&explained(&[("demo-a", "fd00::3")]).text(ExplainOutput::Json)).unwrap();
        assert_eq!(value["decision"], "InProgress");
        assert_eq!(value["operation"], "ScaleOut");
        assert_eq!(value["steps"], json!([]));
        assert_eq!(value["notApplied"][0], "spec.podTemplate.spec.hostname is not applied");
        assert!(value["asOf"].as_str().unwrap().contains("2026-11-22T15:04:05Z"));
        assert_eq!(value["members"][1]["flags"], Value::Null);
        let flags = value["members"][0]["flags"].as_array().unwrap();
        assert!(flags.contains(&json!("--listen-peer-urls=http://[::]:2380")), "{flags:?}");
    }
}
