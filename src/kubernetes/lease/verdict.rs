//! Whose the lease is. Pure: what was read, when it was seen to change, and the time now go in, a verdict comes out.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use tokio::time::Instant;

use super::TERM;

/// What a verdict is made from: the Lease as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Tells a Lease from another of its name.
    pub uid: String,
    /// What its fields say.
    pub spec: LeaseSpec,
}

impl Record {
    /// Who holds it; empty when nobody does.
    pub fn holder(&self) -> &str {
        self.spec.holder_identity.as_deref().unwrap_or_default()
    }

    /// How long it holds after a renewal. Never shorter than our own term: a Lease edited by hand must not shorten what
    /// its holder relies on.
    pub fn term(&self) -> Duration {
        let seconds = self.spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Duration::from_secs(seconds.unwrap_or_default()).max(TERM)
    }
}

/// Whose the lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It bears this identity.
    Mine,
    /// There is none, it was given back, or its holder did not renew it for a whole term: it may be taken.
    Free,
    /// Another holds it.
    Theirs {
        /// When it becomes free, unless it is renewed before.
        until: Instant,
    },
}

/// Judges a Lease. `observed_at` is the local time at which the record was first seen as it is: the times written in it
/// are by the clock of another machine, and say nothing.
pub fn evaluate(record: Option<&Record>, me: &str, observed_at: Instant, now: Instant) -> Verdict {
    let Some(record) = record else { return Verdict::Free };
    if record.holder().is_empty() {
        return Verdict::Free;
    }
    if record.holder() == me {
        return Verdict::Mine;
    }
    match observed_at.checked_add(record.term()) {
        Some(until) if until <= now => Verdict::Free,
        Some(until) => Verdict::Theirs { until },
        None => Verdict::Theirs { until: now + TERM },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_verdicts() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let held = |holder: &str, seconds: Option<i32>| {
            let holder_identity = Some(holder.to_owned());
            let spec = LeaseSpec { holder_identity, lease_duration_seconds: seconds, ..LeaseSpec::default() };
            Some(Record { uid: "1".into(), spec })
        };
        let nobody = Some(Record { uid: "1".into(), spec: LeaseSpec::default() });
        let theirs = |seconds| Verdict::Theirs { until: after(seconds) };
        for (record, now, verdict) in [
            (None, 0, Verdict::Free),
            (nobody, 0, Verdict::Free),
            (held("", Some(1)), 0, Verdict::Free),
            (held("a", Some(15)), 0, Verdict::Mine),
            // Nobody else can have taken it without being written into it.
            (held("a", Some(15)), 99, Verdict::Mine),
            (held("b", Some(15)), 0, theirs(15)),
            (held("b", Some(15)), 14, theirs(15)),
            (held("b", Some(15)), 15, Verdict::Free),
            (held("b", Some(60)), 59, theirs(60)),
            (held("b", Some(60)), 60, Verdict::Free),
            (held("b", Some(1)), 14, theirs(15)),
            (held("b", Some(-7)), 14, theirs(15)),
            (held("b", None), 14, theirs(15)),
            (held("b", None), 15, Verdict::Free),
            (held("b", Some(i32::MAX)), 99, theirs(i32::MAX as u64)),
        ] {
            let said = evaluate(record.as_ref(), "a", start, after(now));
            assert_eq!(said, verdict, "{record:?} after {now} s");
        }
    }
}
