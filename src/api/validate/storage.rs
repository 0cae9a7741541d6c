//! The rules of `spec.storage`.

use std::cmp::Ordering;

use super::{Problems, rules};
use crate::api::{Quantity, storage::Storage};

const FIELD: &str = "spec.storage";
const CLAIM: &str = "spec.storage.volumeClaimTemplate.spec";

pub(super) fn check(storage: &Storage, problems: &mut Problems) {
    if storage.volume_claim_template.is_some() == storage.empty_dir.is_some() {
        problems.add(FIELD, "exactly one of volumeClaimTemplate and emptyDir has to be there");
    }
    if let Some(policy) =
        storage.resize_policy.as_ref().filter(|policy| !rules::RESIZE_POLICIES.contains(&policy.as_str()))
    {
        problems.add(
            format!("{FIELD}.resizePolicy"),
            format!("{policy:?} is not a policy: use {}", rules::RESIZE_POLICIES.join(" or ")),
        );
    }
    if let Some(template) = &storage.volume_claim_template {
        let claim = &template.spec;
        if let Some(class) = &claim.storage_class_name
            && !is_class(class)
        {
            problems.add(
                format!("{CLAIM}.storageClassName"),
                format!(
                    "{class:?} is not the name of a storage class: use lower-case letters, digits, dashes and dots"
                ),
            );
        }
        if claim.access_modes.len() > rules::ACCESS_MODES.len() {
            problems.add(
                format!("{CLAIM}.accessModes"),
                format!("at most {} access modes; remove the others", rules::ACCESS_MODES.len()),
            );
        }
        for mode in claim.access_modes.iter().filter(|mode| !rules::ACCESS_MODES.contains(&mode.as_str())) {
            problems.add(
                format!("{CLAIM}.accessModes"),
                format!(
                    "{mode:?} does not do: a member has to write to its volume: use {}",
                    rules::ACCESS_MODES.join(", ")
                ),
            );
        }
        check_size(
            &format!("{CLAIM}.resources.requests.storage"),
            &claim.resources.requests.storage,
            problems,
        );
    }
    if let Some(dir) = &storage.empty_dir {
        if let Some(medium) = &dir.medium
            && !matches!(medium.as_str(), "" | "Memory")
        {
            problems.add(
                format!("{FIELD}.emptyDir.medium"),
                format!("{medium:?} is not a medium: use Memory, or leave it out for the node's disk"),
            );
        }
        if let Some(limit) = &dir.size_limit {
            check_size(&format!("{FIELD}.emptyDir.sizeLimit"), limit, problems);
        }
    }
}

pub(super) fn check_update(old: Option<&Storage>, new: Option<&Storage>, problems: &mut Problems) {
    let (old, new) = match (old, new) {
        (None, None) => return,
        (Some(old), Some(new)) => (old, new),
        (_, new) => {
            let (done, undo) =
                if new.is_some() { ("added", "remove it") } else { ("removed", "put it back") };
            problems.add(
                FIELD,
                format!(
                    "storage cannot be {done} after creation, since members have their data there; {undo}, or make a new \
                     cluster"
                ),
            );
            return;
        }
    };
    if old.empty_dir.is_some() != new.empty_dir.is_some() {
        problems.add(
            FIELD,
            "volumeClaimTemplate and emptyDir cannot be exchanged after creation, since members have their data there; put \
             the former one back, or make a new cluster",
        );
    }
    if let (Some(old), Some(new)) = (&old.volume_claim_template, &new.volume_claim_template) {
        let (old, new) = (&old.spec.resources.requests.storage, &new.spec.resources.requests.storage);
        if new.compare(old) == Some(Ordering::Less) {
            problems.add(
                format!("{CLAIM}.resources.requests.storage"),
                format!("a volume can grow and never shrinks, and {new} is less than {old}; keep {old} or use more"),
            );
        }
    }
}

fn check_size(field: &str, size: &Quantity, problems: &mut Problems) {
    if !size.parse().is_some_and(|amount| amount.is_positive()) {
        problems.add(field, format!("{:?} is not a size: write a positive quantity such as 10Gi", size.0));
    }
}

/// Whether a text is empty or a DNS subdomain, as Kubernetes wants it of a storage class.
fn is_class(name: &str) -> bool {
    let ends_well = |part: &str| !part.is_empty() && !part.starts_with('-') && !part.ends_with('-');
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label = |part: &str| ends_well(part) && part.chars().all(allowed);
    name.is_empty() || name.len() <= rules::NAME_LENGTH && name.split('.').all(label)
}
