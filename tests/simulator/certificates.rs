//! What a platform does about certificates beside the steps, and who talks to whom because of them.
//!
//! A process knows the authorities of its start. Its own certificate is read anew for each connection, so that counts which
//! is there now.

use quorate::plan::{
    Scheme, Side, Transport,
    certificates::{Authority, BACKDATED, Kept, LeafFacts, Source, WantedLeaf, leaf_due, made},
    transport::{AuthorityId, Listen},
};

use crate::{
    effects::Answer,
    etcd::Etcd,
    model::{Model, Place, at},
};

/// Whether a process of the first place gets through to the second, by the URL in etcd's list. `holds` says whether what a
/// member shows is valid still.
fn dials(etcd: &Etcd, from: &Place, to: &Place, holds: &impl Fn(&Place) -> bool) -> bool {
    let Some(entry) = etcd.entry(to.uid) else { return true };
    let (own, other) = (&from.started_with.peer, &to.started_with.peer);
    let trusts = |one: &Place, other: &Place| {
        let issuer = other.leaf.peer.as_ref().map(|leaf| &leaf.issuer);
        issuer.is_some_and(|issuer| one.started_with.peer.trust.contains(issuer))
    };
    match Scheme::of(&entry.url) {
        Scheme::Http => other.listen.has(Scheme::Http),
        Scheme::Https => {
            other.listen.has(Scheme::Https)
                && own.listen != Listen::Plain
                && trusts(from, to)
                && trusts(to, from)
                && holds(from)
                && holds(to)
        }
    }
}

/// Whether two processes can exchange messages, as far as schemes, trust and the ends of certificates go.
pub fn talk(etcd: &Etcd, one: &Place, other: &Place) -> bool {
    talk_while(etcd, one, other, |place| place.ends.leaf.min(place.ends.authority) > etcd.now)
}

/// The same with a judgement of one's own of what is valid still.
pub fn talk_while(etcd: &Etcd, one: &Place, other: &Place, holds: impl Fn(&Place) -> bool) -> bool {
    one.uid == other.uid || (dials(etcd, one, other, &holds) && dials(etcd, other, one, &holds))
}

impl Place {
    /// Its peer URL under a scheme, whether it listens there or not.
    pub fn url(&self, scheme: Scheme) -> String {
        match scheme {
            Scheme::Http => format!("http://{}:2380", self.uid),
            Scheme::Https => format!("https://{}:2383", self.uid),
        }
    }

    /// Its peer URLs as the platform shows them.
    pub fn urls(&self) -> (String, Option<String>) {
        match self.transport.peer.listen {
            Listen::Plain => (self.url(Scheme::Http), None),
            Listen::Both => (self.url(Scheme::Http), Some(self.url(Scheme::Https))),
            Listen::Tls => (self.url(Scheme::Https), None),
        }
    }

    pub fn is_at(&self, url: &str) -> bool {
        [Scheme::Http, Scheme::Https].into_iter().any(|scheme| self.url(scheme) == url)
    }
}

impl Model {
    /// Makes certificates that are due, some of them now and some later.
    pub fn renew_leaves(&mut self) {
        for index in 0..self.places.len() {
            let late = self.places[index].ends.leaf < self.now + 10_000;
            if self.renews && (!self.faulty || late || self.rng.per_mille(600)) {
                self.renew_leaf(index);
            }
        }
        for side in Side::ALL {
            let none = Kept::Missing;
            let kept = self.client_leaf.get(side).clone().map_or(none, Kept::Leaf);
            if side == Side::Client
                && *self.desired.tls.get(side) == Source::Managed
                && let Some(leaf) = self.due(side, &kept)
            {
                *self.client_leaf.get_mut(side) = Some(leaf);
            }
        }
    }

    /// Makes those of one member.
    pub fn renew_leaf(&mut self, index: usize) {
        for side in Side::ALL {
            if self.places[index].transport.get(side).listen == Listen::Plain {
                continue;
            }
            let kept = self.places[index].leaf.get(side).clone().map_or(Kept::Missing, Kept::Leaf);
            if let Some(leaf) = self.due(side, &kept) {
                *self.places[index].leaf.get_mut(side) = Some(leaf);
                self.note_ends(index);
                if kept != Kept::Missing {
                    self.cover.hit("certificate made anew");
                }
            }
        }
    }

    /// The certificate that takes the place of one, if one has to.
    fn due(&self, side: Side, kept: &Kept) -> Option<LeafFacts> {
        let issuer = self.certificates.get(side).issuer.clone()?;
        if self.certificates.get(side).problem.is_some() {
            return None;
        }
        let now = at(self.now);
        let wanted = WantedLeaf { issuer, names: [String::from("localhost")].into() };
        leaf_due(kept, &wanted, now)?;
        Some(LeafFacts {
            issuer: wanted.issuer,
            names: wanted.names,
            not_before: now.checked_sub(BACKDATED).unwrap(),
            not_after: now.checked_add(self.policy.leaf_life).unwrap(),
        })
    }

    /// Why a member's process can't be started with what it is made from.
    pub fn lacks_certificates(&self, transport: &Transport, index: usize) -> bool {
        Side::ALL.into_iter().any(|side| {
            transport.get(side).listen != Listen::Plain
                && (self.places[index].leaf.get(side).is_none()
                    || self.certificates.get(side).problem.is_some())
        })
    }

    /// What the plan is shown.
    pub fn shown_certificates(&self) -> quorate::plan::Sides<quorate::plan::certificates::Certificates> {
        let mut shown = self.certificates.clone();
        for side in Side::ALL {
            let of = |place: &Place| Some(place.leaf.get(side).as_ref()?.leaf(&place.name.0));
            let client = self.client_leaf.get(side).iter().map(|leaf| leaf.leaf("client"));
            shown.get_mut(side).leaves = self.places.iter().filter_map(of).chain(client).collect();
        }
        shown
    }

    pub fn add_authority(&mut self, side: Side) -> Answer {
        let now = at(self.now);
        let id = AuthorityId(format!("{side}-{}", self.now));
        let until = now.checked_add(self.policy.authority_life).unwrap();
        let certificates = self.certificates.get_mut(side);
        let newest = certificates.authorities.last().map(|one| one.id.clone());
        if newest.is_some() && newest != certificates.issuer {
            return Ok(());
        }
        let since = made(now.checked_sub(BACKDATED).unwrap());
        certificates.authorities.push(Authority { id: id.clone(), since, until });
        certificates.issuer.get_or_insert(id);
        self.cover.hit("authority made");
        self.lost("authority: answer lost")
    }

    pub fn use_authority(&mut self, side: Side, id: &AuthorityId) -> Answer {
        self.certificates.get_mut(side).issuer = Some(id.clone());
        self.cover.hit("authority signs");
        self.lost("authority: answer lost")
    }

    pub fn drop_authority(&mut self, side: Side, id: &AuthorityId) -> Answer {
        self.certificates.get_mut(side).authorities.retain(|one| one.id != *id);
        self.cover.hit("authority dropped");
        self.lost("authority: answer lost")
    }

    /// No authority comes of age any more, and nothing is missing.
    pub fn calm_certificates(&mut self) {
        let far = at(self.now).checked_add(self.policy.authority_life * 1000).unwrap();
        self.policy.authority_life *= 1000;
        self.desired.client_plaintext = false;
        for side in Side::ALL {
            let certificates = self.certificates.get_mut(side);
            certificates.problem = None;
            certificates.authorities.iter_mut().for_each(|one| one.until = far);
        }
        for index in 0..self.places.len() {
            self.note_ends(index);
        }
    }

    pub fn lost(&mut self, what: &'static str) -> Answer {
        if self.faulty && self.rng.per_mille(50) {
            self.cover.hit(what);
            return Err("the answer got lost");
        }
        Ok(())
    }
}
