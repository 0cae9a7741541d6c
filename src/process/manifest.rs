//! From the manifest in a folder to the spec in force: accepted when it is valid and may follow the last one.

use super::{
    applied::not_applied,
    binaries::Binaries,
    files::{self, FileError},
    folder::Folder,
    observe::member_names,
    requests,
    state::{MemberFile, RecordFile},
};
use crate::{
    api::{
        EtcdClusterSpec, Tls,
        manifest::{self, Manifest},
        validate::{self, Problem},
    },
    member,
    plan::{Desired, Sides, Transport, certificates::Source},
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
pub(super) fn accept(
    folder: &Folder,
    record: &RecordFile,
    binaries: &Binaries,
) -> Result<Accepted, FileError> {
    let (problems, renewed) = match files::read(&folder.manifest())? {
        None => (vec!["cluster.yaml is gone; the last accepted spec stays in force".to_owned()], None),
        Some(text) => judge(&text, record),
    };
    let spec = renewed.as_ref().map_or(&record.spec, |renewed| &renewed.spec);
    let mut desired = validate::check(&record.name, spec).map_err(|problems| FileError::Invalid {
        path: folder.record(),
        problems: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    })?;
    let transports = transports(folder)?;
    desired.tls = Sides::each(|side| {
        let listen: Vec<_> = transports.iter().map(|one| one.get(side).listen).collect();
        // There are no Secrets to take certificates from.
        let asked = Tls::asked(spec.tls.as_ref(), side).filter(|asked| *asked != Source::Given);
        Source::of(asked, record.record.cluster_id.is_some(), &listen, &[])
    });
    desired.not_applied = problems;
    desired.rotate = requests::rotation_requested(folder);
    desired.unfit = member::unknown_flags(&desired.options, desired.version);
    // A command that only looks knows no programs.
    if binaries.lacks(desired.version) && record.record.cluster_id.is_some() {
        desired.unfit.push(binaries.missing(desired.version));
    }
    desired.not_applied.extend(desired.unfit.iter().cloned());
    desired.not_applied.extend(not_applied(spec, folder));
    Ok(Accepted { desired, renewed })
}

/// How the members of a folder are reached. One whose file can't be read is told of where members are looked at.
fn transports(folder: &Folder) -> Result<Vec<Transport>, FileError> {
    let file = |name| files::read_yaml::<MemberFile>(&folder.member(&name).file()).ok().flatten();
    Ok(member_names(folder)?.into_iter().filter_map(file).map(|file| file.transport).collect())
}

fn judge(text: &str, record: &RecordFile) -> (Vec<String>, Option<RecordFile>) {
    let manifest = match manifest::read(text) {
        Ok(manifest) => manifest,
        Err(error) => return (vec![format!("cluster.yaml: {error}")], None),
    };
    match follow(record, &manifest) {
        Err(problems) => (problems.iter().map(ToString::to_string).collect(), None),
        Ok(spec) if spec == record.spec => (Vec::new(), None),
        Ok(spec) => {
            (Vec::new(), Some(RecordFile { spec, generation: record.generation + 1, ..record.clone() }))
        }
    }
}

/// Judges whether a manifest may follow the spec that was accepted last in a folder, and gives what is accepted.
///
/// Until the cluster formed, nothing that was asked for before binds: every rule of change speaks of data, and there is
/// none.
///
/// # Errors
/// All problems of the manifest and of the change.
pub fn follow(record: &RecordFile, manifest: &Manifest) -> Result<EtcdClusterSpec, Vec<Problem>> {
    let formed = record.record.cluster_id.is_some();
    let last = if formed { &record.spec } else { &manifest.spec };
    let mut problems = validate::check_update(&record.name, last, &manifest.name, &manifest.spec);
    if let Err(more) = validate::check(&manifest.name, &manifest.spec) {
        problems.extend(more);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(manifest.spec.clone())
}
