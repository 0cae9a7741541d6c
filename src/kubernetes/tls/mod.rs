//! Certificates of clusters on Kubernetes, in Secrets of their own namespaces:
//!
//! * `<cluster>-peer-ca`, `<cluster>-client-ca`: the authorities of a side, see [`crate::pki::Authorities`];
//! * `<member>-tls`: what is mounted into a member's Pod, see [`crate::member::guard::words`];
//! * `<cluster>-client`: a certificate for clients, and whom they are to trust.
//!
//! What others make (the modes Secret and CertManager) is copied into the last two, once it is seen to be of use: whatever
//! becomes of the original, members and clients have something that works.
//!
//! The cluster's pass keeps the authorities and the Secret for clients; the upkeep of a member keeps the member's own.

mod given;
mod issuers;
mod leaves;
mod secrets;
mod supply;
mod talk;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

pub use issuers::{Certificate, CertificateSpec};
pub use leaves::LeafError;
use leaves::{CLIENT_FILES, Files};
use secrets::{FRESH, KNOWN};
pub use secrets::{SecretView, Secrets};
use supply::Supply;
pub use talk::TalkError;
pub(super) use talk::{Own, Talk};

use super::{
    error::KubernetesError,
    labels,
    platform::{KubernetesPlatform, Shared},
    render::{self, Held},
    views::MemberView,
};
use crate::{
    api::EtcdCluster,
    etcd::Credentials,
    pki::{Authorities, Entries},
    plan::{
        Desired, Policy, Side, Sides,
        certificates::{Certificates, Source},
    },
};

/// What is known of the certificates of a cluster.
pub(super) struct Known {
    /// What the operator talks to members with.
    pub(super) own: Sides<Own>,
    /// What the plan is told.
    pub(super) certificates: Sides<Certificates>,
}

/// Reads the authorities of a side. What can't be read is told as their problem: members that run need none of it.
async fn authorities(
    shared: &Shared,
    namespace: &str,
    cluster: &str,
    uid: &str,
    side: Side,
    age: Duration,
) -> Authorities {
    let name = labels::authority_secret(cluster, side);
    match shared.secrets.get(&shared.hands, namespace, &name, age).await {
        Ok(None) => Authorities::default(),
        Ok(Some(secret)) if !is_own(&secret, uid) => Authorities::unusable(foreign(&name)),
        Ok(Some(secret)) => Authorities::of(&secret.held).kept_in(&format!("Secret {name}")),
        Err(error) => Authorities::unusable(format!("the Secret can't be read: {error}")),
    }
}

/// Whether a Secret was made for the cluster with this UID.
fn is_own(secret: &SecretView, uid: &str) -> bool {
    secret.cluster_uid.as_deref() == Some(uid)
}

fn foreign(name: &str) -> String {
    format!(
        "Secret {name} is there and is not this cluster's (its label {} has another value, or none); it is left as it is: \
         delete or rename it, or rename the cluster",
        labels::CLUSTER_UID
    )
}

/// Makes what a member's Secret has to hold, before its Pod is made and whenever it is due.
pub(super) async fn keep_member(
    shared: &Shared,
    member: &MemberView,
    cluster: &EtcdCluster,
) -> Result<(), KubernetesError> {
    let spec = &member.object.spec;
    if leaves::sides(&member.object).next().is_none() {
        return Ok(());
    }
    let (namespace, holder) = (&member.identity.namespace, &member.identity.name);
    let of = |side| Supply::read(shared, cluster, side, KNOWN);
    let (peer, client) = futures::join!(of(Side::Peer), of(Side::Client));
    let known = Sides { peer, client };
    let name = labels::member_secret(holder);
    let found = shared.secrets.get(&shared.hands, namespace, &name, KNOWN).await?;
    if found.as_ref().is_some_and(|secret| !is_own(secret, &spec.cluster_uid)) {
        return Err(KubernetesError::Foreign { kind: "Secret", name });
    }
    let held = found.as_ref().map(|secret| secret.held.clone()).unwrap_or_default();
    let names =
        |side| render::certificate_names(&spec.cluster, namespace, &shared.cluster_domain, holder, side);
    let life = Policy::kubernetes().leaf_life;
    let entries = leaves::of_member(&member.object, &held, &known, names, Timestamp::now(), life)?;
    let make = |held| render::member_secret(&member.object, name.clone(), held);
    write(shared, found.as_ref(), entries, make).await
}

/// Writes entries of a Secret, which is made when it is not there.
async fn write(
    shared: &Shared,
    found: Option<&SecretView>,
    entries: Entries,
    make: impl FnOnce(Held) -> Secret,
) -> Result<(), KubernetesError> {
    match found {
        _ if entries.is_empty() => Ok(()),
        Some(secret) => Ok(shared.secrets.change(&shared.hands, &secret.identity, &entries).await?),
        None => {
            let held = entries.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            Ok(shared.secrets.make(&shared.hands, &make(held)).await?)
        }
    }
}

impl KubernetesPlatform {
    /// What is known of the certificates, of each side that is to be under TLS or has a member that is.
    pub(super) async fn certificates(
        &self,
        cluster: &EtcdCluster,
        desired: &Desired,
        members: &[Arc<MemberView>],
    ) -> Known {
        let asked = self.keep_certificates(cluster).await;
        // One after the other: both sides of a member are in one Secret, which is read once then.
        let peer = self.certificates_of(cluster, desired, members, Side::Peer).await;
        let client = self.certificates_of(cluster, desired, members, Side::Client).await;
        let mut certificates = Sides { peer: peer.1, client: client.1 };
        if let Err(error) = asked {
            let why = format!("cert-manager could not be asked for certificates: {error}");
            for side in issuers::sides(cluster) {
                certificates.get_mut(side).problem = Some(why.clone());
            }
        }
        Known { own: Sides { peer: peer.0, client: client.0 }, certificates }
    }

    async fn certificates_of(
        &self,
        cluster: &EtcdCluster,
        desired: &Desired,
        members: &[Arc<MemberView>],
        side: Side,
    ) -> (Own, Certificates) {
        let listening: Vec<_> =
            members.iter().filter(|one| leaves::sides(&one.object).any(|of| of == side)).collect();
        if *desired.tls.get(side) == Source::None && listening.is_empty() {
            return Default::default();
        }
        let shared = &self.shared;
        let supply = Supply::read(shared, cluster, side, FRESH).await;
        let mut certificates = supply.authorities.observed();
        let mut kept = None;
        for member in listening {
            let holder = &member.identity.name;
            let name = labels::member_secret(holder);
            match shared.secrets.get(&shared.hands, &self.namespace, &name, FRESH).await {
                Ok(Some(secret)) if !is_own(&secret, self.uid()) => {
                    certificates.problem.get_or_insert_with(|| foreign(&name));
                }
                Ok(secret) => {
                    let held = secret.map(|secret| secret.held).unwrap_or_default();
                    let leaf = leaves::seen(holder, &held, side, &supply.authorities);
                    if leaf.is_none() || supply.hands_on_another(&held, side) {
                        // Its upkeep makes it anew.
                        shared.bell.member(member.identity.key());
                    }
                    certificates.leaves.extend(leaf);
                    if side == Side::Peer {
                        kept = kept.or_else(|| Files::of_member(side).of(&held));
                    }
                }
                Err(error) => {
                    certificates
                        .problem
                        .get_or_insert_with(|| format!("Secret {name} can't be read: {error}"));
                }
            }
        }
        if side == Side::Client {
            let name = labels::client_secret(&self.name);
            if let Ok(Some(secret)) = shared.secrets.get(&shared.hands, &self.namespace, &name, FRESH).await {
                if is_own(&secret, self.uid()) {
                    certificates.leaves.extend(leaves::seen_of_clients(&secret.held, &supply.authorities));
                    kept = CLIENT_FILES.of(&secret.held);
                } else {
                    certificates.problem.get_or_insert_with(|| foreign(&name));
                }
            }
        }
        (supply.own(kept), certificates)
    }

    /// How members are talked to.
    pub(super) fn credentials(&self, own: &Sides<Own>) -> Result<Credentials, KubernetesError> {
        let (namespace, domain) = (&self.namespace, &self.shared.cluster_domain);
        let names = Sides {
            peer: render::peer_domain(&self.name, namespace, domain),
            client: format!("{}.{namespace}.svc.{domain}", labels::client_service(&self.name)),
        };
        Ok(self.talk.credentials(own, &names, Policy::kubernetes().leaf_life)?)
    }

    /// Keeps the Secret for clients, as long as clients are to talk under TLS.
    pub(super) async fn keep_client_secret(&self, cluster: &EtcdCluster) -> Result<(), KubernetesError> {
        let desired = self.desired(cluster)?;
        if desired.tls.client == Source::None {
            return Ok(());
        }
        let supply = Supply::read(&self.shared, cluster, Side::Client, FRESH).await;
        let name = labels::client_secret(&self.name);
        let found = self.shared.secrets.get(&self.shared.hands, &self.namespace, &name, FRESH).await?;
        // The condition says so; members go on.
        let nobody = supply.authorities.issuer().is_none() && supply.clients.is_none();
        if nobody || found.as_ref().is_some_and(|secret| !is_own(secret, self.uid())) {
            return Ok(());
        }
        let held = found.as_ref().map(|secret| secret.held.clone()).unwrap_or_default();
        let entries = leaves::of_clients(&held, &supply, Timestamp::now(), Policy::kubernetes().leaf_life)?;
        let make = |held| render::client_secret(cluster, name.clone(), held);
        write(&self.shared, found.as_ref(), entries, make).await
    }

    /// Makes a new authority.
    pub(super) async fn another_authority(&self, side: Side) -> Result<(), KubernetesError> {
        let cluster = self.cluster()?;
        let (name, found) = self.authority_secret(side).await?;
        let known = found.as_ref().map(|secret| Authorities::of(&secret.held)).unwrap_or_default();
        let common_name = format!("{} {side} authority", self.name);
        let life = Policy::kubernetes().authority_life;
        let entries = known.with_another(&common_name, Timestamp::now(), life).map_err(LeafError::from)?;
        let make = |held| render::authority_secret(&cluster, name.clone(), held);
        self.changed_authorities(write(&self.shared, found.as_ref(), entries, make).await)
    }

    /// Changes the authorities.
    pub(super) async fn change_authorities(
        &self,
        side: Side,
        entries: Entries,
    ) -> Result<(), KubernetesError> {
        let (name, found) = self.authority_secret(side).await?;
        let secret = found.ok_or(KubernetesError::NoSecret(name))?;
        let changed = self.shared.secrets.change(&self.shared.hands, &secret.identity, &entries).await;
        self.changed_authorities(changed.map_err(KubernetesError::from))
    }

    /// Members' certificates follow at once.
    fn changed_authorities(&self, result: Result<(), KubernetesError>) -> Result<(), KubernetesError> {
        self.members().into_iter().for_each(|one| self.shared.bell.member(one.identity.key()));
        match result {
            // Made by this very step, whose answer got lost: the next look shows it.
            Err(KubernetesError::Call(error)) if error.already_exists() => Ok(()),
            result => result,
        }
    }

    async fn authority_secret(&self, side: Side) -> Result<(String, Option<SecretView>), KubernetesError> {
        let name = labels::authority_secret(&self.name, side);
        let found = self.shared.secrets.get(&self.shared.hands, &self.namespace, &name, FRESH).await?;
        match found {
            Some(secret) if !is_own(&secret, self.uid()) => {
                Err(KubernetesError::Foreign { kind: "Secret", name })
            }
            found => Ok((name, found)),
        }
    }
}
