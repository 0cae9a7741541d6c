//! `replace`, `restart` and `scale` on Kubernetes: what is asked for is written into the objects, and the operator does it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;
use serde_json::Value;

use super::server::{Cluster, Server};
use crate::{
    api::EtcdMember,
    cli::{
        AskArgs, RestartArgs, Target, WaitArgs,
        ask::ROTATION,
        exit::{self, CommandError, ExitCode},
        wait::{Actor, follow},
    },
    kubernetes::labels,
    plan::{ClusterSize, status::ClusterStatus},
};

/// Rarer than for a folder: each look is a call or three.
const OPERATOR: Actor = Actor { name: "the operator", look: Duration::from_millis(500) };

/// `quorate replace`.
pub(in crate::cli) async fn replace(args: &AskArgs) -> Result<(), CommandError> {
    let server = Server::of(&args.target).await?;
    let (member, cluster) = find(&server, &args.name).await?;
    server.annotate(&member, labels::REPLACE, &Timestamp::now().to_string()).await?;
    let name = &args.name;
    exit::print(&format!("{name} will be replaced by a new member\n"))?;
    if !args.wait.wait {
        return Ok(());
    }
    follow(&OPERATOR, &args.wait, async || {
        let status = status(&server, &cluster).await?;
        let listed = status.members.iter().any(|one| one.name == *name);
        let done = !listed && status.is("Ready") && server.member_opt(name).await?.is_none();
        Ok((status, done))
    })
    .await
}

/// `quorate restart`.
pub(in crate::cli) async fn restart(args: &RestartArgs) -> Result<(), CommandError> {
    let server = Server::of(&args.target).await?;
    let Some(name) = args.name.as_ref().filter(|_| !args.all) else {
        return restart_all(&server, args.name.as_deref(), &args.wait).await;
    };
    let (member, cluster) = find(&server, name).await?;
    let before = match args.wait.wait {
        true => server.pod(name).await?.as_ref().map(Life::of),
        false => None,
    };
    // To the microsecond: a process that started in the same second may be the one that is meant.
    server.annotate(&member, labels::RESTART, &Timestamp::now().to_string()).await?;
    exit::print(&format!("{name} will be restarted on its data\n"))?;
    if !args.wait.wait {
        return Ok(());
    }
    follow(&OPERATOR, &args.wait, async || {
        let pod = server.pod(name).await?;
        let status = status(&server, &cluster).await?;
        let back = pod.filter(|pod| before.as_ref() != Some(&Life::of(pod)) && serves(pod));
        let done = back.is_some() && status.members.iter().any(|one| one.name == *name && one.ready);
        Ok((status, done))
    })
    .await
}

/// `quorate restart --all`: the operator restarts the members one by one.
async fn restart_all(server: &Server, name: Option<&str>, wait: &WaitArgs) -> Result<(), CommandError> {
    let cluster = server.cluster(name).await?;
    let members = server.members(&cluster).await?;
    let lives = async || {
        let mut lives = Vec::new();
        for one in &members {
            lives.push(server.pod(&one.name_any()).await?);
        }
        Ok::<_, CommandError>(lives)
    };
    let before: Vec<_> = match wait.wait {
        true => lives().await?.iter().map(|pod| pod.as_ref().map(Life::of)).collect(),
        false => Vec::new(),
    };
    server.annotate_cluster(&cluster, labels::RESTART_ALL, &Timestamp::now().to_string()).await?;
    exit::print(&format!(
        "the {} members of cluster {} will be restarted one by one on their data\n",
        members.len(),
        cluster.name_any()
    ))?;
    if !wait.wait {
        return Ok(());
    }
    follow(&OPERATOR, wait, async || {
        let pods = lives().await?;
        let status = status(server, &cluster).await?;
        let back = |(pod, before): (&Option<Pod>, &Option<Life>)| {
            pod.as_ref().is_some_and(|pod| before.as_ref() != Some(&Life::of(pod)) && serves(pod))
        };
        let done = pods.iter().zip(&before).all(back) && status.is("Ready");
        Ok((status, done))
    })
    .await
}

/// `quorate rotate-certificates`.
pub(in crate::cli) async fn rotate_certificates(
    target: &Target,
    name: Option<&str>,
) -> Result<(), CommandError> {
    let server = Server::of(target).await?;
    let cluster = server.cluster(name).await?;
    server.annotate_cluster(&cluster, labels::ROTATE, &Timestamp::now().to_string()).await?;
    exit::print(ROTATION)
}

/// `quorate scale`.
pub(in crate::cli) async fn scale(
    target: &Target,
    name: Option<&str>,
    size: i64,
    args: &WaitArgs,
) -> Result<(), CommandError> {
    let wanted = ClusterSize::new(size)
        .map_err(|error| CommandError::new(ExitCode::Refused, format!("spec.size: {error}")))?;
    let server = Server::of(target).await?;
    let cluster = server.cluster(name).await?;
    let before = cluster.spec.get("size").and_then(Value::as_i64).unwrap_or_default();
    let changed = server.resize(&cluster, size).await?;
    exit::print(&format!("cluster {}: size {before} → {wanted}\n", changed.name_any()))?;
    if !args.wait {
        return Ok(());
    }
    follow(&OPERATOR, args, async || {
        let status = status(&server, &changed).await?;
        // Only a status of this spec or a later one speaks of it.
        let noticed = status.observed_generation >= changed.metadata.generation;
        let done = noticed && status.size == size && status.is("Ready");
        Ok((status, done))
    })
    .await
}

/// The member that was named, and its cluster.
async fn find(server: &Server, name: &str) -> Result<(EtcdMember, Cluster), CommandError> {
    let member = server.member(name).await?;
    let cluster = server.cluster(Some(&member.spec.cluster)).await?;
    if cluster.uid().as_ref() != Some(&member.spec.cluster_uid) {
        return Err(CommandError::new(
            ExitCode::NotFound,
            format!(
                "member {name} belongs to a former EtcdCluster {} that is gone; it goes with it",
                member.spec.cluster
            ),
        ));
    }
    if cluster.spec.get("paused").and_then(Value::as_bool) == Some(true) {
        exit::note(&format!(
            "EtcdCluster {} is paused (spec.paused): nothing happens before that ends",
            cluster.name_any()
        ));
    }
    Ok((member, cluster))
}

/// The status of a cluster as it is now; one that took its place is another.
async fn status(server: &Server, cluster: &Cluster) -> Result<ClusterStatus, CommandError> {
    let name = cluster.name_any();
    let now = server.cluster(Some(&name)).await?;
    if now.uid() != cluster.uid() {
        let message =
            format!("EtcdCluster {name} was deleted and made anew meanwhile, so nothing is waited for");
        return Err(CommandError::new(ExitCode::NotFound, message));
    }
    Ok(now.status.unwrap_or_default())
}

/// What tells one life of a Pod's etcd from the next.
#[derive(Debug, PartialEq, Eq)]
struct Life {
    pod: Option<String>,
    restarts: i32,
}

impl Life {
    fn of(pod: &Pod) -> Self {
        Self { pod: pod.uid(), restarts: etcd(pod).map(|one| one.restart_count).unwrap_or_default() }
    }
}

fn etcd(pod: &Pod) -> Option<&ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|one| one.name == labels::CONTAINER)
}

/// Whether clients are sent to it: the new life of a member says so itself, the status may still speak of the old one.
fn serves(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.filter(|one| one.type_ == "Ready").any(|one| one.status == "True")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(uid: &str, restarts: i32, ready: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "demo-a", "uid": uid},
            "status": {
                "conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": [
                    {"name": "sidecar", "restartCount": 9, "ready": true, "image": "", "imageID": ""},
                    {"name": "etcd", "restartCount": restarts, "ready": true, "image": "", "imageID": ""},
                ],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_restart_is_another_pod_or_another_container() {
        let before = Life::of(&pod("a", 1, "True"));
        assert_eq!(before, Life::of(&pod("a", 1, "False")));
        assert_ne!(before, Life::of(&pod("a", 2, "True")));
        assert_ne!(before, Life::of(&pod("b", 1, "True")));
        assert!(serves(&pod("b", 0, "True")) && !serves(&pod("b", 0, "False")));
        let mut ending = pod("b", 0, "True");
        ending.metadata.deletion_timestamp = serde_json::from_value(json!("2026-11-22T15:00:00Z")).unwrap();
        assert!(!serves(&ending));
    }
}
