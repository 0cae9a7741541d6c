//! `status` and `member list` of clusters on Kubernetes: the status that the operator wrote, as it is printed for a folder.

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::server::{Cluster, Server};
use crate::{
    cli::{
        ListOutput, Output, Target,
        exit::{self, CommandError},
        show, table,
    },
    plan::status::ClusterStatus,
    yaml,
};

/// `quorate status` of one cluster.
pub(in crate::cli) async fn status(
    target: &Target,
    name: Option<&str>,
    output: Output,
) -> Result<(), CommandError> {
    let cluster = Server::of(target).await?.cluster(name).await?;
    let status = shown(&cluster)?;
    exit::print(&show::status_text(status, output)?)
}

/// `quorate member list`.
pub(in crate::cli) async fn member_list(
    target: &Target,
    name: Option<&str>,
    output: ListOutput,
) -> Result<(), CommandError> {
    let cluster = Server::of(target).await?.cluster(name).await?;
    let status = shown(&cluster)?;
    exit::print(&show::list_text(status, output)?)
}

/// `quorate status -A`.
pub(in crate::cli) async fn status_of_all(target: &Target, output: Output) -> Result<(), CommandError> {
    let mut all = Server::of(target).await?.all().await?;
    all.sort_by_key(|one| (one.namespace(), one.name_any()));
    let text = match output {
        Output::Json => serde_json::to_string_pretty(&list(&all)).map_err(CommandError::failed)? + "\n",
        Output::Yaml => yaml::to_string(&list(&all)).map_err(CommandError::failed)?,
        Output::Table | Output::Wide if all.is_empty() => {
            exit::note("there is no EtcdCluster in any namespace");
            return Ok(());
        }
        Output::Table => lines(&all, false, Timestamp::now()),
        Output::Wide => lines(&all, true, Timestamp::now()),
    };
    exit::print(&text)
}

/// The status, with a word on standard error when it does not speak of the newest spec.
pub(super) fn shown(cluster: &Cluster) -> Result<&ClusterStatus, CommandError> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let status = cluster.status.as_ref().ok_or_else(|| {
        CommandError::failed(format!(
            "EtcdCluster {name} in namespace {namespace} has no status yet, so the operator has not looked at it; see whether \
             it runs with `kubectl -n quorate-system get pods`"
        ))
    })?;
    if let Some(said) = behind(cluster, status) {
        exit::note(&said);
    }
    Ok(status)
}

/// What a reader has to know when the operator has not seen the last edit.
fn behind(cluster: &Cluster, status: &ClusterStatus) -> Option<String> {
    let newest = cluster.metadata.generation?;
    let seen = status.observed_generation.unwrap_or_default();
    (seen < newest).then(|| {
        format!(
            "the operator has not looked at the newest spec of EtcdCluster {} yet (generation {newest}, it saw {seen}): this \
             is what it wrote before",
            cluster.name_any()
        )
    })
}

fn list(all: &[Cluster]) -> Vec<Value> {
    let one = |cluster: &Cluster| json!({ "namespace": cluster.namespace(), "name": cluster.name_any(), "status": cluster.status });
    all.iter().map(one).collect()
}

/// The columns of `kubectl get etcd -A`.
fn lines(all: &[Cluster], wide: bool, now: Timestamp) -> String {
    let mut header = vec!["NAMESPACE", "NAME", "READY", "VERSION", "LEADER", "STATUS", "DB", "AGE"];
    if wide {
        header.insert(3, "SIZE");
    }
    let rows: Vec<_> = all.iter().map(|one| line(one, wide, now)).collect();
    table::columns(&header, &rows)
}

fn line(cluster: &Cluster, wide: bool, now: Timestamp) -> Vec<String> {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    let status = cluster.status.as_ref();
    let made = cluster.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let mut cells = vec![
        cluster.namespace().unwrap_or_default(),
        cluster.name_any(),
        text(status.map(|status| status.ready.as_str())),
        text(status.and_then(|status| status.version.as_deref())),
        text(status.and_then(|status| status.leader.as_deref())),
        text(status.and_then(|status| status.condition("Ready")).map(|ready| ready.reason.as_str())),
        text(status.map(|status| status.db.as_str())),
        made.map_or_else(|| "-".to_owned(), |made| age(now.as_second() - made.as_second())),
    ];
    if wide {
        cells.insert(3, cluster.spec.get("size").map_or_else(|| "-".to_owned(), Value::to_string));
    }
    cells
}

/// An age in its largest unit, of which there are two at least, as kubectl writes it.
fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(namespace: &str, name: &str, status: Value) -> Cluster {
        serde_json::from_value(json!({
            "metadata": {
                "namespace": namespace, "name": name, "generation": 4, "creationTimestamp": "2026-11-22T15:00:00Z",
            },
            "spec": { "size": 3 },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn all_clusters_have_a_line_each() {
        let status = json!({
            "ready": "2/3", "version": "3.6.16", "leader": "demo-x4k2p", "db": "20Ki",
            "conditions": [{"type": "Ready", "status": "False", "reason": "Recover", "message": "", "lastTransitionTime": ""}],
        });
        let all = [cluster("a", "demo", status), cluster("b", "young", Value::Null)];
        let now: Timestamp = "2026-11-22T18:30:00Z".parse().unwrap();
        assert_eq!(
            lines(&all, false, now),
            "NAMESPACE  NAME   READY  VERSION  LEADER      STATUS   DB    AGE\n\
             a          demo   2/3    3.6.16   demo-x4k2p  Recover  20Ki  3h\n\
             b          young  -      -        -           -        -     3h\n"
        );
        let wide = lines(&all, true, now);
        assert!(wide.starts_with("NAMESPACE  NAME   READY  SIZE  VERSION"), "{wide}");
    }

    #[test]
    fn a_status_of_an_older_spec_is_said_to_be_one() {
        let old = cluster("a", "demo", json!({ "observedGeneration": 3 }));
        let said = behind(&old, old.status.as_ref().unwrap()).unwrap();
        assert!(said.contains("generation 4, it saw 3"), "{said}");
        let new = cluster("a", "demo", json!({ "observedGeneration": 4 }));
        assert_eq!(behind(&new, new.status.as_ref().unwrap()), None);
        let none = shown(&cluster("a", "demo", Value::Null)).map(drop).unwrap_err();
        assert!(none.to_string().contains("EtcdCluster demo in namespace a has no status yet"), "{none}");
    }

    #[test]
    fn ages_are_as_kubectl_writes_them() {
        let written: Vec<_> = [-1, 59, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age).into();
        assert_eq!(written, ["0s", "59s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }
}
