//! What the members say, added to what the platform sees.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::join_all;

use super::platform::Observed;
use crate::{
    etcd::{Credentials, Endpoint, MemberClient, Observer, http::Http},
    plan::{
        ClusterId, EtcdVersion, Incarnation, Listed, MemberId, MemberName, Membership, Policy, Report, World,
        divergence::Divergence, upgrade,
    },
    telemetry::metrics::Metrics,
};

/// One client a member, kept while there is something to do as long as the member is there under the same addresses.
pub struct Clients {
    http: Http,
    observer: Observer,
    by_name: BTreeMap<MemberName, (Endpoint, MemberClient)>,
}

impl Clients {
    /// None yet. Every call is counted in `metrics`.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { http: Http::new(), observer: metrics.call_observer(), by_name: BTreeMap::new() }
    }

    /// Closes the clients of members that are gone and opens those of new ones; all of them, when they are to be talked to
    /// with other certificates.
    fn follow(&mut self, endpoints: &BTreeMap<MemberName, Endpoint>, credentials: Credentials) {
        if *self.http.credentials() != credentials {
            self.http = Http::with(credentials);
            self.by_name.clear();
        }
        self.by_name.retain(|name, (endpoint, _)| endpoints.get(name) == Some(endpoint));
        for (name, endpoint) in endpoints {
            if !self.by_name.contains_key(name) {
                let observer = Some(Arc::clone(&self.observer));
                let client = MemberClient::new(endpoint.clone(), self.http.clone(), observer);
                self.by_name.insert(name.clone(), (endpoint.clone(), client));
            }
        }
    }

    /// Closes all connections; the next look opens them anew. A comparison that is under way keeps its own.
    pub(super) fn hang_up(&mut self) {
        self.by_name.clear();
    }

    /// The client of a member.
    pub(super) fn get(&self, name: &MemberName) -> Option<&MemberClient> {
        self.by_name.get(name).map(|(_, client)| client)
    }
}

/// Asks every member that runs, all at once, and reads the member list through one that knows. Whether it serves is not asked
/// of a member that the platform vouches for.
pub async fn look(
    observed: Observed,
    clients: &mut Clients,
    policy: Policy,
    divergence: Option<Divergence>,
) -> World {
    clients.follow(&observed.endpoints, observed.credentials);
    let mut incarnations = observed.incarnations;
    let wanted = observed.desired.version;
    let vouched = observed.vouched;
    let asked = incarnations.iter().map(|one| report(clients, one, wanted, vouched.contains(&one.name)));
    let reports = join_all(asked).await;
    for (one, report) in incarnations.iter_mut().zip(reports) {
        one.report = report;
    }
    let membership = match observed.record.cluster_id {
        Some(id) => membership(clients, &incarnations, id).await,
        None => Membership::Unknown { why: "the cluster has not formed yet".into(), hearsay: Vec::new() },
    };
    World {
        cluster: observed.cluster,
        uid: observed.uid,
        desired: observed.desired,
        record: observed.record,
        incarnations,
        membership,
        certificates: observed.certificates,
        snapshots: observed.snapshots,
        divergence,
        left: observed.left,
        domain: observed.domain,
        policy,
    }
}

async fn report(clients: &Clients, one: &Incarnation, wanted: EtcdVersion, vouched: bool) -> Option<Report> {
    if !one.running() {
        return None;
    }
    let client = clients.get(&one.name)?;
    let answer = if vouched { client.report_of_ready().await } else { client.report().await };
    match answer {
        Ok(mut report) => {
            if upgrade::asks_cluster_version(one.version, wanted) {
                report.cluster_version = client.cluster_version().await.ok();
            }
            if upgrade::asks_raft_snapshots(one.version, wanted) {
                report.raft_snapshots = client.raft_snapshots().await.ok();
            }
            Some(report)
        }
        Err(error) => {
            tracing::debug!(member = %one.name, %error, "no report");
            None
        }
    }
}

/// The member list, read linearizably: through the leader where it is known, else through any member that answers.
async fn membership(clients: &Clients, incarnations: &[Incarnation], expected: ClusterId) -> Membership {
    let mut why = "no member answers".to_owned();
    for one in in_order_of_asking(incarnations) {
        let Some(client) = clients.get(&one.name) else { continue };
        match client.members().await {
            Ok((cluster_id, list)) if cluster_id == expected => return Membership::Known(list),
            Ok((cluster_id, _)) => why = format!("{} belongs to another cluster, {cluster_id}", one.name),
            Err(error) => why = error.to_string(),
        }
    }
    Membership::Unknown { why, hearsay: hearsay(clients, incarnations).await }
}

/// Members that answered, the leader first. A learner can't be asked.
fn in_order_of_asking(incarnations: &[Incarnation]) -> Vec<&Incarnation> {
    let mut answering: Vec<_> = incarnations
        .iter()
        .filter_map(|one| {
            one.report.as_ref().filter(|r| !r.learner && r.leader.is_some()).map(|report| (one, report))
        })
        .collect();
    answering.sort_by_key(|(_, report)| report.leader != Some(report.id));
    // Two are enough: without a quorum none of them answers, and each takes its whole deadline.
    answering.into_iter().map(|(one, _)| one).take(2).collect()
}

/// What any running member says without a quorum, on its peer URL.
async fn hearsay(clients: &Clients, incarnations: &[Incarnation]) -> Vec<Listed> {
    let asked = incarnations.iter().filter(|one| one.running()).filter_map(|one| clients.get(&one.name));
    let answers = join_all(asked.map(MemberClient::hearsay)).await;
    answers.into_iter().flatten().max_by_key(Vec::len).unwrap_or_default()
}

/// The member to ask for a change of the membership: the leader, since etcd's own checks are those of whom one asks.
pub(super) fn spokesman<'c>(
    clients: &'c Clients,
    world: &World,
    not: Option<MemberId>,
) -> Option<&'c MemberClient> {
    let answering =
        world.incarnations.iter().filter_map(|one| one.report.as_ref().map(|report| (one, report)));
    answering
        .filter(|(_, report)| report.ready && Some(report.id) != not)
        .min_by_key(|(_, report)| report.leader != Some(report.id))
        .and_then(|(one, _)| clients.get(&one.name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{io::AsyncReadExt, net::TcpListener};

    use super::*;

    #[tokio::test]
    async fn hanging_up_closes_the_connections() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = Endpoint { client_url: url.clone(), peer_url: url, metrics_url: None };
        let name = MemberName("a".to_owned());
        let mut clients = Clients::new(Arc::new(Metrics::of_operator()));
        clients.follow(&BTreeMap::from([(name.clone(), endpoint)]), Credentials::default());
        // Whoever listens never answers, so that the call ends by its deadline and the connection stays.
        let client = clients.get(&name).unwrap().clone();
        let (report, accepted) = tokio::join!(client.report(), listener.accept());
        assert!(report.is_err());
        let (mut stream, _) = accepted.unwrap();
        drop(client);
        clients.hang_up();
        let end = async { while stream.read(&mut [0; 1024]).await.unwrap() > 0 {} };
        tokio::time::timeout(Duration::from_secs(5), end).await.expect("the connection is closed");
    }
}
