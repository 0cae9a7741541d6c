//! The etcd options a person may choose, checked; and the flags that stay Quorate's own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Flags that `extraArgs` may not have, without dashes, and why.
#[derive(Debug, Clone, Copy)]
pub struct Refused {
    /// Which ones.
    pub flags: &'static [&'static str],
    /// What is said of each of them after its name.
    pub why: &'static str,
}

/// Which cluster a member belongs to.
pub const MEMBERSHIP_FLAGS: Refused = Refused {
    flags: &[
        "discovery",
        "discovery-endpoints",
        "discovery-srv",
        "discovery-token",
        "force-new-cluster",
        "initial-cluster",
        "initial-cluster-state",
        "initial-cluster-token",
        "name",
        "proxy",
        "strict-reconfig-check",
    ],
    why: "is Quorate's own: it decides which cluster a member belongs to",
};

/// Where a member is reached.
pub const ADDRESS_FLAGS: Refused = Refused {
    flags: &[
        "advertise-client-urls",
        "initial-advertise-peer-urls",
        "listen-client-http-urls",
        "listen-client-urls",
        "listen-metrics-urls",
        "listen-peer-urls",
    ],
    why: "is Quorate's own: it decides where a member listens and is reached",
};

/// Which certificates a member shows and asks for.
pub const CERTIFICATE_FLAGS: Refused = Refused {
    flags: &[
        "auto-tls",
        "cert-file",
        "client-cert-allowed-hostname",
        "client-cert-auth",
        "client-cert-file",
        "client-crl-file",
        "client-key-file",
        "experimental-peer-skip-client-san-verification",
        "key-file",
        "peer-auto-tls",
        "peer-cert-allowed-cn",
        "peer-cert-allowed-hostname",
        "peer-cert-file",
        "peer-client-cert-auth",
        "peer-client-cert-file",
        "peer-client-key-file",
        "peer-crl-file",
        "peer-key-file",
        "peer-skip-client-san-verification",
        "peer-trusted-ca-file",
        "self-signed-cert-validity",
        "trusted-ca-file",
    ],
    why: "is Quorate's own: spec.tls decides which certificates members show and ask for",
};

/// Where the data lies.
pub const DATA_FLAGS: Refused = Refused {
    flags: &["data-dir", "unsafe-no-fsync", "wal-dir"],
    why: "is Quorate's own: it decides where a member's data lies, and whether it is on the disk when a write is \
          acknowledged",
};

/// Where flags come from.
pub const CONFIG_FLAGS: Refused = Refused {
    flags: &["config-file"],
    why: "is refused: etcd ignores all flags beside it, those of Quorate too",
};

/// Where the log goes.
pub const LOG_FLAGS: Refused = Refused {
    flags: &["enable-log-rotation", "log-format", "log-outputs", "log-rotation-config-json", "logger"],
    why: "is Quorate's own: why a member ended is read from its log",
};

/// The comparison of data by the leader, at intervals.
pub const PERIODIC_CHECK_FLAGS: Refused = Refused {
    flags: &["corrupt-check-time", "experimental-corrupt-check-time"],
    why: "is refused: a difference that this check finds stops all writes of the cluster, and 3.5 cannot tell whose \
          data is wrong; Quorate compares the members' data from outside and tells a difference in the condition \
          Degraded",
};

/// All flags that `extraArgs` may not have, beside those in [`TYPED_FLAGS`].
pub const REFUSED_FLAGS: [Refused; 7] = [
    MEMBERSHIP_FLAGS,
    ADDRESS_FLAGS,
    CERTIFICATE_FLAGS,
    DATA_FLAGS,
    CONFIG_FLAGS,
    LOG_FLAGS,
    PERIODIC_CHECK_FLAGS,
];

/// The flags that have a field of their own in `spec.etcd`, with that field; setting one twice would make the result
/// depend on order.
pub const TYPED_FLAGS: &[(&str, &str)] = &[
    ("auto-compaction-mode", "autoCompactionMode"),
    ("auto-compaction-retention", "autoCompactionRetention"),
    ("election-timeout", "electionTimeout"),
    ("experimental-initial-corrupt-check", "initialCorruptionCheck"),
    ("heartbeat-interval", "heartbeatInterval"),
    ("log-level", "logLevel"),
    ("max-request-bytes", "maxRequestBytes"),
    ("quota-backend-bytes", "quotaBackendBytes"),
    ("snapshot-count", "snapshotCount"),
];

/// The flag that switches features on and off, from 3.6 on.
pub const FEATURE_GATES: &str = "feature-gates";
/// The feature that has a field of its own, `initialCorruptionCheck`.
pub const INITIAL_CHECK_GATE: &str = "InitialCorruptCheck";

/// What etcd takes for `--log-level`; measured on 3.5, 3.6 and 3.7. `dpanic` is taken too, and documented nowhere.
pub const LOG_LEVELS: [&str; 6] = ["debug", "info", "warn", "error", "panic", "fatal"];

/// The least for `--max-request-bytes`: etcd's own requests have to pass too, and the largest of them, a thousand lease
/// checkpoints (`lease.maxLeaseCheckpointBatchSize`), takes some 16 kB.
pub const MIN_REQUEST_BYTES: i64 = 64 << 10;
/// The most for it: a request of that size did not commit within etcd's own limit of 7 s on two busy cores (measured).
/// Above 10 MiB etcd warns (`recommendedMaxRequestBytes`).
pub const MAX_REQUEST_BYTES: i64 = 100 << 20;

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
    /// `--max-request-bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_bytes: Option<i64>,
    /// `--log-level`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// A member does not compare its data with its peers' before it serves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_initial_check: bool,
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
    if let Some(refused) = REFUSED_FLAGS.iter().find(|refused| refused.flags.contains(&flag)) {
        return Some(format!("--{flag} {}; remove it", refused.why));
    }
    let (_, field) = TYPED_FLAGS.iter().find(|(typed, _)| *typed == flag)?;
    Some(format!("--{flag} has a field of its own: use spec.etcd.{field}"))
}

/// Why the value of a flag may not stand in `extraArgs`; `None` when it may.
pub fn refused_value(flag: &str, value: &str) -> Option<String> {
    (flag == FEATURE_GATES && value.contains(INITIAL_CHECK_GATE)).then(|| {
        format!(
            "the feature {INITIAL_CHECK_GATE} has a field of its own: use spec.etcd.initialCorruptionCheck"
        )
    })
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
        max_request_bytes,
        log_level,
        no_initial_check,
        extra_args,
        extra_env,
    } = running;
    let number = |value: &Option<i64>| value.map_or("etcd's default".to_owned(), |n| n.to_string());
    let numbers = [
        ("quotaBackendBytes", quota_backend_bytes, &wanted.quota_backend_bytes),
        ("snapshotCount", snapshot_count, &wanted.snapshot_count),
        ("heartbeatInterval", heartbeat_interval, &wanted.heartbeat_interval),
        ("electionTimeout", election_timeout, &wanted.election_timeout),
        ("maxRequestBytes", max_request_bytes, &wanted.max_request_bytes),
    ];
    for (field, old, new) in numbers {
        if old != new {
            return Some(format!("{field}: {} → {}", number(old), number(new)));
        }
    }
    if *auto_compaction != wanted.auto_compaction {
        return Some("autoCompaction".into());
    }
    if *log_level != wanted.log_level {
        let level = |level: &Option<String>| level.clone().unwrap_or_else(|| "etcd's default".to_owned());
        return Some(format!("logLevel: {} → {}", level(log_level), level(&wanted.log_level)));
    }
    if *no_initial_check != wanted.no_initial_check {
        return Some(format!("initialCorruptionCheck: {} → {}", !no_initial_check, !wanted.no_initial_check));
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
    fn every_refused_flag_is_named_with_its_reason() {
        for Refused { flags, why } in REFUSED_FLAGS {
            for flag in flags {
                assert_eq!(refused_flag(flag), Some(format!("--{flag} {why}; remove it")));
                let (verdict, reason) = why.split_once(": ").unwrap();
                assert!(["is Quorate's own", "is refused"].contains(&verdict), "{flag}: {verdict}");
                assert!(reason.len() > 20, "{flag}: {reason}");
            }
        }
        let all =
            || REFUSED_FLAGS.iter().flat_map(|one| one.flags).chain(TYPED_FLAGS.iter().map(|(flag, _)| flag));
        for flag in all() {
            assert_eq!(all().filter(|other| *other == flag).count(), 1, "{flag} is there twice");
        }
    }

    #[test]
    fn every_typed_flag_is_refused_with_a_field_that_exists() {
        let fields = serde_json::to_value(schemars::schema_for!(crate::api::EtcdSpec)).unwrap();
        for (flag, field) in TYPED_FLAGS {
            let why = format!("--{flag} has a field of its own: use spec.etcd.{field}");
            assert_eq!(refused_flag(flag), Some(why));
            assert!(fields["properties"].get(field).is_some(), "{field}");
        }
        for gates in ["InitialCorruptCheck=false", "CompactHashCheck=true, InitialCorruptCheck =true"] {
            assert!(
                refused_value(FEATURE_GATES, gates).unwrap().contains("spec.etcd.initialCorruptionCheck")
            );
        }
        assert_eq!(refused_value(FEATURE_GATES, "CompactHashCheck=true"), None);
        assert_eq!(refused_value("other", "InitialCorruptCheck=false"), None);
    }

    #[test]
    fn what_is_no_flag_or_variable_is_refused_and_others_pass() {
        for flag in ["--max-txn-ops", "", "a=b", "a b", "Name", "a_b", "a\n"] {
            assert!(refused_flag(flag).unwrap().contains("is not the name of a flag"), "{flag}");
        }
        assert_eq!(refused_flag("max-txn-ops"), None);
        assert!(refused_variable("ETCD_NAME").unwrap().contains("would shadow a flag"));
        for name in ["", "A=B", "1A", "A B"] {
            assert!(refused_variable(name).unwrap().contains("is not the name of"), "{name:?}");
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
        let level = EtcdOptions { log_level: Some("warn".into()), ..plain.clone() };
        assert_eq!(difference(&level, &plain).unwrap(), "logLevel: warn → etcd's default");
        let unchecked = EtcdOptions { no_initial_check: true, ..plain.clone() };
        assert_eq!(difference(&plain, &unchecked).unwrap(), "initialCorruptionCheck: true → false");
    }
}
