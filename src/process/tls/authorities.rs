//! The authorities of one side: files of their own, and one that names who signs.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::{TlsError, set};
use crate::{
    pki::{Authority, Certificate, SecretKey},
    plan::{
        Side,
        certificates::{self, Certificates},
        transport::AuthorityId,
    },
    process::{
        files::{self, FileError},
        folder::Folder,
    },
};

/// What is known of the authorities of one side.
#[derive(Debug)]
pub(in crate::process) struct Authorities {
    /// Those that are to be trusted, the oldest first: what each says, and its PEM.
    trusted: Vec<(Certificate, String)>,
    /// The one that signs.
    issuer: Option<Authority>,
    /// What is wrong, in words.
    problem: Option<String>,
}

impl Authorities {
    /// Reads what is there. What can't be used is told as a problem, since the members that run need none of it.
    pub(in crate::process) fn read(folder: &Folder, side: Side) -> Result<Self, FileError> {
        let place = folder.authorities(side);
        let mut found = Self { trusted: Vec::new(), issuer: None, problem: None };
        for path in certificates_in(&place)? {
            let pem = files::read(&path)?.unwrap_or_default();
            match Certificate::read(&pem) {
                Ok(facts) => found.trusted.push((facts, pem)),
                Err(error) => found.complain(format!("{}: {error}", path.display())),
            }
        }
        found.trusted.sort_by_key(|(facts, _)| (facts.since, facts.id.clone()));
        let appointed = files::read(&place.join("issuer"))?.map(|text| text.trim().to_owned());
        let oldest = || found.trusted.first().map(|(facts, _)| facts.id.0.clone());
        if let Some(id) = appointed.or_else(oldest) {
            match found.load(&place, &id) {
                Ok(authority) => found.issuer = Some(authority),
                Err(why) => found.complain(format!("the authority {id}, which signs: {why}")),
            }
        }
        Ok(found)
    }

    fn load(&self, place: &Path, id: &str) -> Result<Authority, String> {
        let known = self.trusted.iter().find(|(facts, _)| facts.id.0 == id);
        let (_, pem) = known.ok_or_else(|| format!("{} is missing", file(place, id, "crt").display()))?;
        let path = file(place, id, "key");
        let key = files::read(&path).map_err(|error| error.to_string())?;
        let key = key.ok_or_else(|| format!("{} is missing", path.display()))?;
        Authority::load(pem, SecretKey::new(key)).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn complain(&mut self, what: String) {
        self.problem.get_or_insert_with(|| {
            format!("{what}; restore it from a copy: members go on with what they have, and nothing is signed meanwhile")
        });
    }

    /// The one that signs.
    pub(in crate::process) fn issuer(&self) -> Option<&Authority> {
        self.issuer.as_ref()
    }

    /// What those that are to be trusted say.
    pub(in crate::process) fn certificates(&self) -> Vec<Certificate> {
        self.trusted.iter().map(|(facts, _)| facts.clone()).collect()
    }

    /// The certificates of those that `wanted` has, as one PEM; `None` when one of them is not there.
    pub(in crate::process) fn bundle<'a>(
        &self,
        mut wanted: impl Iterator<Item = &'a AuthorityId>,
    ) -> Option<String> {
        wanted.try_fold(String::new(), |all, id| {
            let (_, pem) = self.trusted.iter().find(|(facts, _)| facts.id == *id)?;
            Some(all + pem)
        })
    }

    /// All certificates that are to be trusted, as one PEM.
    pub(in crate::process) fn whole_bundle(&self) -> String {
        self.trusted.iter().map(|(_, pem)| pem.as_str()).collect()
    }

    /// What the plan is told; the certificates that are in use are added by whoever looks at the members.
    pub(in crate::process) fn observed(&self) -> Certificates {
        Certificates {
            authorities: self.trusted.iter().map(|(facts, _)| certificates::Authority::from(facts)).collect(),
            issuer: self.issuer.as_ref().map(|issuer| issuer.id().clone()),
            leaves: Vec::new(),
            problem: self.problem.clone(),
        }
    }

    /// Makes a new one.
    pub(in crate::process) fn add(
        folder: &Folder,
        side: Side,
        cluster: &str,
        life: Duration,
    ) -> Result<(), TlsError> {
        let place = folder.authorities(side);
        let common_name = format!("{cluster} {side} authority");
        let authority = Authority::generate(&common_name, Timestamp::now(), life)?;
        // The key first: a certificate without it would be trusted and could never sign.
        keep(&file(&place, &authority.id().0, "key"), authority.key().reveal())?;
        Ok(keep(&file(&place, &authority.id().0, "crt"), authority.certificate())?)
    }

    /// Lets another one sign.
    pub(in crate::process) fn appoint(folder: &Folder, side: Side, id: &AuthorityId) -> Result<(), TlsError> {
        let place = folder.authorities(side);
        let known = Self::read(folder, side)?;
        known
            .load(&place, &id.0)
            .map_err(|why| TlsError::Authority(format!("authority {id} can't sign: {why}")))?;
        Ok(files::write(&place.join("issuer"), &id.0)?)
    }

    /// Forgets one.
    pub(in crate::process) fn drop(folder: &Folder, side: Side, id: &AuthorityId) -> Result<(), TlsError> {
        let place = folder.authorities(side);
        files::remove(&file(&place, &id.0, "crt"))?;
        Ok(files::remove(&file(&place, &id.0, "key"))?)
    }
}

fn file(place: &Path, id: &str, kind: &str) -> PathBuf {
    place.join(format!("{id}.{kind}"))
}

fn certificates_in(place: &Path) -> Result<Vec<PathBuf>, FileError> {
    match fs::read_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => {
            let entries = entries.map_err(|error| FileError::io("reading", place, error))?;
            let paths = entries.flatten().map(|entry| entry.path());
            Ok(paths.filter(|path| path.extension().is_some_and(|kind| kind == "crt")).collect())
        }
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn keep(path: &Path, text: &str) -> Result<(), FileError> {
    let write_out = || -> io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        set::private_folder(folder)?;
        let fresh = path.with_extension("new");
        let _ = fs::remove_file(&fresh);
        let mut file = File::options().write(true).create_new(true).mode(0o400).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    };
    write_out().map_err(|error| FileError::io("writing", path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn read(folder: &Folder) -> Authorities {
        Authorities::read(folder, Side::Peer).unwrap()
    }

    #[test]
    fn one_takes_over_from_another() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        let known = read(&folder);
        assert_eq!((known.observed(), known.whole_bundle().as_str()), (Certificates::default(), ""));
        for _ in 0..2 {
            Authorities::add(&folder, Side::Peer, "demo", YEAR).unwrap();
        }
        let observed = read(&folder).observed();
        let [old, next] = observed.authorities.as_slice() else { panic!("{observed:?}") };
        let signs = observed.issuer.clone().unwrap();
        assert_eq!(signs, old.id, "the first signs");
        Authorities::appoint(&folder, Side::Peer, &next.id).unwrap();
        assert_eq!(read(&folder).issuer().unwrap().id(), &next.id);
        assert!(read(&folder).bundle([&signs, &next.id].into_iter()).is_some());
        for _ in 0..2 {
            Authorities::drop(&folder, Side::Peer, &signs).unwrap();
        }
        let known = read(&folder);
        assert_eq!(known.certificates().len(), 1);
        assert_eq!(known.bundle([&signs].into_iter()), None, "nobody is told to trust what is not there");
        assert_eq!(known.observed().problem, None);
    }

    #[test]
    fn what_is_lost_is_told_and_nothing_is_started_over() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path());
        Authorities::add(&folder, Side::Peer, "demo", YEAR).unwrap();
        let id = read(&folder).issuer().unwrap().id().clone();
        let place = folder.authorities(Side::Peer);
        let key = file(&place, &id.0, "key");
        let kept = fs::read_to_string(&key).unwrap();
        for (spoil, expected) in [(None, "is missing"), (Some("garbage"), "no private key")] {
            fs::remove_file(&key).unwrap();
            if let Some(text) = spoil {
                fs::write(&key, text).unwrap();
            }
            let observed = read(&folder).observed();
            let problem = observed.problem.unwrap();
            assert!(problem.contains(expected) && problem.contains("restore it"), "{problem}");
            assert_eq!(observed.issuer, None);
            fs::write(&key, &kept).unwrap();
        }
        assert!(read(&folder).issuer().is_some(), "it heals when it is put back");
    }
}
