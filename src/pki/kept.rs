//! From certificates as they are kept to what the plan is told of them.

use super::{Certificate, SecretKey, bundle};
use crate::plan::{
    certificates::{self, Kept, LeafFacts},
    transport::AuthorityId,
};

/// What stands where a certificate and its key are kept. `authorities` are those that may have signed it.
pub fn kept(pair: Option<(&str, &SecretKey)>, authorities: &[Certificate]) -> Kept {
    let Some((certificate, key)) = pair else { return Kept::Missing };
    let facts = match Certificate::read(certificate) {
        Ok(facts) => facts,
        Err(error) => return Kept::Unreadable { why: error.to_string() },
    };
    if !facts.fits(key) {
        return Kept::Unreadable { why: "its private key is missing or belongs to another one".into() };
    }
    Kept::Leaf(LeafFacts {
        issuer: issuer(certificate, &facts, authorities)
            .map_or_else(|| AuthorityId("an unknown authority".into()), |one| one.id.clone()),
        names: facts.names.into_iter().collect(),
        not_before: facts.since,
        not_after: facts.until,
    })
}

/// Who signed a certificate; of a chain, the authority it ends in.
fn issuer<'a>(pem: &str, leaf: &Certificate, authorities: &'a [Certificate]) -> Option<&'a Certificate> {
    let chain = bundle(pem).unwrap_or_default();
    let mut top = leaf;
    // As many steps as there are certificates: a ring of them ends as well.
    for _ in 0..=chain.len() {
        if let Some(found) = authorities.iter().find(|one| top.is_signed_by(one)) {
            return Some(found);
        }
        top = chain.iter().find(|one| one.id != top.id && top.is_signed_by(one))?;
    }
    None
}

impl From<&Certificate> for certificates::Authority {
    fn from(authority: &Certificate) -> Self {
        Self { id: authority.id.clone(), since: certificates::made(authority.since), until: authority.until }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use jiff::Timestamp;

    use super::*;
    use crate::{
        pki::{Authority, Request},
        plan::certificates::{WantedLeaf, leaf_due},
    };

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    #[test]
    fn what_is_kept_is_judged_by_the_plan() {
        let now = Timestamp::now();
        let [old, new] = ["old", "new"].map(|name| Authority::generate(name, now, YEAR).unwrap());
        let known = [old.facts().clone(), new.facts().clone()];
        let names = ["demo-a.demo-peers", "127.0.0.1", "::1"].map(str::to_owned);
        let request = Request { common_name: "demo-a".into(), names: names.to_vec() };
        let leaf = new.issue(&request, now, YEAR).unwrap();
        let stale = old.issue(&request, now, YEAR).unwrap();
        let wanted = WantedLeaf { issuer: new.id().clone(), names: BTreeSet::from(names) };
        let said = |pair, known| leaf_due(&kept(pair, known), &wanted, now);
        assert_eq!(said(Some((leaf.certificate.as_str(), &leaf.key)), &known), None);
        let due = |pair, known, expected: &str| {
            let words = said(pair, known).unwrap();
            assert!(words.contains(expected), "{words}");
        };
        due(None, &known[..], "there is none");
        due(Some((stale.certificate.as_str(), &stale.key)), &known, "signs now");
        due(Some((stale.certificate.as_str(), &stale.key)), &known[1..], "an unknown authority signed it");
        due(Some((leaf.certificate.as_str(), &stale.key)), &known, "its private key");
        due(Some(("garbage", &leaf.key)), &known, "no certificate in PEM");
    }
}
