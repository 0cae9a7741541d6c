//! The rules of `spec.etcd`.

use std::collections::BTreeMap;

use super::{Problems, rules};
use crate::{
    api::EtcdSpec,
    plan::{
        EtcdOptions,
        options::{
            AutoCompaction, DEFAULT_ELECTION, DEFAULT_HEARTBEAT, ELECTION_TIMEOUT_LIMIT, LOG_LEVELS,
            MAX_REQUEST_BYTES, MIN_REQUEST_BYTES, refused_flag, refused_value, refused_variable,
        },
    },
};

/// The options in the words of the plan; they are only of use when no problem was added.
pub(super) fn check(etcd: &EtcdSpec, problems: &mut Problems) -> EtcdOptions {
    if let Some(quota) = etcd.quota_backend_bytes.filter(|quota| *quota < -1) {
        problems.add(
            "spec.etcd.quotaBackendBytes",
            format!("{quota} is not a quota: use a number of bytes, 0 for etcd's default or -1 for no limit"),
        );
    }
    if let Some(count) = etcd.snapshot_count.filter(|count| *count < 1) {
        problems.add(
            "spec.etcd.snapshotCount",
            format!(
                "{count} is too low: use a number of raft entries of at least 1; etcd's default is 10000, before 3.6 100000"
            ),
        );
    }
    check_timing(etcd, problems);
    if let Some(bytes) =
        etcd.max_request_bytes.filter(|bytes| !(MIN_REQUEST_BYTES..=MAX_REQUEST_BYTES).contains(bytes))
    {
        problems.add(
            "spec.etcd.maxRequestBytes",
            format!(
                "{bytes} is out of bounds: use a number of bytes from {MIN_REQUEST_BYTES} to {MAX_REQUEST_BYTES}; etcd's \
                 default is 1572864, and it recommends at most 10485760"
            ),
        );
    }
    if let Some(level) = etcd.log_level.as_ref().filter(|level| !LOG_LEVELS.contains(&level.as_str())) {
        problems.add(
            "spec.etcd.logLevel",
            format!("{level:?} is not a level: use one of {}", LOG_LEVELS.join(", ")),
        );
    }
    let refused_argument =
        |flag: &str, value: &str| refused_flag(flag).or_else(|| refused_value(flag, value));
    check_map("spec.etcd.extraArgs", &etcd.extra_args, refused_argument, problems);
    check_map("spec.etcd.extraEnv", &etcd.extra_env, |name, _| refused_variable(name), problems);
    EtcdOptions {
        quota_backend_bytes: etcd.quota_backend_bytes,
        auto_compaction: check_compaction(etcd, problems),
        snapshot_count: etcd.snapshot_count,
        heartbeat_interval: etcd.heartbeat_interval,
        election_timeout: etcd.election_timeout,
        max_request_bytes: etcd.max_request_bytes,
        log_level: etcd.log_level.clone(),
        no_initial_check: etcd.initial_corruption_check == Some(false),
        extra_args: etcd.extra_args.clone(),
        extra_env: etcd.extra_env.clone(),
    }
}

/// What `embed.Config.Validate` of etcd demands of the two times.
fn check_timing(etcd: &EtcdSpec, problems: &mut Problems) {
    if let Some(heartbeat) = etcd.heartbeat_interval.filter(|heartbeat| *heartbeat < 1) {
        problems.add(
            "spec.etcd.heartbeatInterval",
            format!(
                "{heartbeat} is too low: use a number of milliseconds of at least 1; etcd's default is 100"
            ),
        );
    }
    if let Some(election) =
        etcd.election_timeout.filter(|election| !(1..=ELECTION_TIMEOUT_LIMIT).contains(election))
    {
        problems.add(
            "spec.etcd.electionTimeout",
            format!(
                "{election} is out of bounds: use a number of milliseconds of at most {ELECTION_TIMEOUT_LIMIT}; etcd's \
                 default is 1000"
            ),
        );
    }
    let heartbeat = etcd.heartbeat_interval.unwrap_or(DEFAULT_HEARTBEAT);
    let election = etcd.election_timeout.unwrap_or(DEFAULT_ELECTION);
    if heartbeat > election / 5 {
        let said = |given: Option<i64>| if given.is_some() { "" } else { ", etcd's default" };
        problems.add(
            "spec.etcd.electionTimeout",
            format!(
                "electionTimeout ({election}{}) has to be at least five times heartbeatInterval ({heartbeat}{}), or etcd \
                 does not start; raise the one or lower the other",
                said(etcd.election_timeout),
                said(etcd.heartbeat_interval),
            ),
        );
    }
}

fn check_compaction(etcd: &EtcdSpec, problems: &mut Problems) -> Option<AutoCompaction> {
    let (mode, retention) = (etcd.auto_compaction_mode.as_ref(), etcd.auto_compaction_retention.as_ref());
    if let Some(mode) = mode.filter(|mode| !matches!(mode.as_str(), "periodic" | "revision")) {
        problems
            .add("spec.etcd.autoCompactionMode", format!("{mode:?} is not a mode: use periodic or revision"));
    }
    let (mode, retention) = match (mode, retention) {
        (None, None) => return None,
        (Some(mode), Some(retention)) => (mode, retention),
        (mode, _) => {
            let (there, absent) = if mode.is_some() { ("Mode", "Retention") } else { ("Retention", "Mode") };
            problems.add(
                "spec.etcd",
                format!(
                    "autoCompactionMode and autoCompactionRetention go together: add autoCompaction{absent} or remove \
                     autoCompaction{there}"
                ),
            );
            return None;
        }
    };
    let (fits, wanted) = match mode.as_str() {
        "revision" => (is_count(retention), "a number of revisions such as 1000"),
        "periodic" => (
            is_duration(retention),
            "a duration of whole hours, minutes and seconds such as 1h or 5m30s, or a number of hours",
        ),
        _ => return None,
    };
    if !fits || retention.len() > rules::WORD_LENGTH {
        problems.add(
            "spec.etcd.autoCompactionRetention",
            format!(
                "{retention:?} does not fit: with autoCompactionMode {mode}, autoCompactionRetention is {wanted}"
            ),
        );
    }
    Some(AutoCompaction { mode: mode.clone(), retention: retention.clone() })
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Hours as a number, or parts of at most six digits with h, m or s, so that etcd can't overflow on it.
fn is_duration(text: &str) -> bool {
    let short = |digits: &str| digits.len() <= 6 && is_count(digits);
    match text.strip_suffix(['h', 'm', 's']) {
        Some(parts) => parts.split(['h', 'm', 's']).all(short),
        None => short(text),
    }
}

fn check_map(
    field: &str,
    map: &BTreeMap<String, String>,
    refused: impl Fn(&str, &str) -> Option<String>,
    problems: &mut Problems,
) {
    if map.len() > rules::MAP_SIZE {
        problems.add(field, format!("{} entries are too many: use at most {}", map.len(), rules::MAP_SIZE));
    }
    for (key, value) in map {
        if let Some(why) = refused(key, value) {
            problems.add(field, why);
        }
        if value.chars().count() > rules::MAP_VALUE_LENGTH {
            problems.add(
                format!("{field}.{key}"),
                format!("the value is too long: use at most {} characters", rules::MAP_VALUE_LENGTH),
            );
        }
    }
}
