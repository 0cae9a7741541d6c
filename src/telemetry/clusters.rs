//! Metrics of each cluster and of each member, beside the sums over all of them.
//!
//! They are written from the facts of the last pass when somebody asks, so that a cluster or a member that is gone leaves
//! no series behind. The labels begin with `etcd_`: `namespace` and `cluster` are taken in most Prometheus set-ups.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
    metrics::MetricType,
};

use crate::plan::{
    Desired, Side,
    status::{CertificatesStatus, ClusterStatus},
};

/// etcd's default of `--quota-backend-bytes`, in bytes (`etcdserver.DefaultQuotaBytes`).
const DEFAULT_QUOTA: i64 = 2 << 30;

/// All clusters that are looked after.
#[derive(Debug, Clone, Default)]
pub(super) struct Clusters(Arc<Mutex<Vec<Weak<Cluster>>>>);

/// One of them. Its series end when the value is dropped.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    namespace: String,
    name: String,
    facts: Mutex<Option<Facts>>,
}

/// What the last pass that ended well saw.
#[derive(Debug)]
struct Facts {
    at: u64,
    wanted: i64,
    quota: Option<i64>,
    has_leader: bool,
    leader_changes: u64,
    conditions: Vec<(String, bool)>,
    certificates: Vec<Expiry>,
    members: Vec<Member>,
}

/// Until when the certificates of one side are valid, in seconds since 1970.
#[derive(Debug)]
struct Expiry {
    side: Side,
    leaf: Option<i64>,
    authority: Option<i64>,
}

#[derive(Debug)]
struct Member {
    name: String,
    ready: bool,
    db_size: Option<i64>,
    in_use: Option<i64>,
}

impl Clusters {
    /// One more cluster; `namespace` is empty on one machine.
    pub(super) fn add(&self, namespace: &str, name: &str) -> Arc<Cluster> {
        let cluster = Cluster { namespace: namespace.into(), name: name.into(), facts: Mutex::default() };
        let cluster = Arc::new(cluster);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&cluster));
        cluster
    }

    /// Those that are still there. The task of a cluster that was made anew may meet the end of its predecessor's: the
    /// later one counts, since no series may come twice.
    fn all(&self) -> BTreeMap<(String, String), Arc<Cluster>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|one| one.strong_count() > 0);
        let living = known.iter().filter_map(Weak::upgrade);
        living.map(|one| ((one.namespace.clone(), one.name.clone()), one)).collect()
    }
}

impl Cluster {
    /// Takes notice of a pass that ended well.
    pub(super) fn pass(&self, desired: &Desired, status: &ClusterStatus, leader_changed: bool) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = facts.as_ref().map_or(0, |facts| facts.leader_changes);
        *facts = Some(Facts {
            at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            wanted: i64::try_from(desired.size.get()).unwrap_or(i64::MAX),
            quota: quota(desired.options.quota_backend_bytes),
            has_leader: status.leader.is_some(),
            leader_changes: before + u64::from(leader_changed),
            conditions: status
                .conditions
                .iter()
                .map(|one| (one.kind.clone(), one.status == "True"))
                .collect(),
            certificates: expiries(status),
            members: status
                .members
                .iter()
                .map(|one| Member {
                    name: one.name.clone(),
                    ready: one.ready,
                    db_size: one.db_size,
                    in_use: one.db_size_in_use,
                })
                .collect(),
        });
    }
}

fn expiries(status: &ClusterStatus) -> Vec<Expiry> {
    let seconds =
        |text: &Option<String>| text.as_ref()?.parse().ok().map(|time: jiff::Timestamp| time.as_second());
    let Some(CertificatesStatus { peer, client }) = &status.certificates else { return Vec::new() };
    [(Side::Peer, peer), (Side::Client, client)]
        .into_iter()
        .filter_map(|(side, known)| {
            let known = known.as_ref()?;
            Some(Expiry { side, leaf: seconds(&known.expires), authority: seconds(&known.authority_expires) })
        })
        .collect()
}

/// The size at which etcd stops writes, in bytes; nothing when there is no limit.
fn quota(asked: Option<i64>) -> Option<i64> {
    match asked {
        None | Some(0) => Some(DEFAULT_QUOTA),
        Some(bytes) if bytes < 0 => None,
        Some(bytes) => Some(bytes),
    }
}

impl Collector for Clusters {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let clusters = self.all();
        let facts: Vec<_> = clusters
            .values()
            .map(|one| (&**one, one.facts.lock().unwrap_or_else(PoisonError::into_inner)))
            .collect();
        let known: Vec<(&Cluster, &Facts)> =
            facts.iter().filter_map(|(one, facts)| Some((*one, facts.as_ref()?))).collect();
        let mut page = Page { encoder: &mut encoder, known: &known };
        page.clusters("cluster_size_wanted", "Members that the spec asks for", |one| Some(one.wanted))?;
        page.clusters("cluster_quota_bytes", "The size of the database at which etcd stops writes", |one| {
            one.quota
        })?;
        page.clusters("cluster_has_leader", "1 while a member says who leads", |one| {
            Some(i64::from(one.has_leader))
        })?;
        page.clusters("cluster_last_pass_timestamp_seconds", "When a pass ended well last", |one| {
            i64::try_from(one.at).ok()
        })?;
        page.leader_changes()?;
        page.conditions()?;
        page.certificates(
            "certificate_expiry_timestamp_seconds",
            "When the first of the certificates in use ends",
            |one| one.leaf,
        )?;
        page.certificates(
            "certificate_authority_expiry_timestamp_seconds",
            "When the authority that signs certificates ends",
            |one| one.authority,
        )?;
        page.members("member_ready", "1 while the member serves", |one| Some(i64::from(one.ready)))?;
        page.members("member_db_size_bytes", "The size of the member's database", |one| one.db_size)?;
        page.members("member_db_size_in_use_bytes", "The part of it in use", |one| one.in_use)
    }
}

/// One page of metrics that is being written.
struct Page<'a, 'b> {
    encoder: &'a mut DescriptorEncoder<'b>,
    known: &'a [(&'a Cluster, &'a Facts)],
}

impl Page<'_, '_> {
    fn clusters(&mut self, name: &str, help: &str, value: fn(&Facts) -> Option<i64>) -> fmt::Result {
        let samples =
            self.known.iter().filter_map(|(one, facts)| Some((labels(one).to_vec(), value(facts)?)));
        gauges(self.encoder, name, help, samples)
    }

    fn conditions(&mut self) -> fmt::Result {
        let samples = self.known.iter().flat_map(|(one, facts)| {
            let of = |(kind, is_true): &'_ (String, bool)| {
                let mut all = labels(one).to_vec();
                all.push(("condition", kind.clone()));
                (all, i64::from(*is_true))
            };
            facts.conditions.iter().map(of).collect::<Vec<_>>()
        });
        gauges(self.encoder, "cluster_condition", "1 while the condition is True", samples)
    }

    fn certificates(&mut self, name: &str, help: &str, value: fn(&Expiry) -> Option<i64>) -> fmt::Result {
        let samples = self.known.iter().flat_map(|(one, facts)| {
            let of = |expiry: &Expiry| {
                let mut all = labels(one).to_vec();
                all.push(("side", expiry.side.name().to_owned()));
                Some((all, value(expiry)?))
            };
            facts.certificates.iter().filter_map(of).collect::<Vec<_>>()
        });
        gauges(self.encoder, name, help, samples)
    }

    fn members(&mut self, name: &str, help: &str, value: fn(&Member) -> Option<i64>) -> fmt::Result {
        let samples = self.known.iter().flat_map(|(one, facts)| {
            let of = |member: &Member| {
                let mut all = labels(one).to_vec();
                all.push(("etcd_member", member.name.clone()));
                Some((all, value(member)?))
            };
            facts.members.iter().filter_map(of).collect::<Vec<_>>()
        });
        gauges(self.encoder, name, help, samples)
    }

    fn leader_changes(&mut self) -> fmt::Result {
        let (name, help) = ("cluster_leader_changes", "Changes of leader that were seen");
        let mut family = self.encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (one, facts) in self.known {
            let labels = labels(one);
            let mut sample = family.encode_family(&labels)?;
            sample.encode_counter::<NoLabelSet, _, u64>(&facts.leader_changes, None)?;
        }
        Ok(())
    }
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (Vec<(&'static str, String)>, i64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

fn labels(cluster: &Cluster) -> [(&'static str, String); 2] {
    [("etcd_namespace", cluster.namespace.clone()), ("etcd_cluster", cluster.name.clone())]
}

#[cfg(test)]
mod tests {
    use super::quota;

    #[test]
    fn the_quota_is_what_etcd_makes_of_the_spec() {
        for (asked, told) in
            [(None, Some(2 << 30)), (Some(0), Some(2 << 30)), (Some(-1), None), (Some(7), Some(7))]
        {
            assert_eq!(quota(asked), told);
        }
    }
}
