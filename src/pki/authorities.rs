//! The authorities of one side as they are kept: the certificate and the key of each under its ID, and who signs.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use super::{Authority, Certificate, PkiError, SecretKey};
use crate::plan::{
    certificates::{self, Certificates},
    transport::AuthorityId,
};

/// The entry with the ID of the authority that signs.
const ISSUER: &str = "issuer";

/// Entries to be written; what is to go is named without a value.
pub type Entries = BTreeMap<String, Option<String>>;

/// What is known of the authorities of one side.
#[derive(Debug, Default)]
pub struct Authorities {
    /// Those that are to be trusted, the oldest first: what each says, and its PEM.
    trusted: Vec<(Certificate, String)>,
    /// The one that signs.
    issuer: Option<Authority>,
    /// What is wrong, in words.
    problem: Option<String>,
}

impl Authorities {
    /// Reads what is kept. What can't be used is told as a problem, since the members that run need none of it.
    pub fn of(entries: &BTreeMap<String, String>) -> Self {
        let mut found = Self::default();
        for (name, pem) in entries.iter().filter(|(name, _)| name.ends_with(".crt")) {
            match Certificate::read(pem) {
                Ok(facts) => found.trusted.push((facts, pem.clone())),
                Err(error) => found.complain(format!("{name}: {error}")),
            }
        }
        found.trusted.sort_by_key(|(facts, _)| (facts.since, facts.id.clone()));
        let oldest = || found.trusted.first().map(|(facts, _)| facts.id.0.clone());
        let appointed = entries.get(ISSUER).map(|text| text.trim().to_owned());
        match appointed.or_else(oldest).map(|id| found.load(entries, &id)) {
            Some(Ok(authority)) => found.issuer = Some(authority),
            Some(Err(why)) => found.complain(why),
            None => found.complain("there is no certificate of an authority in it".to_owned()),
        }
        found
    }

    /// Those that somebody else keeps: whom to trust, and who signs, if that is done here at all.
    pub(super) fn of_others(trusted: Vec<(Certificate, String)>, issuer: Option<Authority>) -> Self {
        let mut found = Self { trusted, issuer, problem: None };
        found.trusted.sort_by_key(|(facts, _)| (facts.since, facts.id.clone()));
        found.trusted.dedup_by(|(one, _), (other, _)| one.id == other.id);
        found
    }

    /// The same, with something that is wrong.
    pub(super) fn with_problem(self, problem: Option<String>) -> Self {
        Self { problem, ..self }
    }

    /// The same, with something that is wrong, unless something else is.
    pub fn or_problem(self, problem: String) -> Self {
        Self { problem: self.problem.or(Some(problem)), ..self }
    }

    /// The same, with the place where they are kept in the words of their problem.
    pub fn kept_in(self, place: &str) -> Self {
        Self { problem: self.problem.map(|problem| format!("{place}: {problem}")), ..self }
    }

    /// None can be used, for this reason.
    pub fn unusable(why: String) -> Self {
        Self { problem: Some(why), ..Self::default() }
    }

    fn load(&self, entries: &BTreeMap<String, String>, id: &str) -> Result<Authority, String> {
        let known = self.trusted.iter().find(|(facts, _)| facts.id.0 == id);
        let (_, pem) = known.ok_or_else(|| format!("{} is missing", certificate(id)))?;
        let name = key(id);
        let text = entries.get(&name).ok_or_else(|| format!("{name} is missing"))?;
        Authority::load(pem, SecretKey::new(text.as_str())).map_err(|error| format!("{name}: {error}"))
    }

    fn complain(&mut self, what: String) {
        self.problem.get_or_insert_with(|| {
            format!("{what}; restore it from a copy: members go on with what they have, and nothing is signed meanwhile")
        });
    }

    /// The one that signs.
    pub fn issuer(&self) -> Option<&Authority> {
        self.issuer.as_ref()
    }

    /// What those that are to be trusted say.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.trusted.iter().map(|(facts, _)| facts.clone()).collect()
    }

    /// The certificate of one of them, in PEM.
    pub fn certificate(&self, id: &AuthorityId) -> Option<&str> {
        self.trusted.iter().find(|(facts, _)| facts.id == *id).map(|(_, pem)| pem.as_str())
    }

    /// All certificates that are to be trusted, as one PEM.
    pub fn bundle(&self) -> String {
        self.trusted.iter().map(|(_, pem)| pem.as_str()).collect()
    }

    /// What the plan is told; the certificates that are in use are added by whoever looks at the members.
    pub fn observed(&self) -> Certificates {
        Certificates {
            authorities: self.trusted.iter().map(|(facts, _)| certificates::Authority::from(facts)).collect(),
            issuer: self.issuer.as_ref().map(|issuer| issuer.id().clone()),
            leaves: Vec::new(),
            problem: self.problem.clone(),
        }
    }

    /// The entries of a new authority; none when there is one already that is trusted and does not sign yet.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn with_another(&self, name: &str, now: Timestamp, life: Duration) -> Result<Entries, PkiError> {
        let signs = self.issuer.as_ref().map(Authority::id);
        if self.trusted.last().is_some_and(|(newest, _)| Some(&newest.id) != signs) {
            return Ok(Entries::new());
        }
        let made = Authority::generate(name, now, life)?;
        let id = &made.id().0;
        let mut entries = Entries::from([
            (certificate(id), Some(made.certificate().to_owned())),
            (key(id), Some(made.key().reveal().to_owned())),
        ]);
        if signs.is_none() {
            entries.insert(ISSUER.to_owned(), Some(id.clone()));
        }
        Ok(entries)
    }

    /// The entries that let one of them sign.
    pub fn appointing(id: &AuthorityId) -> Entries {
        Entries::from([(ISSUER.to_owned(), Some(id.0.clone()))])
    }

    /// The entries without one of them.
    pub fn without(id: &AuthorityId) -> Entries {
        Entries::from([(certificate(&id.0), None), (key(&id.0), None)])
    }
}

fn certificate(id: &str) -> String {
    format!("{id}.crt")
}

fn key(id: &str) -> String {
    format!("{id}.key")
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn applied(kept: &mut BTreeMap<String, String>, changes: Entries) -> Authorities {
        for (name, value) in changes {
            match value {
                Some(value) => kept.insert(name, value),
                None => kept.remove(&name),
            };
        }
        Authorities::of(kept)
    }

    #[test]
    fn one_takes_over_from_another() {
        let mut kept = BTreeMap::new();
        let first = Authorities::default().with_another("demo", now(), YEAR).unwrap();
        let known = applied(&mut kept, first);
        let old = known.issuer().unwrap().id().clone();
        let later = now() + Duration::from_secs(60);
        let known = applied(&mut kept, known.with_another("demo", later, YEAR).unwrap());
        assert_eq!((known.certificates().len(), known.issuer().unwrap().id()), (2, &old));
        assert!(known.with_another("demo", later, YEAR).unwrap().is_empty(), "one at a time");
        let new = known.observed().authorities.last().unwrap().id.clone();
        assert_ne!(new, old);
        let known = applied(&mut kept, Authorities::appointing(&new));
        assert_eq!(known.issuer().unwrap().id(), &new);
        assert!(known.certificate(&old).is_some());
        let known = applied(&mut kept, Authorities::without(&old));
        assert_eq!((known.certificates().len(), known.certificate(&old)), (1, None));
        assert_eq!(known.observed().problem, None);
        assert_eq!(kept.len(), 3);
    }

    #[test]
    fn what_is_lost_is_told_and_nothing_of_a_key_is() {
        let mut kept = BTreeMap::new();
        let known = applied(&mut kept, Authorities::default().with_another("demo", now(), YEAR).unwrap());
        let id = known.issuer().unwrap().id().clone();
        for (name, value, expected) in [
            (key(&id.0), None, "is missing"),
            (key(&id.0), Some("garbage"), "no private key"),
            (certificate(&id.0), None, "is missing"),
            (certificate(&id.0), Some("garbage"), "no certificate in PEM"),
        ] {
            let mut spoilt = kept.clone();
            let change = Entries::from([(name, value.map(str::to_owned))]);
            let observed = applied(&mut spoilt, change).observed();
            let problem = observed.problem.unwrap();
            assert!(problem.contains(expected) && problem.contains("restore it"), "{problem}");
            assert!(!problem.contains("PRIVATE KEY"), "{problem}");
            assert_eq!(observed.issuer, None);
        }
        assert!(Authorities::of(&BTreeMap::new()).observed().problem.is_some());
    }
}
