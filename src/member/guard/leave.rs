//! Handing leadership over before etcd is stopped: without that the cluster does not write until it elected anew.

use std::time::Duration;

use futures::future::join_all;

use crate::{
    etcd::{Credentials, Endpoint, MemberClient, PeerMember, http::Http},
    member::Addresses,
    plan::{MemberId, Report, Scheme},
};

/// How long all of it may take; a Pod that is deleted is killed in the end.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the other voters have to say that they are well, so that one that hangs leaves time for the hand-over.
const ANSWER: Duration = Duration::from_millis(500);

/// Hands leadership to a voter that is well, if this member leads; says in the log what came of it.
pub(super) async fn hand_over(http: &Http, addresses: &Addresses) {
    match tokio::time::timeout(PATIENCE, attempt(http, addresses)).await {
        Ok(Ok(Some(to))) => tracing::info!("member {to} leads now"),
        Ok(Ok(None)) => {}
        Ok(Err(why)) => {
            tracing::warn!("leadership could not be handed over, etcd is stopped all the same: {why}")
        }
        Err(_) => tracing::warn!(
            "leadership could not be handed over within {} s, etcd is stopped all the same",
            PATIENCE.as_secs()
        ),
    }
}

async fn attempt(http: &Http, addresses: &Addresses) -> Result<Option<MemberId>, String> {
    let endpoint = Endpoint {
        client_url: local(first(&addresses.listen_client_url)),
        peer_url: local(first(&addresses.listen_peer_url)),
        metrics_url: addresses.listen_metrics_url.as_deref().map(local),
    };
    let peers = format!("{}/members", endpoint.peer_url.trim_end_matches('/'));
    let own = MemberClient::new(endpoint, http.clone(), None);
    let report = own.report().await.map_err(|failure| failure.to_string())?;
    if report.leader != Some(report.id) {
        return Ok(None);
    }
    let reply = http.get(&peers, ANSWER).await.map_err(|fault| format!("{peers}: {fault}"))?;
    let list = PeerMember::list(&reply.body).map_err(|error| format!("{peers}: {error}"))?;
    let others = list.iter().filter(|one| !one.is_learner && one.id != report.id.0);
    let reports = join_all(others.map(|one| ask(http, one))).await;
    let Some(to) = choose(&report, reports.into_iter().flatten()) else {
        return Err("no other voter is well".into());
    };
    own.move_leader(to).await.map_err(|failure| failure.to_string())?;
    Ok(Some(to))
}

/// What a voter says of itself at its client URL, if it answers just now.
async fn ask(http: &Http, member: &PeerMember) -> Option<Report> {
    let endpoint = Endpoint {
        client_url: usable(member.client_urls.iter().map(String::as_str), http.credentials())?.to_owned(),
        peer_url: member.peer_urls.first()?.clone(),
        metrics_url: None,
    };
    let client = MemberClient::new(endpoint, http.clone(), None);
    let report = tokio::time::timeout(ANSWER, client.report()).await.ok()?.ok()?;
    (report.id.0 == member.id).then_some(report)
}

/// Of the voters that are ready and follow this leader, the one that has got furthest.
fn choose(own: &Report, others: impl Iterator<Item = Report>) -> Option<MemberId> {
    let fit = others.filter(|one| {
        one.cluster_id == own.cluster_id && one.leader == Some(own.id) && one.ready && !one.learner
    });
    fit.max_by_key(|one| (one.raft_index, one.id)).map(|one| one.id)
}

/// The first of several URLs that are separated by commas.
fn first(urls: &str) -> &str {
    urls.split(',').next().unwrap_or(urls)
}

/// The first of some client URLs that can be used with these credentials.
pub(super) fn usable<'u>(
    mut urls: impl Iterator<Item = &'u str>,
    credentials: &Credentials,
) -> Option<&'u str> {
    urls.find(|url| Scheme::of(url) == Scheme::Http || credentials.client.is_some())
}

/// The URL by which a process of this machine reaches what listens there.
pub(super) fn local(listen: &str) -> String {
    listen.replacen("://0.0.0.0:", "://127.0.0.1:", 1).replacen("://[::]:", "://[::1]:", 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::ClusterId;

    fn report(id: u64, change: impl FnOnce(&mut Report)) -> Report {
        let mut report = Report {
            id: MemberId(id),
            cluster_id: ClusterId(7),
            leader: Some(MemberId(1)),
            term: 2,
            learner: false,
            raft_index: 100,
            applied_index: 100,
            db_size: 0,
            db_size_in_use: 0,
            version: "3.6.16".into(),
            storage: None,
            downgrade: None,
            cluster_version: None,
            raft_snapshots: None,
            revision: 50,
            alarms: Vec::new(),
            ready: true,
        };
        change(&mut report);
        report
    }

    #[test]
    fn the_voter_that_is_well_and_furthest() {
        let own = report(1, |_| {});
        let chosen = |others: Vec<Report>| choose(&own, others.into_iter()).map(|id| id.0);
        assert_eq!(chosen(vec![]), None);
        assert_eq!(chosen(vec![report(2, |_| {}), report(3, |one| one.raft_index = 101)]), Some(3));
        assert_eq!(
            chosen(vec![report(2, |one| one.ready = false), report(3, |one| one.raft_index = 1)]),
            Some(3)
        );
        assert_eq!(
            chosen(vec![
                report(2, |one| one.learner = true),
                report(3, |one| one.leader = None),
                report(4, |one| one.leader = Some(MemberId(2))),
                report(5, |one| one.cluster_id = ClusterId(8)),
            ]),
            None
        );
    }

    #[test]
    fn where_it_is_reached_from_here() {
        for (listen, expected) in [
            ("http://0.0.0.0:2379", "http://127.0.0.1:2379"),
            ("http://[::]:2379", "http://[::1]:2379"),
            ("http://10.0.0.0:2379", "http://10.0.0.0:2379"),
            ("http://127.0.0.1:12379", "http://127.0.0.1:12379"),
        ] {
            assert_eq!(local(listen), expected);
        }
    }
}
