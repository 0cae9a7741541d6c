//! The verbs of the engine, carried out on the objects of one cluster.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::join_all;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use super::{
    error::KubernetesError,
    labels,
    look::Look,
    patch,
    platform::{KubernetesPlatform, formed},
    render,
    slim::{PersistentVolumeClaim, Pod},
    store::Identity,
    views::{ClaimView, MemberView},
};
use crate::{
    api::{EtcdMember, EtcdMemberSpec},
    engine::{Observed, Platform},
    member::guard::words::{GuardState, Phase},
    pki::Authorities,
    plan::{
        Admission, ClusterId, MemberName, PeerDomain, Recipe, Record, Scheme, Side, Step, Transport, joining,
        status::ClusterStatus, transport::AuthorityId, version::Minor,
    },
};

impl Platform for KubernetesPlatform {
    type Error = KubernetesError;

    async fn observe(&self) -> Result<Observed, KubernetesError> {
        let cluster = self.cluster()?;
        let members = self.members();
        let mut desired = self.desired(&cluster)?;
        let domain =
            PeerDomain(render::peer_domain(&self.name, &self.namespace, &self.shared.cluster_domain));
        let claims = self.hands().stores.claims.of_cluster(&self.namespace, &self.name);
        let (own, former): (Vec<_>, Vec<_>) =
            claims.into_iter().partition(|claim| claim.cluster_uid.as_deref() == Some(self.uid()));
        let settled = self.volumes.settle(self.hands(), &cluster, &members, &own).await;
        desired.not_applied.extend(settled.refused);
        let known = self.certificates(&cluster, &desired, &members).await;
        let credentials = self.credentials(&known.own)?;
        let clients = if desired.tls.client.under_tls() { Scheme::Https } else { Scheme::Http };
        let looks = join_all(
            members.iter().map(|one| self.look_at(one, &cluster, clients, &domain, &settled.misplaced)),
        )
        .await;
        let deferred = |one: &Arc<MemberView>| {
            let pod = self.pod(&one.identity.name)?;
            let (reason, why) = pod.unresized.as_ref()?;
            (reason == "Deferred")
                .then(|| format!("{} keeps its processor and memory for now: {why}", one.identity.name))
        };
        desired.not_applied.extend(members.iter().filter_map(deferred));
        let mut incarnations = Vec::new();
        let mut endpoints = BTreeMap::new();
        let mut snapshots = Vec::new();
        let mut vouched = BTreeSet::new();
        for Look { incarnation, endpoint, snapshots: kept, ready } in looks {
            snapshots.extend(kept);
            if ready {
                vouched.insert(incarnation.name.clone());
            }
            if let Some(endpoint) = endpoint {
                endpoints.insert(incarnation.name.clone(), endpoint);
            }
            incarnations.push(incarnation);
        }
        let orphans = own.iter().filter(|claim| {
            !claim.identity.deleting && !members.iter().any(|one| one.identity.name == claim.identity.name)
        });
        incarnations.extend(orphans.map(|claim| self.orphan(claim, &cluster, &domain, &desired)));
        self.note_losses(&mut incarnations);
        incarnations.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
        let given_out = members
            .iter()
            .map(|one| one.object.spec.serial.cast_unsigned())
            .chain(own.iter().filter_map(|claim| claim.serial));
        let written = cluster.annotations().get(labels::SERIAL).and_then(|text| text.parse().ok());
        let serial = given_out.chain(written).max().unwrap_or_default();
        let left = former
            .iter()
            .filter(|claim| formed(&cluster).is_none() && !claim.identity.deleting)
            .map(|claim| MemberName(claim.identity.name.clone()))
            .collect();
        Ok(Observed {
            cluster: self.name.clone(),
            uid: self.uid().to_owned(),
            generation: cluster.metadata.generation,
            desired,
            record: Record { cluster_id: formed(&cluster), serial },
            incarnations,
            certificates: known.certificates,
            credentials,
            snapshots,
            left,
            domain: Some(domain),
            endpoints,
            vouched,
        })
    }

    async fn reserve(
        &self,
        name: &MemberName,
        serial: u64,
        recipe: &Recipe,
        admission: Option<&Admission>,
    ) -> Result<(), KubernetesError> {
        let cluster = self.cluster()?;
        let member = render::member_spec(&cluster, name, serial, recipe, admission.cloned());
        match self.hands().make::<EtcdMember>(&member).await {
            // Made by this very step, whose answer got lost: the fresh read shows it at the next look.
            Err(error) if error.already_exists() => {
                self.hands().refresh(&self.namespace, &self.name, &name.0).await?;
                Ok(())
            }
            result => Ok(result?),
        }
    }

    async fn take_up(
        &self,
        name: &MemberName,
        alone: bool,
        transport: &Transport,
    ) -> Result<(), KubernetesError> {
        let claim = self.claim(&name.0).ok_or_else(|| KubernetesError::NoSuchMember(name.clone()))?;
        self.make_over(&claim, alone, transport).await
    }

    async fn admit(&self, name: &MemberName, admission: &Admission) -> Result<(), KubernetesError> {
        let member = self.known(name)?;
        let now = format!("{:.0}", Timestamp::now());
        let change = json!({ "spec": { "admission": admission, "admitted": now } });
        Ok(self.hands().change::<EtcdMember>(&member.identity, change).await?)
    }

    async fn start(&self, name: &MemberName, _check: bool) -> Result<(), KubernetesError> {
        let Some(member) = self.member(name) else {
            let transport = self.claim(&name.0).map(|claim| claim.transport.clone()).unwrap_or_default();
            return self.take_up(name, false, &transport).await;
        };
        let pod = self.pod(&name.0);
        let waiting = match &pod {
            Some(pod) => self.shared.guards.state(pod).await,
            None => None,
        };
        match (waiting, &member.object.spec.admission) {
            (Some(GuardState { phase: Phase::Waiting, .. }), Some(admission)) => {
                let uid = &member.identity.uid;
                Ok(self.shared.guards.start(pod.as_deref(), &name.0, uid, admission).await?)
            }
            // It went on meanwhile.
            (Some(GuardState { phase: Phase::Running | Phase::Resolving | Phase::Stopping, .. }), _) => {
                Ok(())
            }
            // Its Pod is its upkeep's concern.
            _ => Ok(()),
        }
    }

    /// Deletes the Pod; upkeep makes the next one from the same EtcdMember.
    async fn stop(&self, name: &MemberName) -> Result<(), KubernetesError> {
        let pod = self.pod(&self.known(name)?.identity.name).filter(|pod| !pod.identity.deleting);
        match pod {
            Some(pod) => Ok(self.hands().delete::<Pod>(&pod.identity).await?),
            None => Ok(()),
        }
    }

    /// The EtcdMember first: a crash in between leaves a Pod whose mark does not fit its EtcdMember, and so does a lost
    /// answer. Either shows as a difference at the next look.
    async fn renew(&self, name: &MemberName, recipe: &Recipe) -> Result<(), KubernetesError> {
        let cluster = self.cluster()?;
        let member = self.known(name)?;
        let spec = &member.object.spec;
        let serial = spec.serial.cast_unsigned();
        let fresh = render::member_spec(&cluster, name, serial, recipe, None);
        let fields = |spec: &EtcdMemberSpec| {
            json!({
                "version": spec.version,
                "image": spec.image,
                "imagePullPolicy": spec.image_pull_policy,
                "options": spec.options,
                "transport": spec.transport,
                "podTemplate": spec.pod_template,
            })
        };
        let (old, new) = (fields(spec), fields(&fresh.spec));
        let moves = spec.version != recipe.version || spec.transport != recipe.transport;
        if let Some(claim) = self.claim(&name.0).filter(|_| moves) {
            let transport = render::transport_annotation(&recipe.transport);
            let marks = json!({ labels::VERSION: recipe.version, labels::TRANSPORT: transport });
            let change = json!({ "metadata": { "annotations": marks } });
            self.hands().change::<PersistentVolumeClaim>(&claim.identity, change).await?;
        }
        if old != new {
            // A merge keeps what it does not name, so each field is emptied where it is not wanted any more.
            let mut change = patch::replacing(&old, new);
            // Until it serves with that.
            let since = spec.draining.clone().unwrap_or_else(|| format!("{:.3}", Timestamp::now()));
            if let Some(fields) = change.as_object_mut() {
                fields.insert("draining".to_owned(), json!(since));
            }
            self.hands().change::<EtcdMember>(&member.identity, json!({ "spec": change })).await?;
        }
        self.stop(name).await
    }

    async fn snapshot(&self, name: &MemberName, to: Minor) -> Result<(), KubernetesError> {
        let (member, pod) = (self.known(name)?, self.pod(&name.0));
        let uid = &member.identity.uid;
        Ok(self.shared.guards.snapshot(pod.as_deref(), &name.0, uid, to).await?)
    }

    async fn drain(&self, name: &MemberName, draining: bool) -> Result<(), KubernetesError> {
        let member = self.known(name)?;
        let now = format!("{:.3}", Timestamp::now());
        let change = match draining {
            true => json!({ "draining": now }),
            false => json!({ "draining": null, "returned": now }),
        };
        Ok(self.hands().change::<EtcdMember>(&member.identity, json!({ "spec": change })).await?)
    }

    /// Deleted in an order that can be taken up again after a crash at any place: the EtcdMember, which brings the next
    /// look back here, goes last.
    async fn discard(&self, name: &MemberName) -> Result<(), KubernetesError> {
        let cluster = self.cluster()?;
        if let Some(member) = self.member(name) {
            let written = cluster.annotations().get(labels::SERIAL).and_then(|text| text.parse::<i64>().ok());
            let newest = self.members().iter().map(|one| one.object.spec.serial).max()
                == Some(member.object.spec.serial);
            if newest && written < Some(member.object.spec.serial) {
                let serial = member.object.spec.serial.to_string();
                self.hands()
                    .annotate_cluster(&Identity::of(&cluster.metadata), labels::SERIAL, &serial)
                    .await?;
            }
            if !member.object.spec.discarded {
                self.hands()
                    .change::<EtcdMember>(&member.identity, json!({ "spec": { "discarded": true } }))
                    .await?;
            }
        }
        if let Some(claim) = self
            .claim(&name.0)
            .filter(|claim| claim.cluster_uid.as_deref() == Some(self.uid()) && !claim.identity.deleting)
        {
            self.hands().delete::<PersistentVolumeClaim>(&claim.identity).await?;
        }
        if let Some(pod) = self.pod(&name.0).filter(|pod| !pod.identity.deleting) {
            self.hands().delete::<Pod>(&pod.identity).await?;
        }
        if let Some(member) = self.member(name) {
            self.hands().delete::<EtcdMember>(&member.identity).await?;
        }
        Ok(())
    }

    async fn add_authority(&self, side: Side) -> Result<(), KubernetesError> {
        self.another_authority(side).await
    }

    async fn use_authority(&self, side: Side, id: &AuthorityId) -> Result<(), KubernetesError> {
        self.change_authorities(side, Authorities::appointing(id)).await
    }

    async fn drop_authority(&self, side: Side, id: &AuthorityId) -> Result<(), KubernetesError> {
        self.change_authorities(side, Authorities::without(id)).await
    }

    async fn record_formed(&self, cluster_id: ClusterId) -> Result<(), KubernetesError> {
        let identity = Identity::of(&self.cluster()?.metadata);
        Ok(self.hands().annotate_cluster(&identity, labels::CLUSTER_ID, &cluster_id.to_string()).await?)
    }

    async fn confirm(&self, step: &Step) -> Result<(), KubernetesError> {
        let member = step.member();
        if member.is_empty() || self.hands().refresh(&self.namespace, &self.name, member).await? {
            return Ok(());
        }
        Err(KubernetesError::Stale { member: member.to_owned() })
    }

    async fn serve(&self, open: &[MemberName], closed: &[MemberName]) -> Result<(), KubernetesError> {
        let gates = open.iter().map(|name| (name, true)).chain(closed.iter().map(|name| (name, false)));
        for (name, open) in gates {
            let Some(pod) = self.pod(&name.0).filter(|pod| !pod.identity.deleting) else { continue };
            if pod.in_service.unwrap_or(false) != open {
                let reason = if open { "Voter" } else { "Leaving" };
                match self.hands().set_in_service(&pod.identity, open, reason).await {
                    // A Pod that went meanwhile is nobody's to serve.
                    Err(error) if error.not_found() || error.conflict() => {}
                    result => result?,
                }
            }
        }
        Ok(())
    }

    async fn publish(&self, status: &ClusterStatus) -> Result<(), KubernetesError> {
        let view = self.hands().stores.clusters.get(&self.namespace, &self.name);
        let view = view.filter(|view| view.identity.uid == self.uid());
        let view = view.ok_or_else(|| KubernetesError::Gone(self.name.clone()))?;
        // Also of one whose spec can't be read: people look at its status then.
        let shown = view.object.as_ref().ok().and_then(|cluster| cluster.status.as_ref());
        Ok(self.hands().show_status(&view.identity, status, shown).await?)
    }

    async fn changed(&self) {
        self.woken.notified().await;
    }
}

impl KubernetesPlatform {
    /// Makes an EtcdMember over a claim that is there.
    async fn make_over(
        &self,
        claim: &ClaimView,
        alone: bool,
        transport: &Transport,
    ) -> Result<(), KubernetesError> {
        let cluster = self.cluster()?;
        let desired = self.desired(&cluster)?;
        if claim.cluster_uid.as_deref() != Some(self.uid()) {
            // Made again once more, it is to listen and trust like this, and not like a member of the former cluster.
            let change = json!({ "metadata": {
                "labels": { labels::CLUSTER_UID: self.uid() },
                "annotations": { labels::TRANSPORT: render::transport_annotation(transport) },
            }});
            self.hands().change::<PersistentVolumeClaim>(&claim.identity, change).await?;
        }
        let name = MemberName(claim.identity.name.clone());
        let version = claim.version.as_ref().and_then(|text| text.parse().ok()).unwrap_or(desired.version);
        let serial = claim.serial.unwrap_or_default();
        let members = self.members();
        let options = joining(members.iter().map(|one| &one.object.spec.options), &desired.options);
        let recipe = Recipe { version, options, transport: transport.clone() };
        let mut member = render::member_spec(&cluster, &name, serial, &recipe, Some(Admission::over_data()));
        if alone {
            member.annotations_mut().insert(labels::ALONE.to_owned(), "true".to_owned());
        }
        self.hands().make::<EtcdMember>(&member).await?;
        Ok(())
    }
}
