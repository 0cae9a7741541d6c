//! `spec.etcd`: options of etcd.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{rules, scalars};
use crate::plan::options::{
    ADDRESS_FLAGS, CERTIFICATE_FLAGS, CONFIG_FLAGS, DATA_FLAGS, LOG_FLAGS, MEMBERSHIP_FLAGS,
    PERIODIC_CHECK_FLAGS,
};

/// Options of etcd, those that Quorate reasons about by name and the others as they are.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = rules::compaction_complete(),
    validation = rules::compaction_by_revision(),
    validation = rules::compaction_by_time(),
    validation = rules::election_covers_heartbeats()
)]
#[serde(rename_all = "camelCase")]
pub struct EtcdSpec {
    /// The size of the database at which etcd stops writes, in bytes. 0 is etcd's default (2 GiB), -1 no limit. etcd
    /// recommends at most 8 GiB.
    #[serde(default, deserialize_with = "scalars::optional_number", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::quota())]
    pub quota_backend_bytes: Option<i64>,

    /// How etcd forgets old revisions by itself: periodic or revision. Needs autoCompactionRetention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::compaction_mode())]
    pub auto_compaction_mode: Option<String>,

    /// What is kept: with mode periodic a duration such as 1h or 5m30s, or a number of hours; with mode revision a number
    /// of revisions. 0 keeps everything. Needs autoCompactionMode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    pub auto_compaction_retention: Option<String>,

    /// How many raft entries are applied before etcd takes a snapshot of its state.
    #[serde(default, deserialize_with = "scalars::optional_number", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::snapshot_count())]
    pub snapshot_count: Option<i64>,

    /// How often the leader is heard of, in milliseconds: about the round trip between members. 100 when absent.
    #[serde(default, deserialize_with = "scalars::optional_number", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::heartbeat())]
    pub heartbeat_interval: Option<i64>,

    /// How long a member hears nothing of the leader before it calls an election, in milliseconds: at least five heartbeat
    /// intervals and at most 50000. 1000 when absent.
    #[serde(default, deserialize_with = "scalars::optional_number", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::election())]
    pub election_timeout: Option<i64>,

    /// The largest request that a member takes, in bytes: from 65536 to 104857600, and etcd recommends at most 10485760
    /// (10 MiB). 1572864 (1.5 MiB) when absent. A client has limits of its own: that of Go sends 2 MiB at most unless it
    /// is told otherwise. Large requests hold up all others.
    #[serde(default, deserialize_with = "scalars::optional_number", skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::max_request_bytes())]
    pub max_request_bytes: Option<i64>,

    /// What the members write into their logs: debug, info, warn, error, panic or fatal. info when absent. Above warn a
    /// log may not say any more why a member ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::log_level())]
    pub log_level: Option<String>,

    /// Whether a member compares its data with its peers' before it serves, and ends if they differ. True when absent.
    /// It is left out while no quorum answers. etcd's periodic check stays off: a difference that it finds stops all
    /// writes of the cluster, and 3.5 cannot tell whose data is wrong; the operator compares the data from outside.
    #[serde(default, deserialize_with = "scalars::optional_flag", skip_serializing_if = "Option::is_none")]
    pub initial_corruption_check: Option<bool>,

    /// Further flags of etcd, without dashes, such as max-txn-ops. The flags that Quorate sets itself, those that have a
    /// field of their own, and the periodic corruption check are refused.
    #[serde(
        default,
        deserialize_with = "scalars::null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schemars(extend("nullable" = true, "maxProperties" = rules::MAP_SIZE, "additionalProperties" = rules::map_value()))]
    #[x_kube(
        validation = rules::flag_names(),
        validation = rules::flags_allowed(&MEMBERSHIP_FLAGS),
        validation = rules::flags_allowed(&ADDRESS_FLAGS),
        validation = rules::flags_allowed(&CERTIFICATE_FLAGS),
        validation = rules::flags_allowed(&DATA_FLAGS),
        validation = rules::flags_allowed(&CONFIG_FLAGS),
        validation = rules::flags_allowed(&LOG_FLAGS),
        validation = rules::flags_allowed(&PERIODIC_CHECK_FLAGS),
        validation = rules::flags_not_typed(),
        validation = rules::features_not_typed()
    )]
    pub extra_args: BTreeMap<String, String>,

    /// Further environment variables of the etcd processes, such as GOGC. Those that begin with ETCD_ are refused: they
    /// would shadow flags.
    #[serde(
        default,
        deserialize_with = "scalars::null_is_default",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    #[schemars(extend("nullable" = true, "maxProperties" = rules::MAP_SIZE, "additionalProperties" = rules::map_value()))]
    #[x_kube(validation = rules::variable_names(), validation = rules::variables_not_etcd())]
    pub extra_env: BTreeMap<String, String>,
}
