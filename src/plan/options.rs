//! The etcd options a person may choose, checked; and the flags that stay Quorate's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The flags of etcd that Quorate sets itself, without dashes. Nobody else may: each of them decides which cluster a
/// member belongs to, where it is reached or where its data lies.
pub const OWN_FLAGS: &[&str] = &[
    "advertise-client-urls",
    "config-file",
    "data-dir",
    "discovery",
    "discovery-endpoints",
    "discovery-srv",
    "discovery-token",
    "enable-log-rotation",
    "force-new-cluster",
    "initial-advertise-peer-urls",
    "initial-cluster",
    "initial-cluster-state",
    "initial-cluster-token",
    "listen-client-http-urls",
    "listen-client-urls",
    "listen-metrics-urls",
    "listen-peer-urls",
    "log-outputs",
    "log-rotation-config-json",
    "logger",
    "name",
    "strict-reconfig-check",
    "unsafe-no-fsync",
    "wal-dir",
];

/// The flags that have a field of their own in `spec.etcd`; setting them twice would make the result depend on order.
pub const TYPED_FLAGS: &[&str] = &[
    "auto-compaction-mode",
    "auto-compaction-retention",
    "election-timeout",
    "heartbeat-interval",
    "quota-backend-bytes",
    "snapshot-count",
];

/// etcd's default of `--heartbeat-interval`, in milliseconds (`embed.NewConfig`).
pub const DEFAULT_HEARTBEAT: i64 = 100;
/// etcd's default of `--election-timeout`, in milliseconds (`embed.NewConfig`).
pub const DEFAULT_ELECTION: i64 = 1000;
/// etcd refuses an election timeout above this, in milliseconds (`embed.maxElectionMs`).
pub const ELECTION_TIMEOUT_LIMIT: i64 = 50_000;

/// How etcd compacts old revisions by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoCompaction {
    /// `periodic` or `revision`, as etcd's `--auto-compaction-mode` takes it.
    pub mode: String,
    /// A duration such as `1h`, or a number of revisions.
    pub retention: String,
}

/// What `spec.etcd` says, once it was checked. Absent fields leave etcd's own default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EtcdOptions {
    /// `--quota-backend-bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota_backend_bytes: Option<i64>,
    /// `--auto-compaction-mode` and `--auto-compaction-retention`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_compaction: Option<AutoCompaction>,
    /// `--snapshot-count`, in raft entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_count: Option<i64>,
    /// `--heartbeat-interval`, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_interval: Option<i64>,
    /// `--election-timeout`, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub election_timeout: Option<i64>,
    /// Further flags, without dashes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_args: BTreeMap<String, String>,
    /// Further environment variables of the etcd process.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra_env: BTreeMap<String, String>,
}

/// Why a flag may not stand in `extraArgs`; `None` when it may.
pub fn refused_flag(flag: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if flag.is_empty() || flag.starts_with('-') || !flag.chars().all(allowed) {
        return Some(format!(
            "{flag:?} is not the name of a flag: write it in lower case without dashes in front, like max-txn-ops"
        ));
    }
    if OWN_FLAGS.contains(&flag) {
        return Some(format!(
            "--{flag} is Quorate's own: it decides which cluster the member belongs to; remove it"
        ));
    }
    if TYPED_FLAGS.contains(&flag) {
        return Some(format!("--{flag} has a field of its own in spec.etcd; use that"));
    }
    None
}

/// Why an environment variable may not stand in `extraEnv`; `None` when it may.
///
/// etcd ends with an error when a flag and its `ETCD_` variable are both set, so flags are the only way.
pub fn refused_variable(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(allowed) {
        return Some(format!(
            "{name:?} is not the name of an environment variable: use letters, digits, underscores, dots and dashes"
        ));
    }
    name.starts_with("ETCD_")
        .then(|| format!("{name} would shadow a flag of etcd; put the flag into extraArgs"))
}

/// The first difference between what a member runs with and what is wanted, in words; `None` when there is none.
pub fn difference(running: &EtcdOptions, wanted: &EtcdOptions) -> Option<String> {
    // Taken apart without `..`: a new option that is not compared here does not compile.
    let EtcdOptions {
        quota_backend_bytes,
        auto_compaction,
        snapshot_count,
        heartbeat_interval,
        election_timeout,
        extra_args,
        extra_env,
    } = running;
    let number = |value: &Option<i64>| value.map_or("etcd's default".to_owned(), |n| n.to_string());
    let numbers = [
        ("quotaBackendBytes", quota_backend_bytes, &wanted.quota_backend_bytes),
        ("snapshotCount", snapshot_count, &wanted.snapshot_count),
        ("heartbeatInterval", heartbeat_interval, &wanted.heartbeat_interval),
        ("electionTimeout", election_timeout, &wanted.election_timeout),
    ];
    for (field, old, new) in numbers {
        if old != new {
            return Some(format!("{field}: {} → {}", number(old), number(new)));
        }
    }
    if *auto_compaction != wanted.auto_compaction {
        return Some("autoCompaction".into());
    }
    changed_key(extra_args, &wanted.extra_args)
        .map(|key| format!("extraArgs.{key}"))
        .or_else(|| changed_key(extra_env, &wanted.extra_env).map(|key| format!("extraEnv.{key}")))
}

/// The first key that stands in only one of two maps, or with two values.
fn changed_key<'a>(
    old: &'a BTreeMap<String, String>,
    new: &'a BTreeMap<String, String>,
) -> Option<&'a String> {
    old.keys().chain(new.keys()).find(|key| old.get(*key) != new.get(*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_typed_flags_are_refused_and_others_pass() {
        for flag in OWN_FLAGS.iter().chain(TYPED_FLAGS) {
            assert!(refused_flag(flag).is_some(), "{flag}");
        }
        for flag in ["--max-txn-ops", "", "a=b", "a b", "Name", "a_b", "a\n"] {
            assert!(refused_flag(flag).is_some(), "{flag}");
        }
        assert_eq!(refused_flag("max-txn-ops"), None);
        assert!(refused_variable("ETCD_NAME").is_some());
        for name in ["", "A=B", "1A", "A B"] {
            assert!(refused_variable(name).is_some(), "{name:?}");
        }
        assert_eq!(refused_variable("GOGC"), None);
    }

    #[test]
    fn the_first_difference_is_named() {
        let plain = EtcdOptions::default();
        assert_eq!(difference(&plain, &plain), None);
        let tuned = EtcdOptions { snapshot_count: Some(5000), ..plain.clone() };
        assert_eq!(difference(&plain, &tuned).unwrap(), "snapshotCount: etcd's default → 5000");
        let args = EtcdOptions { extra_args: [("max-txn-ops".into(), "9".into())].into(), ..plain.clone() };
        assert_eq!(difference(&args, &plain).unwrap(), "extraArgs.max-txn-ops");
    }
}
