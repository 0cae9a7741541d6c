//! Certificates that somebody else keeps, in the entries of a Secret of the type `kubernetes.io/tls`: `tls.crt` and
//! `tls.key`, and beside them `ca.crt`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Authorities, Authority, Certificate, Issued, PkiError, SecretKey, kept, read};
use crate::plan::certificates::{Kept, LeafFacts};

/// What such a Secret holds.
#[derive(Debug, Default)]
pub struct Given {
    /// Whom to trust; who signs, if `tls.crt` is the certificate of an authority; and what is wrong.
    pub authorities: Authorities,
    /// `tls.crt` and `tls.key` otherwise, as long as they can be used.
    pub leaf: Option<(LeafFacts, Issued)>,
}

impl Given {
    /// Reads one. What can't be used is told as the problem of its authorities: members that run need none of it.
    pub fn of(entries: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let pair = pair(entries);
        let authority = match &pair {
            Ok(pair) if Certificate::read(&pair.certificate).is_ok_and(|facts| facts.is_authority) => {
                Some(signing(pair, now))
            }
            _ => None,
        };
        let mut problem = None;
        let mut complain = |what: String| {
            problem.get_or_insert_with(|| {
                format!("{what}; put it right: members go on with what they have, and nothing of it is used meanwhile")
            });
        };
        let bundle =
            entry(entries, "ca.crt").and_then(|pem| blocks(pem).map_err(|error| format!("ca.crt: {error}")));
        let mut trusted = match bundle {
            Ok(trusted) => trusted,
            // One that signs is trusted without being named there too.
            Err(_) if authority.is_some() && !entries.contains_key("ca.crt") => Vec::new(),
            Err(why) => {
                complain(why);
                Vec::new()
            }
        };
        let issuer = authority.map(|authority| authority.map_err(&mut complain).ok());
        if let Some(Some(issuer)) = &issuer {
            trusted.push((issuer.facts().clone(), issuer.certificate().to_owned()));
        }
        let known: Vec<_> = trusted.iter().map(|(facts, _)| facts.clone()).collect();
        let leaf = match (&issuer, pair) {
            (Some(_), _) => None,
            (None, pair) => pair.and_then(|pair| usable(pair, &known, now)).map_err(complain).ok(),
        };
        let authorities = Authorities::of_others(trusted, issuer.flatten()).with_problem(problem);
        Self { authorities, leaf }
    }

    /// What keeps its certificate from being of use, in words: names that it has to have, for whoever shows it as a server
    /// or as a client.
    pub fn lacks(&self, names: &[String], server: bool, client: bool) -> Option<String> {
        let (facts, issued) = self.leaf.as_ref()?;
        let missing: Vec<_> = names.iter().filter(|name| !covers(facts, name)).map(String::as_str).collect();
        if !missing.is_empty() {
            return Some(format!(
                "tls.crt does not name {}: have it made anew with these names too",
                missing.join(", ")
            ));
        }
        let uses = Certificate::read(&issued.certificate).ok()?;
        let refused = |wanted, allowed: bool| wanted && !allowed;
        let usage = match (refused(server, uses.for_servers), refused(client, uses.for_clients)) {
            (true, _) => "servers (serverAuth",
            (_, true) => "clients (clientAuth",
            _ => return None,
        };
        Some(format!(
            "tls.crt is not for {usage} in its extended key usage): have it made anew with that too"
        ))
    }
}

/// `tls.crt` and `tls.key`, unread.
fn pair(entries: &BTreeMap<String, String>) -> Result<Issued, String> {
    let certificate = entry(entries, "tls.crt")?.to_owned();
    Ok(Issued { certificate, key: SecretKey::new(entry(entries, "tls.key")?) })
}

fn entry<'a>(entries: &'a BTreeMap<String, String>, name: &str) -> Result<&'a str, String> {
    entries
        .get(name)
        .map(String::as_str)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| format!("{name} is missing"))
}

/// The certificates of a bundle, each with a PEM of its own.
fn blocks(pem: &str) -> Result<Vec<(Certificate, String)>, PkiError> {
    read::bundle(pem)?;
    read::blocks(pem).into_iter().map(|block| Ok((Certificate::read(&block)?, block))).collect()
}

/// The authority in `tls.crt` and `tls.key`.
fn signing(pair: &Issued, now: Timestamp) -> Result<Authority, String> {
    let authority =
        Authority::load(&pair.certificate, pair.key.clone()).map_err(|error| format!("tls.key: {error}"))?;
    valid(authority.facts().since, authority.facts().until, now)?;
    Ok(authority)
}

/// Whether `tls.crt` is valid now.
fn valid(since: Timestamp, until: Timestamp, now: Timestamp) -> Result<(), String> {
    if now >= until {
        Err(format!("tls.crt ended at {until:.0}"))
    } else if now < since {
        Err(format!("tls.crt is not valid before {since:.0}"))
    } else {
        Ok(())
    }
}

fn usable(pair: Issued, trusted: &[Certificate], now: Timestamp) -> Result<(LeafFacts, Issued), String> {
    let facts = match kept(Some((&pair.certificate, &pair.key)), trusted) {
        Kept::Leaf(facts) => facts,
        Kept::Unreadable { why } => return Err(format!("tls.crt can't be used: {why}")),
        Kept::Missing => return Err("tls.crt is missing".into()),
    };
    if !trusted.iter().any(|one| one.id == facts.issuer) {
        return Err("none of the authorities in ca.crt signed tls.crt".into());
    }
    valid(facts.not_before, facts.not_after, now)?;
    Ok((facts, pair))
}

/// Whether a certificate has a name, itself or by a wildcard, which stands for one label (RFC 6125).
fn covers(facts: &LeafFacts, name: &str) -> bool {
    let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    facts.names.contains(name) || wildcard.is_some_and(|wildcard| facts.names.contains(&wildcard))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::pki::Request;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn authority(name: &str) -> Authority {
        Authority::generate(name, now(), YEAR).unwrap()
    }

    fn leaf(authority: &Authority) -> Issued {
        let names = ["*.demo-peers.ns.svc.cluster.local", "127.0.0.1"].map(str::to_owned).to_vec();
        authority.issue(&Request { common_name: "demo".into(), names }, now(), YEAR).unwrap()
    }

    fn entries(ca: &str, certificate: &str, key: &SecretKey) -> BTreeMap<String, String> {
        let entries = [("ca.crt", ca), ("tls.crt", certificate), ("tls.key", key.reveal())];
        entries.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    }

    #[test]
    fn a_certificate_is_taken_as_it_is() {
        let [old, new] = ["old", "new"].map(authority);
        let own = leaf(&new);
        let both = format!("{}{}", old.certificate(), new.certificate());
        let given = Given::of(&entries(&both, &own.certificate, &own.key), now());
        assert_eq!(given.authorities.observed().problem, None);
        assert_eq!(
            (given.authorities.certificates().len(), given.authorities.issuer().is_some()),
            (2, false)
        );
        assert_eq!(given.leaf.as_ref().unwrap().0.issuer, *new.id());
        let names = ["demo-a.demo-peers.ns.svc.cluster.local", "127.0.0.1"].map(str::to_owned);
        assert_eq!(given.lacks(&names, true, true), None);
        let said = given.lacks(&["demo-peers.ns.svc.cluster.local".to_owned()], true, true).unwrap();
        assert!(said.contains("does not name demo-peers.ns.svc.cluster.local:"), "{said}");
    }

    #[test]
    fn a_certificate_of_clients_is_none_for_servers() {
        let authority = authority("one");
        let request = Request { common_name: "client".into(), names: Vec::new() };
        let own = authority.issue(&request, now(), YEAR).unwrap();
        let given = Given::of(&entries(authority.certificate(), &own.certificate, &own.key), now());
        assert_eq!(given.lacks(&[], false, true), None);
        assert!(given.lacks(&[], true, false).unwrap().contains("serverAuth"));
    }

    #[test]
    fn an_authority_signs_and_is_trusted() {
        let [root, own] = ["root", "own"].map(authority);
        let given = Given::of(&entries(root.certificate(), own.certificate(), own.key()), now());
        assert_eq!(given.authorities.observed().problem, None);
        assert_eq!(given.authorities.issuer().map(Authority::id), Some(own.id()));
        assert_eq!((given.authorities.certificates().len(), given.leaf.is_some()), (2, false));
        let alone = Given::of(&entries(own.certificate(), own.certificate(), own.key()), now());
        assert_eq!(alone.authorities.certificates().len(), 1, "named twice, trusted once");
        let mut unnamed = entries(own.certificate(), own.certificate(), own.key());
        unnamed.remove("ca.crt");
        let unnamed = Given::of(&unnamed, now());
        assert_eq!(
            (unnamed.authorities.observed().problem, unnamed.authorities.certificates().len()),
            (None, 1)
        );
    }

    #[test]
    fn what_can_not_be_used_is_told_and_nothing_of_a_key_is() {
        let [one, other] = ["one", "other"].map(authority);
        let (own, strange) = (leaf(&one), leaf(&other));
        let whole = entries(one.certificate(), &own.certificate, &own.key);
        let with = |name: &str, text: Option<&str>| {
            let mut changed = whole.clone();
            changed.remove(name);
            changed.extend(text.map(|text| (name.to_owned(), text.to_owned())));
            changed
        };
        for (case, now, expected) in [
            (with("ca.crt", None), now(), "ca.crt is missing"),
            (with("ca.crt", Some("garbage")), now(), "ca.crt: there is no certificate"),
            (with("tls.crt", None), now(), "tls.crt is missing"),
            (with("tls.crt", Some("garbage")), now(), "no certificate in PEM"),
            (with("tls.crt", Some(&strange.certificate)), now(), "private key"),
            (with("tls.key", None), now(), "tls.key is missing"),
            (with("tls.key", Some("garbage")), now(), "private key"),
            (with("ca.crt", Some(other.certificate())), now(), "none of the authorities in ca.crt"),
            (whole.clone(), now() + YEAR, "tls.crt ended at 2027"),
            (whole.clone(), now() - YEAR, "not valid before"),
            (entries(one.certificate(), one.certificate(), other.key()), now(), "does not belong"),
            (entries(one.certificate(), one.certificate(), one.key()), now() + YEAR, "tls.crt ended at 2027"),
        ] {
            let given = Given::of(&case, now);
            let said = given.authorities.observed().problem.expect(expected);
            assert!(said.contains(expected) && said.contains("put it right"), "{said}");
            assert!(!said.contains("PRIVATE KEY") && given.leaf.is_none(), "{said}");
            assert!(given.authorities.issuer().is_none(), "{said}");
        }
    }
}
