//! Flags of etcd whose spelling depends on the minor version: with a wrong one etcd ends at once, with exit code 2.

use crate::plan::{EtcdOptions, EtcdVersion, version::Minor};

/// A flag that not every version knows.
struct Spelling {
    /// The flag, without dashes.
    flag: &'static str,
    /// The oldest version that knows it.
    from: Minor,
    /// The newest version that knows it.
    to: Minor,
    /// What to write for the other versions; empty when there is nothing.
    instead: &'static str,
}

use Minor::{V3_5, V3_6, V3_7};

/// A flag of 3.5 and 3.6 that 3.7 knows by another name only.
const fn old(flag: &'static str, instead: &'static str) -> Spelling {
    Spelling { flag, from: V3_5, to: V3_6, instead }
}

/// A flag that 3.5 knows by another name only.
const fn new(flag: &'static str, instead: &'static str) -> Spelling {
    Spelling { flag, from: V3_6, to: V3_7, instead }
}

/// A flag that only one version knows.
const fn only(flag: &'static str, minor: Minor, instead: &'static str) -> Spelling {
    Spelling { flag, from: minor, to: minor, instead }
}

const TABLE: &[Spelling] = &[
    old("experimental-compact-hash-check-enabled", "feature-gates: CompactHashCheck=true"),
    old("experimental-enable-lease-checkpoint", "feature-gates: LeaseCheckpoint=true"),
    old(
        "experimental-enable-lease-checkpoint-persist",
        "feature-gates: LeaseCheckpoint=true,LeaseCheckpointPersist=true",
    ),
    old("experimental-txn-mode-write-with-shared-buffer", "feature-gates: TxnModeWriteWithSharedBuffer=true"),
    old("experimental-stop-grpc-service-on-defrag", "feature-gates: StopGRPCServiceOnDefrag=true"),
    old("experimental-compact-hash-check-time", "compact-hash-check-time"),
    old("experimental-watch-progress-notify-interval", "watch-progress-notify-interval"),
    old("experimental-snapshot-catchup-entries", "snapshot-catchup-entries"),
    old("experimental-warning-apply-duration", "warning-apply-duration"),
    old("experimental-bootstrap-defrag-threshold-megabytes", "bootstrap-defrag-threshold-megabytes"),
    old("experimental-compaction-batch-limit", "compaction-batch-limit"),
    old("experimental-compaction-sleep-interval", "compaction-sleep-interval"),
    old("experimental-memory-mlock", "memory-mlock"),
    old("experimental-downgrade-check-time", "downgrade-check-time"),
    old("experimental-enable-distributed-tracing", "enable-distributed-tracing"),
    old("experimental-distributed-tracing-address", "distributed-tracing-address"),
    old("experimental-distributed-tracing-instance-id", "distributed-tracing-instance-id"),
    old("experimental-distributed-tracing-sampling-rate", "distributed-tracing-sampling-rate"),
    old("experimental-distributed-tracing-service-name", "distributed-tracing-service-name"),
    new("compact-hash-check-time", "experimental-compact-hash-check-time"),
    new("watch-progress-notify-interval", "experimental-watch-progress-notify-interval"),
    new("snapshot-catchup-entries", "experimental-snapshot-catchup-entries"),
    new("warning-apply-duration", "experimental-warning-apply-duration"),
    new("bootstrap-defrag-threshold-megabytes", "experimental-bootstrap-defrag-threshold-megabytes"),
    new("compaction-batch-limit", "experimental-compaction-batch-limit"),
    new("compaction-sleep-interval", "experimental-compaction-sleep-interval"),
    new("memory-mlock", "experimental-memory-mlock"),
    new("downgrade-check-time", "experimental-downgrade-check-time"),
    new("enable-distributed-tracing", "experimental-enable-distributed-tracing"),
    new("distributed-tracing-address", "experimental-distributed-tracing-address"),
    new("distributed-tracing-instance-id", "experimental-distributed-tracing-instance-id"),
    new("distributed-tracing-sampling-rate", "experimental-distributed-tracing-sampling-rate"),
    new("distributed-tracing-service-name", "experimental-distributed-tracing-service-name"),
    new(
        "feature-gates",
        "the experimental- flag of each feature, like experimental-compact-hash-check-enabled",
    ),
    new("max-learners", ""),
    new("warning-unary-request-duration", ""),
    only("experimental-warning-unary-request-duration", V3_6, "warning-unary-request-duration"),
    only("enable-v2", V3_5, ""),
    only("experimental-enable-v2v3", V3_5, ""),
    only("proxy-dial-timeout", V3_5, ""),
    only("proxy-failure-wait", V3_5, ""),
    only("proxy-read-timeout", V3_5, ""),
    only("proxy-refresh-interval", V3_5, ""),
    only("proxy-write-timeout", V3_5, ""),
];

/// Says that this version of etcd does not know a flag, and which spelling it knows; `None` when nothing is known
/// against it.
///
/// Only flags whose spelling changed between 3.5 and 3.7 are judged, so a mistyped one passes.
pub fn unknown_flag(flag: &str, version: EtcdVersion) -> Option<String> {
    let minor = version.minor();
    let spelling = find(flag).filter(|one| !one.known_to(minor))?;
    // The other spelling may be as strange to this version: then there is none.
    let other = find(spelling.instead).is_none_or(|one| one.known_to(minor));
    Some(match spelling.instead {
        instead if other && !instead.is_empty() => {
            format!("etcd {minor} does not know --{flag}: write {instead}")
        }
        _ => format!("etcd {minor} does not know --{flag}, and has nothing in its place: remove it"),
    })
}

/// What is known against the extra flags of a spec, one sentence each with its field.
pub fn unknown_flags(options: &EtcdOptions, version: EtcdVersion) -> Vec<String> {
    let told = options.extra_args.keys().filter_map(|flag| unknown_flag(flag, version));
    told.map(|why| format!("spec.etcd.extraArgs: {why}; etcd does not start with it")).collect()
}

/// Every flag that [`unknown_flag`] judges, without dashes.
pub fn judged_flags() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|one| one.flag)
}

fn find(flag: &str) -> Option<&'static Spelling> {
    TABLE.iter().find(|one| one.flag == flag)
}

impl Spelling {
    fn known_to(&self, minor: Minor) -> bool {
        (self.from..=self.to).contains(&minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_spelling_is_named() {
        let told = |flag, version: &str| unknown_flag(flag, version.parse().unwrap());
        assert_eq!(
            told("experimental-compact-hash-check-time", "3.7.3").unwrap(),
            "etcd 3.7 does not know --experimental-compact-hash-check-time: write compact-hash-check-time"
        );
        assert!(
            told("compact-hash-check-time", "3.5.35")
                .unwrap()
                .ends_with("write experimental-compact-hash-check-time")
        );
        for flag in ["max-learners", "experimental-warning-unary-request-duration"] {
            assert!(told(flag, "3.5.35").unwrap().contains("remove it"), "{flag}");
        }
        for (flag, version) in [
            ("experimental-compact-hash-check-time", "3.6.16"),
            ("compact-hash-check-time", "3.6.16"),
            ("max-txn-ops", "3.5.35"),
            ("never-heard-of", "3.5.35"),
        ] {
            assert_eq!(told(flag, version), None, "{flag} {version}");
        }
    }

    #[test]
    fn no_flag_is_judged_twice_and_none_of_quorates_own() {
        let mut flags: Vec<_> = judged_flags().collect();
        flags.sort_unstable();
        assert!(flags.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(flags.iter().all(|flag| crate::plan::options::refused_flag(flag).is_none()));
    }
}
