//! The rules of the resource without an API server: the same verdicts as the CEL of its definition.

mod etcd;
mod pods;
mod storage;
mod tls;

use std::fmt;

use super::{EtcdClusterSpec, Storage, Tls, rules};
use crate::plan::{
    CLUSTER_NAME_LIMIT, ClusterSize, Desired, EtcdVersion, Sides, certificates::Source, version,
};

/// One thing that is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `spec.size`.
    pub field: String,
    /// What is wrong with it, and the way out.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Collects problems.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl fmt::Display) {
        self.0.push(Problem { field: field.into(), message: message.to_string() });
    }

    /// The value of a result, or nothing and its error as a problem.
    fn take<T, E: fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(field, error)).ok()
    }
}

/// Checks a cluster as it would be created, and says it in the words of [`crate::plan`].
///
/// `not_applied` of the answer is empty: what can't be applied depends on the platform. Its `tls` is that of a new cluster:
/// what a cluster that is there has where the spec says nothing, its platform knows.
///
/// # Errors
/// All problems there are, not only the first.
pub fn check(name: &str, spec: &EtcdClusterSpec) -> Result<Desired, Vec<Problem>> {
    let mut problems = Problems::default();
    check_name(name, &mut problems);
    let size = problems.take("spec.size", ClusterSize::new(spec.size));
    let version = check_version(&spec.version, &mut problems);
    let options = spec.etcd.as_ref().map(|etcd| etcd::check(etcd, &mut problems)).unwrap_or_default();
    if let Some(storage) = &spec.storage {
        storage::check(storage, &mut problems);
    }
    if let Some(tls) = &spec.tls {
        tls::check(tls, &mut problems);
    }
    if let Some(token) = spec.token() {
        check_token(token, &mut problems);
    }
    pods::check(spec, &mut problems);
    match (size, version) {
        (Some(size), Some(version)) if problems.0.is_empty() => Ok(Desired {
            size,
            version,
            options,
            tls: Sides::each(|side| Source::of(Tls::asked(spec.tls.as_ref(), side), false, &[], &[])),
            client_plaintext: Tls::client_plaintext(spec.tls.as_ref()),
            rotate: None,
            token: spec.token().map(str::to_owned),
            paused: spec.paused,
            replaces_misplaced: spec.storage.as_ref().is_some_and(Storage::replaces),
            adopt: spec.bootstrap.as_ref().is_some_and(|bootstrap| bootstrap.adopt),
            not_applied: Vec::new(),
            unfit: Vec::new(),
        }),
        _ => Err(problems.0),
    }
}

/// Checks a change of a cluster that exists: what may not change, or not in this direction. Empty when all is well.
///
/// It does not repeat [`check`], which the new spec has to pass as well.
pub fn check_update(
    old_name: &str,
    old: &EtcdClusterSpec,
    new_name: &str,
    new: &EtcdClusterSpec,
) -> Vec<Problem> {
    let mut problems = Problems::default();
    if old_name != new_name {
        problems.add(
            "metadata.name",
            format!(
                "{old_name} cannot be renamed to {new_name}: members carry the name of their cluster; make a new cluster"
            ),
        );
    }
    if let (Ok(from), Ok(to)) = (old.version.parse(), new.version.parse()) {
        problems.take("spec.version", version::transition(from, to));
    }
    storage::check_update(old.storage.as_ref(), new.storage.as_ref(), &mut problems);
    tls::check_update(old.tls.as_ref(), new.tls.as_ref(), &mut problems);
    if old.token() != new.token() {
        let was = old.token().map_or_else(|| "there was none".into(), |token| format!("it was {token:?}"));
        problems.add(
            "spec.bootstrap.token",
            format!(
                "a token cannot be changed, added or removed after creation, since the members carry it; {was}: put that \
                 back, or make a new cluster"
            ),
        );
    }
    problems.0
}

fn check_name(name: &str, problems: &mut Problems) {
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(label) || name.ends_with('-')
    {
        problems.add(
            "metadata.name",
            format!(
                "{name:?} cannot name a cluster: it is part of host names; use lower-case letters, digits and dashes, \
                 begin with a letter and end with a letter or digit"
            ),
        );
    }
    if name.len() > CLUSTER_NAME_LIMIT {
        problems.add(
            "metadata.name",
            format!(
                "{name:?} has {} characters, and the name of a cluster has at most {CLUSTER_NAME_LIMIT}, since the names \
                 of its members are longer; use a shorter one",
                name.len()
            ),
        );
    }
}

fn check_version(version: &str, problems: &mut Problems) -> Option<EtcdVersion> {
    if version.len() > rules::VERSION_LENGTH {
        problems.add(
            "spec.version",
            format!("a version has at most {} characters: write it like 3.6.16", rules::VERSION_LENGTH),
        );
        return None;
    }
    problems.take("spec.version", version.parse())
}

fn check_token(token: &str, problems: &mut Problems) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if token.is_empty() || token.len() > rules::TOKEN_LENGTH || !token.chars().all(allowed) {
        problems.add(
            "spec.bootstrap.token",
            format!(
                "{token:?} is not a token: a token has 1 to {} letters, digits, dots, underscores and dashes; write one \
                 like prod-1, or remove it",
                rules::TOKEN_LENGTH
            ),
        );
    }
}
