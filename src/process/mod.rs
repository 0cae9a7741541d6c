//! The platform for one machine: etcd child processes and their folders.
//!
//! It may touch the cluster's folder and the processes of its members, and nothing else. Its members outlive it: they
//! are found again by pid and start time, or by the data folder in their command line.

mod applied;
pub mod binaries;
mod certificates;
mod child;
pub mod files;
pub mod folder;
mod launch;
mod life;
pub mod lock;
pub mod manifest;
mod observe;
mod ports;
pub mod requests;
pub mod setup;
pub mod state;
mod tls;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::Notify;

use self::{
    binaries::Binaries,
    files::FileError,
    folder::{Folder, MemberFolder},
    life::Life,
    observe::Fingerprint,
    state::{MemberFile, RecordFile},
    tls::{Authorities, CertificateCache, TlsError},
};
use crate::{
    engine::{Observed, Platform},
    member::Snapshots,
    plan::{
        Admission, ClusterId, MemberName, Policy, Recipe, Side, Step, Transport, status::ClusterStatus,
        transport::AuthorityId, version::Minor,
    },
};

/// How often the folder is looked at for edits: often enough to act within a second.
const GLANCE: Duration = Duration::from_millis(250);

/// Why a verb failed on this machine.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder has members and no record of them.
    #[error(
        "{0} is missing although the folder has members, so it is unknown whether their cluster formed; restore it from a \
         copy, or remove everything with `quorate down --wipe`"
    )]
    RecordMissing(String),
    /// A member's folder is not there.
    #[error("member {0} does not exist in this folder")]
    NoSuchMember(MemberName),
    /// A member can't be started for a reason outside of it, or must not be.
    #[error("member {name} was not started: {why}")]
    NotStarted {
        /// Which one.
        name: MemberName,
        /// Why, and what to do.
        why: String,
    },
    /// No ports are left.
    #[error("no free ports were found from {0} on; choose another range with --port")]
    NoPorts(u16),
    /// Certificates can't be kept.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A process does not end.
    #[error("the process of member {name} could not be stopped: {source}")]
    NotStopped {
        /// Which one.
        name: MemberName,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// One cluster on this machine.
#[derive(Debug)]
pub struct ProcessPlatform {
    folder: Folder,
    binaries: Binaries,
    first_port: u16,
    /// A plain mutex, never held across an await: what it guards is a few fields a member.
    lives: Mutex<BTreeMap<MemberName, Life>>,
    seen: Mutex<Fingerprint>,
    ended: Arc<Notify>,
    snapshots: Arc<Snapshots>,
    certificates: CertificateCache,
    policy: Policy,
}

impl ProcessPlatform {
    /// Takes a folder that [`setup`] prepared. New members get ports from `first_port` on.
    pub fn new(folder: Folder, binaries: Binaries, first_port: u16) -> Self {
        let snapshots = Arc::new(Snapshots::new(folder.snapshots()));
        Self {
            folder,
            binaries,
            first_port,
            lives: Mutex::default(),
            seen: Mutex::default(),
            ended: Arc::new(Notify::new()),
            snapshots,
            certificates: CertificateCache::default(),
            policy: Policy::default(),
        }
    }

    /// Keeps certificates for as long as another policy says.
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// The folder of the cluster.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    fn lives(&self) -> MutexGuard<'_, BTreeMap<MemberName, Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record_file(&self) -> Result<RecordFile, ProcessError> {
        let path = self.folder.record();
        files::read_yaml(&path)?.ok_or_else(|| ProcessError::RecordMissing(path.display().to_string()))
    }

    fn member(&self, name: &MemberName) -> Result<(MemberFolder, MemberFile), ProcessError> {
        let folder = self.folder.member(name);
        let file =
            files::read_yaml(&folder.file())?.ok_or_else(|| ProcessError::NoSuchMember(name.clone()))?;
        Ok((folder, file))
    }

    /// Changes what is recorded of a member.
    fn edit_member(&self, name: &MemberName, edit: impl FnOnce(&mut MemberFile)) -> Result<(), ProcessError> {
        let (folder, mut file) = self.member(name)?;
        edit(&mut file);
        Ok(files::write_yaml(&folder.file(), &file)?)
    }

    /// One look that writes nothing, for commands that run beside `up`; and the record to write when the manifest
    /// brought a new spec.
    ///
    /// # Errors
    /// When a file can't be read or is damaged.
    pub fn glance(&self) -> Result<(Observed, Option<RecordFile>), ProcessError> {
        let mut record = self.record_file()?;
        let accepted = manifest::accept(&self.folder, &record, &self.binaries)?;
        if let Some(renewed) = &accepted.renewed {
            record = renewed.clone();
        }
        let (incarnations, endpoints) = self.observe_members(&accepted.desired, Timestamp::now())?;
        let certificates = self.observe_certificates()?;
        let observed = Observed {
            cluster: record.name,
            uid: record.uid,
            generation: Some(record.generation),
            desired: accepted.desired,
            record: record.record,
            incarnations,
            certificates,
            credentials: self.credentials()?,
            snapshots: self.snapshots.seen(),
            left: Vec::new(),
            domain: None,
            endpoints,
            vouched: BTreeSet::new(),
        };
        Ok((observed, accepted.renewed))
    }

    /// Stops all members and keeps their data: followers first, the leader last, so that leadership moves at most once.
    ///
    /// # Errors
    /// When a process can't be stopped.
    pub async fn stop_all(&self) -> Result<(), ProcessError> {
        let leader =
            files::read_yaml::<ClusterStatus>(&self.folder.status()).ok().flatten().and_then(|s| s.leader);
        let mut names: Vec<_> = observe::member_names(&self.folder)?;
        names.sort_by_key(|name| Some(&name.0) == leader.as_ref());
        for name in names {
            self.stop(&name).await?;
        }
        Ok(())
    }
}

impl Platform for ProcessPlatform {
    type Error = ProcessError;

    async fn observe(&self) -> Result<Observed, ProcessError> {
        let fingerprint = self.fingerprint();
        self.keep_certificates();
        let (observed, renewed) = self.glance()?;
        if let Some(renewed) = renewed {
            files::write_yaml(&self.folder.record(), &renewed)?;
        }
        // Taken before the look: an edit in between shows as a difference and is looked at again.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = fingerprint;
        Ok(observed)
    }

    async fn reserve(
        &self,
        name: &MemberName,
        serial: u64,
        recipe: &Recipe,
        _told_at_once: Option<&Admission>,
    ) -> Result<(), ProcessError> {
        let mut record = self.record_file()?;
        // The serial first: a crash after it costs a name, a crash before the folder would otherwise give it out twice.
        record.record.serial = record.record.serial.max(serial);
        files::write_yaml(&self.folder.record(), &record)?;
        self.make_place(name, serial, recipe)
    }

    /// The members of a folder are those of its cluster: nothing is ever left behind.
    async fn take_up(&self, name: &MemberName, _: bool, _: &Transport) -> Result<(), ProcessError> {
        Err(ProcessError::NoSuchMember(name.clone()))
    }

    async fn admit(&self, name: &MemberName, admission: &Admission) -> Result<(), ProcessError> {
        self.edit_member(name, |file| file.admission = Some(admission.clone()))
    }

    async fn start(&self, name: &MemberName, check: bool) -> Result<(), ProcessError> {
        let result = self.launch(name, check);
        if let Err(error) = &result {
            let why = match error {
                ProcessError::NotStarted { why, .. } => why.clone(),
                other => other.to_string(),
            };
            self.lives().entry(name.clone()).or_default().blocked = Some((why, Timestamp::now()));
        }
        result
    }

    async fn stop(&self, name: &MemberName) -> Result<(), ProcessError> {
        self.end_process(name).await
    }

    /// The process ends first: a crash in between leaves a member that is down and still has to be changed.
    async fn renew(&self, name: &MemberName, recipe: &Recipe) -> Result<(), ProcessError> {
        self.end_process(name).await?;
        self.edit_member(name, |file| {
            file.version = recipe.version;
            file.options = recipe.options.clone();
            file.transport = recipe.transport.clone();
            // Until it serves with that.
            file.draining = file.draining.or_else(|| Some(Timestamp::now()));
        })?;
        self.lives().entry(name.clone()).or_default().begin_anew();
        Ok(())
    }

    async fn snapshot(&self, name: &MemberName, to: Minor) -> Result<(), ProcessError> {
        let (_, file) = self.member(name)?;
        let url = observe::client_url(&file);
        self.snapshots.begin(url, self.credentials()?, to);
        Ok(())
    }

    async fn drain(&self, name: &MemberName, draining: bool) -> Result<(), ProcessError> {
        let now = Timestamp::now();
        self.edit_member(name, |file| {
            file.draining = draining.then_some(now);
            file.returned = if draining { file.returned } else { Some(now) };
        })
    }

    async fn discard(&self, name: &MemberName) -> Result<(), ProcessError> {
        self.end_process(name).await?;
        let folder = self.folder.member(name);
        let grave = self.folder.members().join(format!(".{name}.gone"));
        match fs::rename(folder.root(), &grave) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FileError::io("deleting", folder.root(), error).into());
            }
            _ => {}
        }
        self.lives().remove(name);
        setup::clear_debris(&self.folder)?;
        Ok(())
    }

    async fn add_authority(&self, side: Side) -> Result<(), ProcessError> {
        let record = self.record_file()?;
        Ok(Authorities::add(&self.folder, side, &record.name, self.policy.authority_life)?)
    }

    async fn use_authority(&self, side: Side, id: &AuthorityId) -> Result<(), ProcessError> {
        Ok(Authorities::appoint(&self.folder, side, id)?)
    }

    async fn drop_authority(&self, side: Side, id: &AuthorityId) -> Result<(), ProcessError> {
        Ok(Authorities::drop(&self.folder, side, id)?)
    }

    async fn record_formed(&self, cluster_id: ClusterId) -> Result<(), ProcessError> {
        let mut record = self.record_file()?;
        record.record.cluster_id = Some(cluster_id);
        Ok(files::write_yaml(&self.folder.record(), &record)?)
    }

    /// The folder is read anew at every look, so there is nothing to confirm.
    async fn confirm(&self, _: &Step) -> Result<(), ProcessError> {
        Ok(())
    }

    /// Clients reach every member by its own address here; the status tells them which to use.
    async fn serve(&self, _: &[MemberName], _: &[MemberName]) -> Result<(), ProcessError> {
        Ok(())
    }

    async fn publish(&self, status: &ClusterStatus) -> Result<(), ProcessError> {
        Ok(files::write_yaml(&self.folder.status(), status)?)
    }

    async fn changed(&self) {
        loop {
            tokio::select! {
                () = self.ended.notified() => return,
                () = tokio::time::sleep(GLANCE) => {
                    if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != self.fingerprint() {
                        return;
                    }
                }
            }
        }
    }
}
