//! What the seeds went through, counted: a simulator that never loses a quorum proves nothing about losing one.

use std::{collections::BTreeMap, fmt};

/// Every one of these has to happen in a run of a thousand seeds or more.
pub const EXPECTED: &[&str] = &[
    "add",
    "add: answer lost",
    "add: refused, unhealthy cluster",
    "admit",
    "authority dropped",
    "authority made",
    "authority signs",
    "authority: answer lost",
    "bootstrap",
    "bootstrap started over",
    "call: commits late",
    "call: never commits",
    "certificate made anew",
    "discard",
    "cluster version: down",
    "cluster version: up",
    "divergence",
    "downgrade: answer lost",
    "downgrade: enabled",
    "downgrade: ended by itself",
    "downgrade: given up",
    "drain",
    "election",
    "end: converged",
    "end: majority of data lost",
    "fault: certificates missing",
    "fault: damaged data",
    "fault: emptied, running",
    "fault: emptied, stopped",
    "fault: kill",
    "fault: kill between mark and data",
    "fault: nothing left of a member",
    "fault: partition",
    "fault: start blocked",
    "learner given up",
    "leader moved",
    "leader move: no answer",
    "operator crashed after an effect",
    "operator crashed before an effect",
    "platform call failed",
    "probe: stale",
    "probe: unanswered",
    "promote",
    "promote: answer lost",
    "quorum lost",
    "raft snapshot",
    "raft snapshot: forced by a downgrade",
    "raft snapshot: received",
    "remove",
    "remove: answer lost",
    "replacement for storage",
    "replacement of lost data",
    "request: replace",
    "request: restart",
    "request: rotation",
    "reserve",
    "roll: ended for a bad flag",
    "roll: minor down",
    "roll: minor up",
    "roll: options",
    "roll: transport",
    "roll: version",
    "restart on request",
    "removed member ended by itself",
    "scale in",
    "serial given out, place not made",
    "snapshot: answer lost",
    "snapshot: begun",
    "snapshot: failed",
    "snapshot: grew old",
    "snapshot: lost with its member",
    "snapshot: lost with the operator",
    "snapshot: taken",
    "spec: bad options",
    "spec: options",
    "spec: paused",
    "spec: TLS",
    "spec: size",
    "spec: storage",
    "spec: version",
    "spec: version put back",
    "spec: version, refused",
    "start",
    "start: refused, folder emptied",
    "start: refused, no certificate",
    "undrain",
    "update of a peer URL",
    "update of a peer URL: answer lost",
    "write acknowledged",
];

#[derive(Default, Clone)]
pub struct Coverage {
    counts: BTreeMap<&'static str, u64>,
    pub steps: u64,
    pub passes: u64,
    /// The longest time from the last fault to rest, in ms.
    pub longest: i64,
}

impl Coverage {
    pub fn hit(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (what, count) in &other.counts {
            *self.counts.entry(what).or_default() += count;
        }
        self.steps += other.steps;
        self.passes += other.passes;
        self.longest = self.longest.max(other.longest);
    }

    pub fn missing(&self) -> Vec<&'static str> {
        EXPECTED.iter().filter(|what| !self.counts.contains_key(*what)).copied().collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts: Vec<_> = self.counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
        f.write_str(&counts.join(" | "))
    }
}
