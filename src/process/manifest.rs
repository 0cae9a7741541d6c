//! From the manifest in a folder to the spec in force: accepted when it is valid and may follow the last one.

use super::{
    applied::not_applied,
    files::{self, FileError},
    folder::Folder,
    state::RecordFile,
};
use crate::{
    api::{
        EtcdClusterSpec,
        manifest::{self, Manifest},
        validate::{self, Problem},
    },
    member,
    plan::Desired,
};

/// What the manifest says, beside what is in force.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The spec in force.
    pub(super) desired: Desired,
    /// The record to write, when the manifest brought a new spec.
    pub(super) renewed: Option<RecordFile>,
}

/// Reads the manifest. An invalid edit changes nothing: the last accepted spec stays in force, and the reasons are
/// handed on for the condition `SpecApplied`.
pub(super) fn accept(folder: &Folder, record: &RecordFile) -> Result<Accepted, FileError> {
    let (problems, renewed) = match files::read(&folder.manifest())? {
        None => (vec!["cluster.yaml is gone; the last accepted spec stays in force".to_owned()], None),
        Some(text) => judge(&text, record),
    };
    let spec = renewed.as_ref().map_or(&record.spec, |renewed| &renewed.spec);
    let mut desired = validate::check(&record.name, spec).map_err(|problems| FileError::Invalid {
        path: folder.record(),
        problems: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    })?;
    desired.not_applied = problems;
    desired.not_applied.extend(member::unknown_flags(&desired.options, desired.version));
    desired.not_applied.extend(not_applied(spec, folder));
    Ok(Accepted { desired, renewed })
}

fn judge(text: &str, record: &RecordFile) -> (Vec<String>, Option<RecordFile>) {
    let manifest = match manifest::read(text) {
        Ok(manifest) => manifest,
        Err(error) => return (vec![format!("cluster.yaml: {error}")], None),
    };
    match follow(record, &manifest) {
        Err(problems) => (problems.iter().map(ToString::to_string).collect(), None),
        Ok(Following { spec, held }) if spec == record.spec => (held, None),
        Ok(Following { spec, held }) => {
            (held, Some(RecordFile { spec, generation: record.generation + 1, ..record.clone() }))
        }
    }
}

/// A spec that may take the place of the last accepted one.
#[derive(Debug)]
pub struct Following {
    /// What is accepted.
    pub spec: EtcdClusterSpec,
    /// What is not, although it is valid: one sentence each.
    pub held: Vec<String>,
}

/// Judges whether a manifest may follow the spec that was accepted last in a folder.
///
/// Until the cluster formed, nothing that was asked for before binds: every rule of change speaks of data, and there is
/// none. Once it formed, its version stays: members of another version are made by a rolling upgrade, which Quorate does
/// not do yet, so accepting the new version would promise what does not happen and make going back a downgrade.
///
/// # Errors
/// All problems of the manifest and of the change.
pub fn follow(record: &RecordFile, manifest: &Manifest) -> Result<Following, Vec<Problem>> {
    let formed = record.record.cluster_id.is_some();
    let last = if formed { &record.spec } else { &manifest.spec };
    let mut problems = validate::check_update(&record.name, last, &manifest.name, &manifest.spec);
    if let Err(more) = validate::check(&manifest.name, &manifest.spec) {
        problems.extend(more);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut spec = manifest.spec.clone();
    let mut held = Vec::new();
    if formed && spec.version != record.spec.version {
        held.push(format!(
            "spec.version is {} and the cluster runs {}: a running cluster is not upgraded yet, so it stays at {}",
            spec.version, record.spec.version, record.spec.version
        ));
        spec.version.clone_from(&record.spec.version);
    }
    Ok(Following { spec, held })
}
