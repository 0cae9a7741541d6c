//! What must hold of changes of the minor version, judged by the truth.

use quorate::plan::{
    EtcdVersion,
    version::{Minor, transition},
};

use crate::{
    invariants::{Violation, hold, members},
    model::{Model, Place},
};

/// A member is given another version, just before that is carried out.
pub fn renewed(model: &Model, place: &Place, to: EtcdVersion) -> Result<(), Violation> {
    let (from, minor) = (place.version, to.minor());
    if model.record.cluster_id.is_none() || from == to {
        return Ok(());
    }
    let what = || format!("{} goes from {from} to {to}", place.name);
    let refused = model
        .places
        .iter()
        .filter(|other| other.admission.is_some())
        .find_map(|other| transition(other.version, to).err());
    hold(refused.is_none(), "a refused version touches nobody", || format!("{}: {refused:?}", what()))?;
    if from.minor() == minor {
        return Ok(());
    }
    let first = !members(model).any(|other| other.minor() == minor);
    hold(!first || model.snapshot_kept(minor), "a snapshot is kept before another minor version", what)?;
    if minor == Minor::V3_7 {
        let snapped = !place.folder || place.form.snapped_under_3_6;
        hold(snapped, "3.7 only after a raft snapshot under 3.6", what)?;
    }
    if minor < from.minor() && place.folder {
        let agreed = model.etcd.as_ref().and_then(|etcd| etcd.versions.cluster);
        let above = [agreed, place.form.cluster, place.form.storage].into_iter().any(|one| one > Some(minor));
        hold(!above, "a downgrade is enabled before the first goes down", || {
            let (cluster, storage) = (place.form.cluster, place.form.storage);
            format!(
                "{}: the cluster is at {agreed:?}, its data at {cluster:?} in the form of {storage:?}",
                what()
            )
        })?;
    }
    Ok(())
}

/// What holds after every step and every fault.
pub fn state(model: &Model) -> Result<(), Violation> {
    let minors = || members(model).filter(|place| place.admission.is_some()).map(Place::minor);
    let ends = minors().min().zip(minors().max());
    hold(ends != Some((Minor::V3_5, Minor::V3_7)), "minor versions are neighbours", || {
        "some members run 3.5, some 3.7".into()
    })
}

/// Everything is as wanted.
pub fn at_rest(model: &Model) -> Result<(), Violation> {
    let Some(etcd) = &model.etcd else { return Ok(()) };
    let wanted = model.desired.version.minor();
    let left = |detail: String| Err(Violation::new("nothing of a downgrade is left", detail));
    if let Some(to) = etcd.versions.downgrade {
        return left(format!("a downgrade to {to} is enabled"));
    }
    if etcd.versions.cluster != Some(wanted) {
        return left(format!("the cluster version is {:?}, not {wanted}", etcd.versions.cluster));
    }
    match members(model).find(|place| place.form.storage != Some(wanted)) {
        Some(place) => left(format!("the data of {} has the form of {:?}", place.name, place.form.storage)),
        None => Ok(()),
    }
}
