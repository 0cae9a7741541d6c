//! The rules of the resource as the API server applies them: CEL, one function a rule, with the message it gives.
//!
//! [`super::validate`] says the same without a server. Bounds of lengths are there because the API server refuses rules
//! whose cost it can't bound.

use kube::core::Rule;
use serde_json::{Value, json};

use crate::plan::{
    CLUSTER_NAME_LIMIT, ClusterSize,
    options::{
        DEFAULT_ELECTION, DEFAULT_HEARTBEAT, ELECTION_TIMEOUT_LIMIT, FEATURE_GATES, INITIAL_CHECK_GATE,
        LOG_LEVELS, MAX_REQUEST_BYTES, MIN_REQUEST_BYTES, Refused, TYPED_FLAGS,
    },
    version::{Minor, floor},
};

/// The longest version, in characters.
pub(super) const VERSION_LENGTH: usize = 16;
/// The longest token, in characters.
pub(super) const TOKEN_LENGTH: usize = 64;
/// The longest of the values that are one word or a short number, in characters.
pub(super) const WORD_LENGTH: usize = 16;
/// The longest name of an object of Kubernetes, in characters.
pub(super) const NAME_LENGTH: usize = 253;
/// How many entries `extraArgs` and `extraEnv` may have, each.
pub(super) const MAP_SIZE: usize = 64;
/// The longest value in them, in characters.
pub(super) const MAP_VALUE_LENGTH: usize = 4096;
/// The access modes with which a member can write.
pub(super) const ACCESS_MODES: [&str; 3] = ["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"];

/// The longest name of an image, in characters.
pub(super) const IMAGE_LENGTH: usize = 512;
/// When an image may be pulled.
pub(super) const PULL_POLICIES: [&str; 3] = ["Always", "IfNotPresent", "Never"];
/// What may become of the volumes of a deleted cluster.
pub(super) const DELETION_POLICIES: [&str; 2] = ["Retain", "Delete"];
/// How members that exist get to storage that was changed.
pub(super) const RESIZE_POLICIES: [&str; 2] = ["Expand", "Replace"];

/// Who the certificates of a side may be from.
pub(super) const TLS_MODES: [&str; 4] = ["Managed", "Secret", "CertManager", "Disabled"];

/// The schema of the values of a map.
pub(super) fn map_value() -> Value {
    json!({ "type": "string", "maxLength": MAP_VALUE_LENGTH })
}

fn rule(expression: impl Into<String>, message: impl AsRef<str>) -> Rule {
    Rule::new(expression).message(message.as_ref())
}

/// Texts as a list of CEL; none of them holds a quote.
fn list(texts: &[&str]) -> String {
    format!("['{}']", texts.join("', '"))
}

pub(super) fn name_shape() -> Rule {
    rule(
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name: the name of a cluster is part of host names: use lower-case letters, digits and dashes, begin \
         with a letter and end with a letter or digit",
    )
}

pub(super) fn name_length() -> Rule {
    rule(
        format!("self.metadata.name.size() <= {CLUSTER_NAME_LIMIT}"),
        format!(
            "metadata.name: the name of a cluster has at most {CLUSTER_NAME_LIMIT} characters, since the names of its \
             members are longer; use a shorter one"
        ),
    )
}

pub(super) fn name_stays() -> Rule {
    rule(
        "self.metadata.name == oldSelf.metadata.name",
        "metadata.name cannot be changed: members carry it in their names; make a new cluster",
    )
}

pub(super) fn size_not_too_small() -> Rule {
    rule(format!("self >= {}", ClusterSize::MIN), "fewer than 3 members survive no failure; use 3, 5, 7 or 9")
}

pub(super) fn size_not_too_large() -> Rule {
    rule(
        format!("self <= {}", ClusterSize::MAX),
        "beyond 9 members every write waits for too many disks; use 3, 5, 7 or 9",
    )
}

pub(super) fn size_odd() -> Rule {
    // What is out of bounds has its own message already.
    rule(
        format!("self < {} || self > {} || self % 2 == 1", ClusterSize::MIN, ClusterSize::MAX),
        "an even count survives no more failures than one member less and needs one vote more; use 3, 5, 7 or 9",
    )
}

pub(super) fn version_known() -> Rule {
    rule(
        "self.matches('^3[.][567][.](0|[1-9][0-9]*)$')",
        "Quorate runs released versions of etcd 3.5, 3.6 and 3.7: write one like 3.6.16, without a leading v",
    )
}

pub(super) fn version_skips_no_minor() -> Rule {
    rule(
        "!(oldSelf.startsWith('3.5.') && self.startsWith('3.7.')) && \
         !(oldSelf.startsWith('3.7.') && self.startsWith('3.5.'))",
        "etcd goes one minor version at a time: go through 3.6 first",
    )
}

/// Between two minor versions the older one has to be a late release, in either direction.
fn version_floor(older: Minor, newer: Minor, early: &str) -> Rule {
    let crosses = |from: &str, to: &str| {
        format!(
            "!({from}.matches('^{}[.]({early})$') && {to}.startsWith('{newer}.'))",
            older.to_string().replace('.', "[.]")
        )
    };
    rule(
        format!("{} && {}", crosses("oldSelf", "self"), crosses("self", "oldSelf")),
        format!(
            "between etcd {older} and {newer} every member has to run at least {}: go to that release or a later one first",
            floor(older)
        ),
    )
}

pub(super) fn version_floor_3_6() -> Rule {
    version_floor(Minor::V3_5, Minor::V3_6, "[0-9]|[12][0-9]|3[01]")
}

pub(super) fn version_floor_3_7() -> Rule {
    version_floor(Minor::V3_6, Minor::V3_7, "[0-9]|10")
}

pub(super) fn token_shape() -> Rule {
    rule(
        "self.matches('^[A-Za-z0-9._-]+$')",
        "a token has 1 to 64 letters, digits, dots, underscores and dashes; write one like prod-1, or remove it",
    )
}

pub(super) fn token_stays() -> Rule {
    let token =
        |of: &str| format!("(has({of}.bootstrap) && has({of}.bootstrap.token) ? {of}.bootstrap.token : '')");
    rule(
        format!("{} == {}", token("self"), token("oldSelf")),
        "bootstrap.token cannot be changed, added or removed after creation, since the members carry it; put the former \
         value back, or make a new cluster",
    )
    .field_path(".bootstrap")
}

pub(super) fn image() -> Rule {
    rule(
        "self.matches('^[!-~]+$')",
        format!(
            "this is not an image: write one without spaces, of at most {IMAGE_LENGTH} characters, such as \
             quay.io/coreos/etcd:v3.6.16, or remove it"
        ),
    )
}

pub(super) fn image_pull_policy() -> Rule {
    rule(format!("self in {}", list(&PULL_POLICIES)), "use Always, IfNotPresent or Never")
}

pub(super) fn deletion_policy() -> Rule {
    rule(format!("self in {}", list(&DELETION_POLICIES)), "use Retain or Delete")
}

pub(super) fn tls_mode() -> Rule {
    rule(format!("self in {}", list(&TLS_MODES)), "use Managed, Secret, CertManager or Disabled")
}

pub(super) fn plaintext_beside_tls() -> Rule {
    rule(
        "!has(self.plaintext) || !self.plaintext || !has(self.mode) || self.mode != 'Disabled'",
        "plaintext asks for plain text beside TLS, and there is none with the mode Disabled; remove it",
    )
    .field_path(".plaintext")
}

pub(super) fn object_name() -> Rule {
    rule("size(self) > 0", format!("a name has 1 to {NAME_LENGTH} characters; write that of an object"))
}

pub(super) fn secret_of_a_side() -> Rule {
    rule(
        "has(self.secretName) == (has(self.mode) && self.mode == 'Secret')",
        "secretName names the Secret with ca.crt, tls.crt and tls.key: the mode Secret needs it, and no other mode has a use \
         for it",
    )
}

pub(super) fn secret_of_clients() -> Rule {
    rule(
        "!has(self.clientSecretName) || (has(self.mode) && self.mode == 'Secret')",
        "clientSecretName belongs to the mode Secret; remove it",
    )
    .field_path(".clientSecretName")
}

pub(super) fn issuer_of_a_side() -> Rule {
    rule(
        "has(self.issuerRef) == (has(self.mode) && self.mode == 'CertManager')",
        "issuerRef names the issuer of cert-manager: the mode CertManager needs it, and no other mode has a use for it",
    )
}

/// Members that trust one authority and members that trust another one do not talk to each other.
pub(super) fn tls_goes_through_plain_text(side: &str) -> Rule {
    let mode = |of: &str| {
        format!(
            "(has({of}.tls) && has({of}.tls.{side}) && has({of}.tls.{side}.mode) ? {of}.tls.{side}.mode : 'Managed')"
        )
    };
    let (from, to) = (mode("oldSelf"), mode("self"));
    rule(
        format!("{from} == {to} || {from} == 'Disabled' || {to} == 'Disabled'"),
        format!(
            "the {side} certificates cannot come from somewhere else at once, since members that trust different \
             authorities do not talk to each other; set spec.tls.{side}.mode to Disabled, wait until the members have \
             that, and then to the new mode"
        ),
    )
    .field_path(".tls")
}

pub(super) fn storage_is_not_added_or_removed() -> Rule {
    rule(
        "has(self.storage) == has(oldSelf.storage)",
        "storage cannot be added or removed after creation, since members have their data there; put the former value \
         back, or make a new cluster",
    )
    .field_path(".storage")
}

pub(super) fn one_kind_of_storage() -> Rule {
    rule(
        "has(self.volumeClaimTemplate) != has(self.emptyDir)",
        "exactly one of volumeClaimTemplate and emptyDir has to be there",
    )
}

pub(super) fn storage_kind_stays() -> Rule {
    rule(
        "has(self.emptyDir) == has(oldSelf.emptyDir)",
        "volumeClaimTemplate and emptyDir cannot be exchanged after creation, since members have their data there; put \
         the former one back, or make a new cluster",
    )
}

pub(super) fn resize_policy() -> Rule {
    rule(format!("self in {}", list(&RESIZE_POLICIES)), "use Expand or Replace")
}

pub(super) fn storage_class() -> Rule {
    rule(
        "self == '' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",
        "this is not the name of a storage class: use lower-case letters, digits, dashes and dots",
    )
}

pub(super) fn access_modes() -> Rule {
    rule(
        format!("self.all(mode, mode in {})", list(&ACCESS_MODES)),
        format!("a member has to write to its volume: use {}", ACCESS_MODES.join(", ")),
    )
}

pub(super) fn quantity_positive() -> Rule {
    rule(
        "isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))",
        "this is not a size: write a positive quantity such as 10Gi",
    )
}

pub(super) fn claim_does_not_shrink() -> Rule {
    rule(
        "!isQuantity(string(self)) || !isQuantity(string(oldSelf)) || \
         quantity(string(self)).compareTo(quantity(string(oldSelf))) >= 0",
        "a volume can grow and never shrinks; keep the former size or use a larger one",
    )
}

pub(super) fn medium() -> Rule {
    rule("self in ['', 'Memory']", "use Memory, or leave it out for the node's disk")
}

pub(super) fn quota() -> Rule {
    rule("self >= -1", "use a number of bytes, 0 for etcd's default or -1 for no limit")
}

pub(super) fn compaction_mode() -> Rule {
    rule("self in ['periodic', 'revision']", "use periodic or revision")
}

pub(super) fn compaction_complete() -> Rule {
    rule(
        "has(self.autoCompactionMode) == has(self.autoCompactionRetention)",
        "autoCompactionMode and autoCompactionRetention go together: set both or neither",
    )
}

pub(super) fn compaction_by_revision() -> Rule {
    // etcd reads a duration here as that many nanoseconds, and takes the count for revisions (parseCompactionRetention).
    rule(
        "!has(self.autoCompactionMode) || self.autoCompactionMode != 'revision' || !has(self.autoCompactionRetention) || \
         self.autoCompactionRetention.matches('^[0-9]+$')",
        "with autoCompactionMode revision, autoCompactionRetention is a number of revisions such as 1000",
    )
    .field_path(".autoCompactionRetention")
}

pub(super) fn compaction_by_time() -> Rule {
    rule(
        "!has(self.autoCompactionMode) || self.autoCompactionMode != 'periodic' || !has(self.autoCompactionRetention) || \
         self.autoCompactionRetention.matches('^([0-9]{1,6}|([0-9]{1,6}[hms])+)$')",
        "with autoCompactionMode periodic, autoCompactionRetention is a duration of whole hours, minutes and seconds \
         such as 1h or 5m30s, or a number of hours",
    )
    .field_path(".autoCompactionRetention")
}

pub(super) fn snapshot_count() -> Rule {
    rule(
        "self >= 1",
        "use a number of raft entries of at least 1; etcd's default is 10000, before 3.6 100000",
    )
}

pub(super) fn max_request_bytes() -> Rule {
    rule(
        format!("self >= {MIN_REQUEST_BYTES} && self <= {MAX_REQUEST_BYTES}"),
        format!(
            "use a number of bytes from {MIN_REQUEST_BYTES} to {MAX_REQUEST_BYTES}; etcd's default is 1572864, and it \
             recommends at most 10485760"
        ),
    )
}

pub(super) fn log_level() -> Rule {
    rule(format!("self in {}", list(&LOG_LEVELS)), format!("use one of {}", LOG_LEVELS.join(", ")))
}

pub(super) fn heartbeat() -> Rule {
    rule("self >= 1", "use a number of milliseconds of at least 1; etcd's default is 100")
}

pub(super) fn election() -> Rule {
    rule(
        format!("self >= 1 && self <= {ELECTION_TIMEOUT_LIMIT}"),
        format!("use a number of milliseconds of at most {ELECTION_TIMEOUT_LIMIT}; etcd's default is 1000"),
    )
}

pub(super) fn election_covers_heartbeats() -> Rule {
    // Divided rather than multiplied, since CEL ends with an error when a product overflows.
    rule(
        format!(
            "(has(self.heartbeatInterval) ? self.heartbeatInterval : {DEFAULT_HEARTBEAT}) <= \
             (has(self.electionTimeout) ? self.electionTimeout : {DEFAULT_ELECTION}) / 5"
        ),
        format!(
            "electionTimeout ({DEFAULT_ELECTION} when absent) has to be at least five times heartbeatInterval \
             ({DEFAULT_HEARTBEAT} when absent), or etcd does not start; raise the one or lower the other"
        ),
    )
}

pub(super) fn flag_names() -> Rule {
    rule(
        "self.all(flag, flag.matches('^[a-z0-9][a-z0-9-]*$'))",
        "a key is not the name of a flag: write it in lower case without dashes in front, like max-txn-ops",
    )
}

pub(super) fn flags_allowed(refused: &Refused) -> Rule {
    rule(
        format!("self.all(flag, !(flag in {}))", list(refused.flags)),
        format!("each of these flags {}; remove it: {}", refused.why, refused.flags.join(", ")),
    )
}

pub(super) fn flags_not_typed() -> Rule {
    let flags: Vec<_> = TYPED_FLAGS.iter().map(|(flag, _)| *flag).collect();
    let pairs: Vec<_> = TYPED_FLAGS.iter().map(|(flag, field)| format!("{flag}: {field}")).collect();
    rule(
        format!("self.all(flag, !(flag in {}))", list(&flags)),
        format!("each of these flags has a field of its own in spec.etcd; use that: {}", pairs.join(", ")),
    )
}

pub(super) fn features_not_typed() -> Rule {
    rule(
        format!("!('{FEATURE_GATES}' in self) || !self['{FEATURE_GATES}'].contains('{INITIAL_CHECK_GATE}')"),
        format!(
            "the feature {INITIAL_CHECK_GATE} has a field of its own: use spec.etcd.initialCorruptionCheck"
        ),
    )
}

pub(super) fn variable_names() -> Rule {
    rule(
        "self.all(name, name.matches('^[-._a-zA-Z][-._a-zA-Z0-9]*$'))",
        "a key is not the name of an environment variable: use letters, digits, underscores, dots and dashes",
    )
}

pub(super) fn variables_not_etcd() -> Rule {
    rule(
        "self.all(name, !name.startsWith('ETCD_'))",
        "variables that begin with ETCD_ would shadow flags of etcd; put the flag into extraArgs",
    )
}
