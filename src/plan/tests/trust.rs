//! Worlds with certificates: what the tables of moves and rotations begin with.

use super::builder::*;
use crate::plan::{
    Decision, Draining, Incarnation, Recipe, Scheme, Side, Step, Transport, World,
    certificates::{Authority, Certificates, Leaf, Source},
    transport::{AuthorityId, Channel, Listen},
};

pub fn id(name: &str) -> AuthorityId {
    AuthorityId(name.to_owned())
}

/// One that was made `seconds` ago and is valid for a million more.
pub fn authority(name: &str, seconds: i64) -> Authority {
    Authority { id: id(name), since: ago(seconds), until: second(NOW + 1_000_000) }
}

pub fn leaf(holder: &str, issuer: &str, seconds: i64) -> Leaf {
    Leaf { holder: holder.into(), issuer: id(issuer), since: ago(seconds), until: second(NOW + 10_000) }
}

pub fn peer_url(serial: u64, scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => url(serial),
        Scheme::Https => format!("https://{serial}:2383"),
    }
}

/// Listens so on both sides, and trusts these.
pub fn listens(one: &mut Incarnation, listen: Listen, trust: &[&str]) {
    let trust =
        if listen == Listen::Plain { Default::default() } else { trust.iter().map(|one| id(one)).collect() };
    let channel = Channel { listen, trust };
    dress(one, &Transport { peer: channel.clone(), client: channel });
}

/// Takes a transport, with the URLs that come with it.
pub fn dress(one: &mut Incarnation, transport: &Transport) {
    let serial = (0..20).find(|n| name(*n) == one.name).unwrap();
    let of = |scheme| peer_url(serial, scheme);
    (one.peer_url, one.second_peer_url) = match transport.peer.listen {
        Listen::Plain => (of(Scheme::Http), None),
        Listen::Both => (of(Scheme::Http), Some(of(Scheme::Https))),
        Listen::Tls => (of(Scheme::Https), None),
    };
    one.transport = transport.clone();
}

#[allow(missing_docs, reason = "the names say it")]
impl World {
    /// Both sides from an authority of the cluster's own, `1a2b`.
    pub fn managed(self) -> Self {
        self.with(|world| {
            for side in Side::ALL {
                *world.desired.tls.get_mut(side) = Source::Managed;
                *world.certificates.get_mut(side) = Certificates {
                    authorities: vec![authority("1a2b", 1000)],
                    issuer: Some(id("1a2b")),
                    ..Certificates::default()
                };
            }
            world.issue("1a2b");
        })
    }

    /// Plain text is wanted from now on.
    pub fn disabled(self) -> Self {
        self.with(|world| world.desired.tls = Default::default())
    }

    /// Everybody's certificates are of this authority, made long ago.
    pub fn issue(&mut self, issuer: &str) {
        let holders: Vec<_> = self.incarnations.iter().map(|one| one.name.0.clone()).collect();
        for side in Side::ALL {
            self.certificates.get_mut(side).leaves =
                holders.iter().map(|holder| leaf(holder, issuer, 900)).collect();
        }
    }

    /// All members listen so and trust `1a2b`.
    pub fn all(self, listen: Listen) -> Self {
        self.with(|world| world.incarnations.iter_mut().for_each(|one| listens(one, listen, &["1a2b"])))
    }

    /// One member listens so and trusts `1a2b`.
    pub fn one(self, serial: u64, listen: Listen) -> Self {
        self.change(serial, |one| listens(one, listen, &["1a2b"]))
    }

    /// etcd lists these members under `https`.
    pub fn https(self, serials: impl IntoIterator<Item = u64>) -> Self {
        self.with(|world| {
            for serial in serials {
                let at = world.list().iter().position(|one| one.name == name(serial).0).unwrap();
                world.list()[at].peer_urls = vec![peer_url(serial, Scheme::Https)];
            }
        })
    }

    /// A cluster that is under TLS on both sides.
    pub fn secured(self) -> Self {
        let count = self.incarnations.len() as u64;
        self.managed().all(Listen::Tls).https(1..=count)
    }

    /// What the next step makes a member from.
    pub fn recipe(&self) -> Recipe {
        match self.decide().steps() {
            [Step::Renew { recipe, .. } | Step::Reserve { recipe, .. }, ..] => (**recipe).clone(),
            other => panic!("{other:?}"),
        }
    }

    /// Carries out a decision in a world where nothing goes wrong and nothing takes time.
    pub fn carry_out(&mut self, decision: &Decision) {
        for step in decision.steps() {
            let one = self.incarnations.iter_mut().find(|one| one.name.0 == step.member());
            match (step, one) {
                (Step::Drain { .. }, Some(one)) => one.draining = Some(Draining::seen(ago(10))),
                (Step::Undrain { .. }, Some(one)) => one.draining = None,
                (Step::Renew { recipe, .. }, Some(one)) => dress(one, &recipe.transport),
                (Step::MoveLeader { to, .. }, _) => {
                    for report in self.incarnations.iter_mut().filter_map(|one| one.report.as_mut()) {
                        report.leader = Some(*to);
                    }
                }
                (Step::UpdatePeerUrl { id, peer_url, .. }, _) => {
                    self.list().iter_mut().filter(|one| one.id == *id).for_each(|one| {
                        one.peer_urls = vec![peer_url.clone()];
                    });
                }
                (Step::AddAuthority { side }, _) => {
                    let certificates = self.certificates.get_mut(*side);
                    let made = authority(&format!("{:04x}", certificates.authorities.len() + 0xb00), 0);
                    certificates.issuer.get_or_insert_with(|| made.id.clone());
                    certificates.authorities.push(made);
                }
                (Step::UseAuthority { side, id }, _) => {
                    let certificates = self.certificates.get_mut(*side);
                    certificates.issuer = Some(id.clone());
                    certificates.leaves.iter_mut().for_each(|leaf| leaf.issuer = id.clone());
                }
                (Step::DropAuthority { side, id }, _) => {
                    self.certificates.get_mut(*side).authorities.retain(|one| one.id != *id);
                }
                (step, _) => panic!("nothing of this kind belongs to a move: {step:?}"),
            }
        }
    }
}
