//! The ends of certificates and of the authorities that signed them, and what may keep others from being made in time.

use quorate::plan::{certificates::Source, transport::Listen};

use crate::{
    etcd::Etcd,
    model::{Model, Place},
};

/// Until when what a member shows its peers is valid.
#[derive(Clone, Copy, Default)]
pub struct Ends {
    pub leaf: i64,
    /// That of the authority which signed it.
    pub authority: i64,
}

/// What keeps certificates and authorities from being made in time: when there was something of it last.
#[derive(Clone, Copy, Default)]
pub struct Hindered {
    pub leaves: i64,
    pub authorities: i64,
}

/// How long before its end nothing may have been in the way of a certificate, for its end to be nobody else's fault, in ms.
const FREE: Hindered = Hindered { leaves: 10_000, authorities: 20_000 };

impl Hindered {
    /// Whether what a member shows its peers is valid, or ended for a fault that was made to happen.
    pub fn excuses(self, place: &Place, now: i64) -> bool {
        let excused = |end: i64, last: i64, free: i64| end > now || last + free > end;
        excused(place.ends.leaf, self.leaves, FREE.leaves)
            && excused(place.ends.authority, self.authorities, FREE.authorities)
    }
}

impl Model {
    pub fn note_ends(&mut self, index: usize) {
        let Some(leaf) = &self.places[index].leaf.peer else { return };
        let signer = self.certificates.peer.authorities.iter().find(|one| one.id == leaf.issuer);
        let authority = signer.map_or(0, |one| one.until.as_millisecond());
        self.places[index].ends = Ends { leaf: leaf.not_after.as_millisecond(), authority };
    }

    /// Remembers what may keep certificates from being made in time. A rotation takes years in life and has seconds here, so
    /// whatever holds up a roll counts for authorities.
    pub fn note_hindrances(&mut self, etcd: &Etcd) {
        let now = self.now;
        let peer = &self.certificates.peer;
        if peer.problem.is_some() || now < self.away_until {
            self.hindered = Hindered { leaves: now, authorities: now };
        }
        let ill = |place: &Place| etcd.entry(place.uid).is_some() && place.healthy_at < now;
        let shows = |place: &Place| place.leaf.peer.is_some() && place.transport.peer.listen != Listen::Plain;
        let ended = |place: &Place| shows(place) && place.ends.leaf.min(place.ends.authority) <= now;
        if self.desired.paused
            || self.desired.tls.peer != Source::Managed
            || self.divergence.is_some()
            || peer.authorities.len() > 1
            || self.places.iter().any(ill) && !self.places.iter().any(ended)
        {
            self.hindered.authorities = now;
        }
    }
}
