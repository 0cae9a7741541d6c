//! What is written into the Lease: taking, renewing and giving back, each guarded by the version that was read.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use serde_json::{Value, json};

use super::{TERM, verdict::Record};

/// The spec by which `me` takes the lease, or renews it when it is its already.
pub(super) fn claim(before: Option<&Record>, me: &str, now: Timestamp) -> LeaseSpec {
    let mine = before.is_some_and(|record| record.holder() == me);
    let old = before.map(|record| &record.spec);
    let transitions = old.map(|spec| spec.lease_transitions.unwrap_or_default());
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(seconds(TERM)),
        acquire_time: old
            .filter(|_| mine)
            .and_then(|spec| spec.acquire_time.clone())
            .or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(differing(old, now))),
        lease_transitions: Some(transitions.map_or(0, |count| count.saturating_add(i32::from(!mine)))),
        ..LeaseSpec::default()
    }
}

/// The spec by which it is given back, as client-go writes it.
pub(super) fn give_back(before: &Record, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        lease_transitions: before.spec.lease_transitions,
        ..LeaseSpec::default()
    }
}

/// A merge patch that the server refuses unless the Lease is still of this version.
pub(super) fn patch(spec: &LeaseSpec, version: &str) -> Value {
    json!({ "metadata": { "resourceVersion": version }, "spec": spec })
}

/// A new Lease.
pub(super) fn new(name: &str, spec: LeaseSpec) -> Lease {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Lease { metadata, spec: Some(spec) }
}

/// Others tell a renewal by a change, so a clock that stands still must not hide one.
fn differing(old: Option<&LeaseSpec>, now: Timestamp) -> Timestamp {
    // The API keeps microseconds.
    let cut = |time: Timestamp| Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time);
    let now = cut(now);
    match old.and_then(|spec| spec.renew_time.as_ref()) {
        Some(MicroTime(last)) if cut(*last) == now => now + SignedDuration::from_micros(1),
        _ => now,
    }
}

fn seconds(term: Duration) -> i32 {
    i32::try_from(term.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn record(spec: LeaseSpec) -> Record {
        Record { uid: "1".into(), spec }
    }

    #[test]
    fn a_holder_keeps_the_count_and_the_time_and_a_new_one_counts_on() {
        let first = record(claim(None, "a", at(1)));
        assert_eq!(first.spec.lease_transitions, Some(0));
        let renewed = record(claim(Some(&first), "a", at(3)));
        assert_eq!(
            (renewed.spec.lease_transitions, &renewed.spec.acquire_time),
            (Some(0), &first.spec.acquire_time)
        );
        assert_eq!(renewed.spec.renew_time, Some(MicroTime(at(3))));
        let taken = record(claim(Some(&renewed), "b", at(20)));
        assert_eq!((taken.spec.lease_transitions, taken.holder()), (Some(1), "b"));
        assert_eq!(taken.spec.acquire_time, Some(MicroTime(at(20))));
        let given = record(give_back(&taken, at(21)));
        assert_eq!((given.holder(), given.spec.lease_duration_seconds), ("", Some(1)));
        assert_eq!(claim(Some(&given), "b", at(22)).lease_transitions, Some(2));
    }

    #[test]
    fn a_renewal_shows_even_when_the_clock_stands_still() {
        let first = record(claim(None, "a", at(1)));
        let second = record(claim(Some(&first), "a", at(1)));
        assert_ne!(first, second);
        assert_ne!(second, record(claim(Some(&second), "a", at(1))));
    }
}
