//! One look at the members of a cluster on Kubernetes: their objects, their guards, and the spec they are held to.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
};

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    error::KubernetesError,
    guards,
    incarnation::{self, Facts},
    labels,
    platform::{KubernetesPlatform, formed},
    render,
    views::{ClaimView, MemberView, PodView},
};
use crate::{
    api::{EtcdCluster, Tls, validate},
    etcd::Endpoint,
    member::{
        self,
        guard::words::{CLIENT_PORT, CLIENT_TLS_PORT, GuardState, METRICS_PORT, PEER_PORT, PEER_TLS_PORT},
    },
    plan::{
        Admission, ClusterState, Data, Desired, Incarnation, MemberName, PeerDomain, Process, Scheme, Sides,
        Snapshot, certificates::Source, transport::Listen,
    },
};

/// One look at a member.
pub(super) struct Look {
    /// The member in the words of the plan.
    pub(super) incarnation: Incarnation,
    /// Where it is reached, once its Pod has an address.
    pub(super) endpoint: Option<Endpoint>,
    /// The snapshots on its volume.
    pub(super) snapshots: Vec<Snapshot>,
    /// Whether the kubelet says that it serves.
    pub(super) ready: bool,
}

/// How the Pod of a member differs from what its EtcdMember says: the operator ended between the two.
fn stale(member: &MemberView, pod: Option<&PodView>) -> Option<String> {
    let made_from = pod.filter(|pod| !pod.identity.deleting)?.fingerprint.as_ref()?;
    (*made_from != render::pod_fingerprint(&member.object))
        .then(|| "its Pod was made before its last change".to_owned())
}

/// Where the operator reaches a member: in plain text, as long as it listens so.
fn url(address: &str, listen: Listen, plain: u16, secure: u16) -> String {
    match listen.has(Scheme::Http) {
        true => guards::url(Scheme::Http, address, plain),
        false => guards::url(Scheme::Https, address, secure),
    }
}

fn annotation(cluster: &EtcdCluster, name: &str) -> Option<Timestamp> {
    cluster.annotations().get(name)?.parse().ok()
}

impl KubernetesPlatform {
    /// The spec, checked, in the words of the plan.
    pub(super) fn desired(&self, cluster: &EtcdCluster) -> Result<Desired, KubernetesError> {
        let mut desired = validate::check(&self.name, &cluster.spec).map_err(|problems| {
            let why = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            KubernetesError::Refused { name: self.name.clone(), why }
        })?;
        desired.tls = self.sources(cluster);
        desired.rotate = annotation(cluster, labels::ROTATE);
        desired.not_applied = render::not_applied(&cluster.spec);
        desired.unfit = member::unknown_flags(&desired.options, desired.version);
        desired.not_applied.extend(desired.unfit.iter().cloned());
        Ok(desired)
    }

    /// Who the certificates of each side are from.
    pub(super) fn sources(&self, cluster: &EtcdCluster) -> Sides<Source> {
        let members = self.members();
        // Volumes that are being deleted are no more than an attempt to form that was thrown away.
        let left = |claim: &&Arc<ClaimView>| {
            let member = members.iter().find(|one| one.identity.name == claim.identity.name);
            let over_data = |told: &Admission| told.is_over_data();
            let returns = |one: &Arc<MemberView>| one.object.spec.admission.as_ref().is_some_and(over_data);
            !claim.identity.deleting && member.is_none_or(returns)
        };
        let claims = self.hands().stores.claims.of_cluster(&self.namespace, &self.name);
        Sides::each(|side| {
            let members: Vec<_> =
                members.iter().map(|one| one.object.spec.transport.get(side).listen).collect();
            let left: Vec<_> = claims.iter().filter(left).map(|one| one.transport.get(side).listen).collect();
            let asked = Tls::asked(cluster.spec.tls.as_ref(), side);
            Source::of(asked, formed(cluster).is_some(), &members, &left)
        })
    }

    /// What kept the objects of a member from being made, last.
    pub(super) fn setback(&self, member: &MemberView) -> Option<String> {
        let all = self.shared.setbacks.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&member.identity.key()).cloned()
    }

    /// What a member's objects and guard say, put together. `clients`: how clients are to talk to it; `misplaced`: by name,
    /// how storage differs where only another volume mends that.
    pub(super) async fn look_at(
        &self,
        member: &MemberView,
        cluster: &EtcdCluster,
        clients: Scheme,
        domain: &PeerDomain,
        misplaced: &BTreeMap<String, String>,
    ) -> Look {
        let name = &member.identity.name;
        let (pod, claim) = (self.pod(name), self.claim(name));
        let answer = match &pod {
            Some(pod) if !pod.identity.deleting => self.shared.guards.ask(pod).await,
            _ => None,
        };
        let now = Timestamp::now();
        let (guard, date) = answer.unzip();
        let ahead = date.flatten().map(|date| date.duration_since(now));
        let setback = self.setback(member);
        let volume_gone = self.volumes.gone(self.hands(), pod.as_deref(), claim.as_deref()).await;
        let facts = Facts {
            member,
            pod: pod.as_deref(),
            claim: claim.as_deref(),
            guard: guard.as_ref(),
            ahead,
            formed: formed(cluster).is_some(),
            peers_placed: self.peers_placed(member),
            volume_gone: volume_gone.as_deref(),
            setback: setback.as_deref(),
            behind: render::difference(&member.object, cluster)
                .or_else(|| stale(member, pod.as_deref()))
                .or_else(|| self.unchangeable(member, pod.as_deref()?, cluster)),
            restart_all: annotation(cluster, labels::RESTART_ALL),
            misplaced: match formed(cluster) {
                Some(_) => misplaced.get(name).cloned(),
                // Nothing is lost with the members of a cluster that never formed.
                None => {
                    render::made_otherwise(member.object.spec.storage.as_ref(), cluster.spec.storage.as_ref())
                        .then(|| "spec.storage was changed after it was made".to_owned())
                }
            },
            clients,
            domain,
            now,
        };
        let incarnation = incarnation::incarnation(&facts);
        self.record_start(member, guard.as_ref()).await;
        let transport = &member.object.spec.transport;
        let ready = pod.as_ref().is_some_and(|pod| !pod.identity.deleting && pod.ready.is);
        let endpoint = pod.and_then(|pod| pod.address.clone()).map(|address| Endpoint {
            client_url: url(&address, transport.client.listen, CLIENT_PORT, CLIENT_TLS_PORT),
            peer_url: url(&address, transport.peer.listen, PEER_PORT, PEER_TLS_PORT),
            metrics_url: Some(guards::url(Scheme::Http, &address, METRICS_PORT)),
        });
        let snapshots = guard.map(|guard| guard.snapshots).unwrap_or_default();
        Look { incarnation, endpoint, snapshots, ready }
    }

    /// Writes down that etcd was started on a member's volume, for the time when its guard can't say so. Those that
    /// form a cluster need no such record: that it formed says it of all of them.
    pub(super) async fn record_start(&self, member: &MemberView, guard: Option<&GuardState>) {
        let joined =
            member.object.spec.admission.as_ref().is_some_and(|told| told.state == ClusterState::Existing);
        if joined
            && !member.started()
            && guard.is_some_and(|guard| guard.started && guard.present)
            && let Err(error) = self.hands().mark_started(&member.identity).await
        {
            tracing::warn!(%error, "it is recorded at the next look");
        }
    }

    /// Whether the Pods of all that form a cluster with this member have addresses.
    pub(super) fn peers_placed(&self, member: &MemberView) -> bool {
        let Some(admission) = &member.object.spec.admission else { return true };
        admission.state == ClusterState::Existing
            || admission
                .initial_cluster
                .iter()
                .all(|peer| self.pod(&peer.name).is_some_and(|pod| pod.address.is_some()))
    }

    /// A claim whose EtcdMember was deleted by somebody else: a member whose data is there.
    pub(super) fn orphan(
        &self,
        claim: &ClaimView,
        cluster: &EtcdCluster,
        domain: &PeerDomain,
        desired: &Desired,
    ) -> Incarnation {
        let name = MemberName(claim.identity.name.clone());
        let (peer_url, second_peer_url) = domain.peer_urls(&name, claim.transport.peer.listen);
        Incarnation {
            peer_url,
            second_peer_url,
            client_url: String::new(),
            created: claim.created.unwrap_or(Timestamp::UNIX_EPOCH),
            version: claim.version.as_ref().and_then(|text| text.parse().ok()).unwrap_or(desired.version),
            options: desired.options.clone(),
            transport: claim.transport.clone(),
            admission: Some(Admission::over_data()),
            process: Process::Blocked {
                why: format!(
                    "its EtcdMember was deleted and is made again over its claim in namespace {}",
                    self.namespace
                ),
                at: Timestamp::UNIX_EPOCH,
            },
            data: Data { started: formed(cluster).is_some(), present: !claim.identity.deleting },
            supervised: false,
            behind: None,
            ephemeral: false,
            closed: None,
            ahead: None,
            misplaced: None,
            lost_since: None,
            draining: None,
            returned: None,
            restart_requested: None,
            replace_requested: false,
            node: String::new(),
            report: None,
            name,
        }
    }

    /// Writes down since when which data is seen to be lost.
    pub(super) fn note_losses(&self, incarnations: &mut [Incarnation]) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for one in incarnations.iter_mut() {
            if one.data.started && !one.data.present {
                one.lost_since = Some(*lost.entry(one.name.clone()).or_insert_with(Timestamp::now));
            } else {
                lost.remove(&one.name);
            }
        }
    }
}
