//! Whether a member's storage is what the spec asks for now, and what mends it if not.

use std::cmp::Ordering;

use super::claim::DEFAULT_MODE;
use crate::{
    api::{ClaimSpec, Quantity, Storage},
    kubernetes::views::ClaimView,
};

/// What mends a member's storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Nothing has to: it is what the spec asks for.
    Fits,
    /// A larger request at its claim, if the class can expand volumes.
    Larger {
        /// The size that the claim asks for.
        has: String,
        /// The size that the spec asks for.
        wanted: Quantity,
    },
    /// Another volume and nothing else: what differs, in words.
    Another(String),
}

/// Compares what a member has with the spec. `made` is the storage of the spec when the member was made, `claim` its claim,
/// which counts where there is one. What the spec leaves open fits, whatever it is.
pub fn fit(made: Option<&Storage>, claim: Option<&ClaimView>, wanted: Option<&Storage>) -> Fit {
    let Some(wanted) = wanted else { return Fit::Fits };
    if let Some(template) = &wanted.volume_claim_template {
        return claim.map_or(Fit::Fits, |claim| claim_fit(claim, &template.spec));
    }
    let made = made.and_then(|made| made.empty_dir.as_ref());
    match (made, &wanted.empty_dir) {
        (Some(made), Some(wanted)) if made != wanted => {
            Fit::Another("its emptyDir volume was made from a former spec.storage.emptyDir".into())
        }
        _ => Fit::Fits,
    }
}

/// Whether the volumes of members would be made otherwise than before, whatever became of them since.
pub fn made_otherwise(made: Option<&Storage>, wanted: Option<&Storage>) -> bool {
    let volume = |storage: &Storage| (storage.volume_claim_template.clone(), storage.empty_dir.clone());
    made.map(volume) != wanted.map(volume)
}

fn claim_fit(claim: &ClaimView, wanted: &ClaimSpec) -> Fit {
    let class = claim.class.as_deref().unwrap_or_default();
    if let Some(other) = wanted.storage_class_name.as_deref().filter(|wanted| *wanted != class) {
        return Fit::Another(format!("its volume is of storage class {class:?}, and {other:?} is wanted"));
    }
    let default = [DEFAULT_MODE.to_owned()];
    let modes = if wanted.access_modes.is_empty() { &default[..] } else { &wanted.access_modes };
    let same = modes.iter().all(|mode| claim.access_modes.contains(mode))
        && claim.access_modes.iter().all(|mode| modes.contains(mode));
    if !same {
        let has = claim.access_modes.join(", ");
        return Fit::Another(format!("its volume is for {has}, and {} is wanted", modes.join(", ")));
    }
    let size = &wanted.resources.requests.storage;
    match &claim.requested {
        Some(has) if Quantity(has.clone()).compare(size) == Some(Ordering::Less) => {
            Fit::Larger { has: has.clone(), wanted: size.clone() }
        }
        _ => Fit::Fits,
    }
}

/// What a claim still lacks of the size that it asks for: its volume is being expanded, or could not be.
pub fn growing(claim: &ClaimView) -> Option<String> {
    let (asked, has) = (claim.requested.as_ref()?, claim.capacity.as_ref()?);
    let less = Quantity(has.clone()).compare(&Quantity(asked.clone())) == Some(Ordering::Less);
    less.then(|| {
        format!(
            "claim {} asks for {asked} and its volume still has {has}: it is being expanded, or `kubectl describe pvc` \
             says why not",
            claim.identity.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn storage(text: &str) -> Storage {
        yaml::from_str(text).unwrap()
    }

    fn template(fields: &str, size: &str) -> Storage {
        storage(&format!(
            "{{volumeClaimTemplate: {{spec: {{{fields}resources: {{requests: {{storage: {size}}}}}}}}}}}"
        ))
    }

    /// A claim of 1 GiB of the class `standard`, as it is made by default.
    fn claim() -> ClaimView {
        ClaimView {
            class: Some("standard".into()),
            access_modes: vec!["ReadWriteOnce".into()],
            requested: Some("1Gi".into()),
            ..ClaimView::default()
        }
    }

    #[test]
    fn a_claim_is_held_to_what_the_spec_says_and_to_nothing_else() {
        let larger = |wanted: &str| Fit::Larger { has: "1Gi".into(), wanted: Quantity(wanted.into()) };
        let another = |text: &str| Fit::Another(text.into());
        let table = [
            ("", "1Gi", Fit::Fits),
            ("", "1024Mi", Fit::Fits),
            // A cluster that was restored over larger volumes.
            ("", "500Mi", Fit::Fits),
            ("", "2Gi", larger("2Gi")),
            ("storageClassName: standard, ", "2Gi", larger("2Gi")),
            ("storageClassName: standard, accessModes: [ReadWriteOnce], ", "1Gi", Fit::Fits),
            (
                "storageClassName: fast, ",
                "2Gi",
                another("its volume is of storage class \"standard\", and \"fast\" is wanted"),
            ),
            (
                "storageClassName: \"\", ",
                "1Gi",
                another("its volume is of storage class \"standard\", and \"\" is wanted"),
            ),
            (
                "accessModes: [ReadWriteOncePod], ",
                "1Gi",
                another("its volume is for ReadWriteOnce, and ReadWriteOncePod is wanted"),
            ),
        ];
        for (fields, size, expected) in table {
            let wanted = template(fields, size);
            assert_eq!(fit(None, Some(&claim()), Some(&wanted)), expected, "{fields}{size}");
        }
        let wanted = template("storageClassName: fast, ", "2Gi");
        assert_eq!(
            fit(None, None, Some(&wanted)),
            Fit::Fits,
            "a claim that is gone is no claim that is too small"
        );
        assert_eq!(fit(None, Some(&claim()), None), Fit::Fits, "the platform chose");
    }

    #[test]
    fn an_empty_dir_is_what_it_was_made_from() {
        let (old, new) = (storage("{emptyDir: {}}"), storage("{emptyDir: {sizeLimit: 1Gi}}"));
        assert_eq!(fit(Some(&old), None, Some(&old)), Fit::Fits);
        assert!(matches!(fit(Some(&old), None, Some(&new)), Fit::Another(_)));
    }

    #[test]
    fn a_policy_makes_no_other_volume() {
        let old = storage("{emptyDir: {}}");
        let new = storage("{emptyDir: {}, resizePolicy: Replace}");
        assert!(!made_otherwise(Some(&old), Some(&new)));
        assert!(made_otherwise(Some(&template("", "1Gi")), Some(&template("", "2Gi"))));
        assert!(made_otherwise(None, Some(&old)));
        assert!(!made_otherwise(None, None));
    }

    #[test]
    fn a_volume_that_is_smaller_than_its_claim_is_still_growing() {
        let sized = |asked: &str, has: Option<&str>| {
            growing(&ClaimView {
                requested: Some(asked.into()),
                capacity: has.map(str::to_owned),
                ..ClaimView::default()
            })
        };
        assert!(sized("2Gi", Some("1Gi")).unwrap().contains("asks for 2Gi and its volume still has 1Gi"));
        assert_eq!(sized("1Gi", Some("10Gi")), None, "a volume that was there may be larger");
        assert_eq!(sized("1Gi", None), None, "it is not bound yet");
    }
}
