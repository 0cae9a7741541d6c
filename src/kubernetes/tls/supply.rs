//! What the certificates of one side are made from: the cluster's own authorities, or Secrets that others keep.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    authorities, is_own,
    leaves::{Files, Ready},
    talk::Own,
};
use crate::{
    api::{EtcdCluster, Given as Place, Tls},
    kubernetes::{
        labels,
        platform::Shared,
        render::{self, Held},
        views::MemberView,
    },
    pki::{Authorities, Given, Issued},
    plan::{
        Side,
        certificates::LeafFacts,
        transport::{AuthorityId, Listen},
    },
};

/// What the certificates of one side are made from.
#[derive(Debug, Default)]
pub(super) struct Supply {
    /// Whom to trust, who signs, and what is wrong.
    pub(super) authorities: Authorities,
    /// Of others: what all members show each other or clients, where nobody signs here.
    pub(super) members: Option<(LeafFacts, Issued)>,
    /// Of others: what clients show, where nobody signs here.
    pub(super) clients: Option<(LeafFacts, Issued)>,
    /// Whom every member trusts that listens under TLS; `None` while none does. What another one signed would be refused.
    pub(super) trusted: Option<BTreeSet<AuthorityId>>,
    /// Whom any of them trusts.
    pub(super) ever_trusted: BTreeSet<AuthorityId>,
    /// Whether others keep it.
    pub(super) given: bool,
}

impl Supply {
    /// Whether every member takes what an authority signed.
    pub(super) fn may_use(&self, issuer: &AuthorityId) -> bool {
        self.trusted.as_ref().is_none_or(|trusted| trusted.contains(issuer))
    }

    /// Whether a member's Secret holds another certificate than the one that others made.
    pub(super) fn hands_on_another(&self, held: &Held, side: Side) -> bool {
        let Some((facts, issued)) = &self.members else { return false };
        let same = Files::of_member(side).of(held).is_some_and(|own| own.certificate == issued.certificate);
        !same && self.may_use(&facts.issuer)
    }

    /// What the operator talks to members with, which may be what is `kept`: one that is signed now by somebody whom not
    /// every member trusts would be refused.
    pub(super) fn own(self, kept: Option<Ready>) -> Own {
        let signs = self.authorities.issuer().is_some_and(|issuer| self.may_use(issuer.id()));
        match kept {
            _ if signs && !self.given => Own::Signed(Box::new(self.authorities)),
            Some(kept) => Own::Kept(kept),
            None => Own::Nothing,
        }
    }

    /// Notes whom members trust on a side.
    fn among(mut self, members: &[Arc<MemberView>], side: Side) -> Self {
        let channels = members
            .iter()
            .filter(|one| !one.object.spec.discarded)
            .map(|one| one.object.spec.transport.get(side))
            .filter(|channel| channel.listen != Listen::Plain);
        for channel in channels {
            self.ever_trusted.extend(channel.trust.iter().cloned());
            self.trusted = Some(match self.trusted {
                Some(all) => all.intersection(&channel.trust).cloned().collect(),
                None => channel.trust.clone(),
            });
        }
        self
    }

    /// Reads it, from Secrets as they were at most so long ago. What can't be read or used is told as a problem: members that
    /// run need none of it.
    pub(super) async fn read(shared: &Shared, cluster: &EtcdCluster, side: Side, age: Duration) -> Self {
        let namespace = cluster.namespace().unwrap_or_default();
        let members = shared.hands.stores.members_of(&namespace, &cluster.name_any());
        let supply = match Tls::given(cluster.spec.tls.as_ref(), side) {
            Some(place) => given(shared, cluster, side, &place, age).await,
            None => {
                let uid = cluster.uid().unwrap_or_default();
                let own = authorities(shared, &namespace, &cluster.name_any(), &uid, side, age).await;
                Self { authorities: own, ..Self::default() }
            }
        };
        supply.among(&members, side)
    }
}

/// Reads what others keep.
async fn given(shared: &Shared, cluster: &EtcdCluster, side: Side, place: &Place, age: Duration) -> Supply {
    let name = cluster.name_any();
    let (members, clients) = match place {
        Place::Secrets { members, clients } => (members.clone(), clients.clone()),
        Place::Issuer(_) if side == Side::Client => {
            (labels::issued_secret(&name, side), labels::issued_client_secret(&name))
        }
        Place::Issuer(_) => (labels::issued_secret(&name, side), labels::issued_secret(&name, side)),
    };
    let maker = |secret: &str| match place {
        Place::Secrets { .. } => "make it, with ca.crt, tls.crt and tls.key".to_owned(),
        Place::Issuer(_) => format!("cert-manager makes it: see kubectl describe certificate {secret}"),
    };
    let now = Timestamp::now();
    let unusable = |why| Supply { authorities: Authorities::unusable(why), given: true, ..Supply::default() };
    let held = match held(shared, cluster, &members, age).await {
        Ok(Some(held)) => held,
        Ok(None) => return unusable(format!("Secret {members} is missing: {}", maker(&members))),
        Err(why) => return unusable(why),
    };
    let found = Given::of(&held, now);
    let names = names(cluster, &shared.cluster_domain, side);
    let mut problem = found.lacks(&names, true, side == Side::Peer);
    if let Some(why) = &problem {
        problem = Some(format!("Secret {members}: {why}"));
    }
    let mut supply = Supply { given: true, ..Supply::default() };
    if side == Side::Client && !(members == clients && found.authorities.issuer().is_some()) {
        match clients_of(shared, cluster, &held, (&clients, age), &maker(&clients), now).await {
            Ok(leaf) => supply.clients = Some(leaf),
            Err(why) => _ = problem.get_or_insert(why),
        }
    }
    if problem.is_none() {
        supply.members = found.leaf;
    }
    let authorities = found.authorities.kept_in(&format!("Secret {members}"));
    supply.authorities = match problem {
        Some(why) => authorities.or_problem(why),
        None => authorities,
    };
    supply
}

/// The certificate that clients show, beside whom members trust.
async fn clients_of(
    shared: &Shared,
    cluster: &EtcdCluster,
    members: &Held,
    (name, age): (&str, Duration),
    maker: &str,
    now: Timestamp,
) -> Result<(LeafFacts, Issued), String> {
    let own = held(shared, cluster, name, age)
        .await?
        .ok_or_else(|| format!("Secret {name} is missing: {maker}"))?;
    let mut entries = own;
    // Whom members trust is said in one place.
    entries.remove("ca.crt");
    entries.extend(members.get("ca.crt").map(|text| ("ca.crt".to_owned(), text.clone())));
    let found = Given::of(&entries, now);
    let problem = found.authorities.observed().problem.or_else(|| found.lacks(&[], false, true));
    match (problem, found.leaf) {
        (None, Some(leaf)) => Ok(leaf),
        (Some(why), _) => Err(format!("Secret {name}: {why}")),
        (None, None) => Err(format!("Secret {name}: tls.crt is that of an authority, not of a client")),
    }
}

/// What a Secret of others holds.
async fn held(
    shared: &Shared,
    cluster: &EtcdCluster,
    name: &str,
    age: Duration,
) -> Result<Option<Held>, String> {
    let namespace = cluster.namespace().unwrap_or_default();
    match shared.secrets.get(&shared.hands, &namespace, name, age).await {
        Ok(Some(secret)) if is_own(&secret, &cluster.uid().unwrap_or_default()) => {
            Err(format!("Secret {name} is one that the operator makes itself; name another one"))
        }
        Ok(secret) => Ok(secret.map(|secret| secret.held)),
        Err(error) => Err(format!("Secret {name} can't be read: {error}")),
    }
}

/// The names that a certificate needs that all members show.
pub(super) fn names(cluster: &EtcdCluster, cluster_domain: &str, side: Side) -> Vec<String> {
    let namespace = cluster.namespace().unwrap_or_default();
    let peers = render::peer_domain(&cluster.name_any(), &namespace, cluster_domain);
    let shared = match side {
        // etcd looks for the peer that connects among the addresses of this name.
        Side::Peer => peers.clone(),
        Side::Client => {
            format!("{}.{namespace}.svc.{cluster_domain}", labels::client_service(&cluster.name_any()))
        }
    };
    let here = (side == Side::Client).then(|| "127.0.0.1".to_owned());
    [format!("*.{peers}"), shared].into_iter().chain(here).map(|name| name.to_lowercase()).collect()
}
