//! Certificates that others make, as the cluster of one EtcdCluster finds them in Secrets.

use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    is_own,
    supply::{Supply, names},
};
use crate::{
    api::{EtcdCluster, Given as Place},
    kubernetes::{labels, platform::Shared, render::Held},
    pki::{Authorities, Given, Issued},
    plan::{Side, certificates::LeafFacts},
};

/// Reads the Secrets of others, as they were at most `age` ago.
pub(super) struct Reader<'r> {
    pub(super) shared: &'r Shared,
    pub(super) cluster: &'r EtcdCluster,
    pub(super) age: Duration,
}

impl Reader<'_> {
    /// What they keep for one side.
    pub(super) async fn given(&self, side: Side, place: &Place) -> Supply {
        let Self { shared, cluster, .. } = self;
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
        let unusable =
            |why| Supply { authorities: Authorities::unusable(why), given: true, ..Supply::default() };
        let held = match self.held(&members).await {
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
            match self.clients(&clients, &held, &maker(&clients), now).await {
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
    async fn clients(
        &self,
        name: &str,
        members: &Held,
        maker: &str,
        now: Timestamp,
    ) -> Result<(LeafFacts, Issued), String> {
        let own = self.held(name).await?;
        let mut entries = own.ok_or_else(|| format!("Secret {name} is missing: {maker}"))?;
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
    async fn held(&self, name: &str) -> Result<Option<Held>, String> {
        let Self { shared, cluster, age } = self;
        let namespace = cluster.namespace().unwrap_or_default();
        match shared.secrets.get(&shared.hands, &namespace, name, *age).await {
            Ok(Some(secret)) if is_own(&secret, &cluster.uid().unwrap_or_default()) => {
                Err(format!("Secret {name} is one that the operator makes itself; name another one"))
            }
            Ok(secret) => Ok(secret.map(|secret| secret.held)),
            Err(error) => Err(format!("Secret {name} can't be read: {error}")),
        }
    }
}
