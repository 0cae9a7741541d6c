//! From the manifest in the folder to the spec in force: accepted when it is valid and may follow the last one.

use super::{
    files::{self, FileError},
    folder::Folder,
    state::RecordFile,
};
use crate::{
    api::{manifest, validate},
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
    if spec.storage.is_some() {
        let members = folder.members();
        desired.not_applied.push(format!(
            "spec.storage is not applied on one machine: the data lies in {}, on whatever file system that is",
            members.display()
        ));
    }
    Ok(Accepted { desired, renewed })
}

fn judge(text: &str, record: &RecordFile) -> (Vec<String>, Option<RecordFile>) {
    let manifest = match manifest::read(text) {
        Ok(manifest) => manifest,
        Err(error) => return (vec![format!("cluster.yaml: {error}")], None),
    };
    if manifest.name == record.name && manifest.spec == record.spec {
        return (Vec::new(), None);
    }
    let mut problems = validate::check_update(&record.name, &record.spec, &manifest.name, &manifest.spec);
    if let Err(more) = validate::check(&manifest.name, &manifest.spec) {
        problems.extend(more);
    }
    if problems.is_empty() {
        let renewed = RecordFile { spec: manifest.spec, generation: record.generation + 1, ..record.clone() };
        return (Vec::new(), Some(renewed));
    }
    (problems.iter().map(ToString::to_string).collect(), None)
}
