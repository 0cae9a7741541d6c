//! What the certificates of one side are made from: the cluster's own authorities, or Secrets that others keep.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use kube::ResourceExt;

use super::{
    authorities,
    given::Reader,
    leaves::{Files, Ready},
    talk::Own,
};
use crate::{
    api::{EtcdCluster, Tls},
    kubernetes::{
        labels,
        platform::Shared,
        render::{self, Held},
        views::MemberView,
    },
    pki::{Authorities, Issued},
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
            Some(place) => Reader { shared, cluster, age }.given(side, &place).await,
            None => {
                let uid = cluster.uid().unwrap_or_default();
                let own = authorities(shared, &namespace, &cluster.name_any(), &uid, side, age).await;
                Self { authorities: own, ..Self::default() }
            }
        };
        supply.among(&members, side)
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
