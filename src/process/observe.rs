//! One look at the folder and the processes.

use std::{collections::BTreeMap, fs, io, time::SystemTime};

use jiff::Timestamp;

use super::{
    ProcessError, ProcessPlatform,
    child::{self, ProcessId},
    files::{self, FileError},
    folder::{Folder, MemberFolder},
    life::Life,
    requests,
    state::MemberFile,
};
use crate::{
    etcd::Endpoint,
    plan::{Data, Desired, Draining, Incarnation, MemberName, Process, Side, Transport},
};

/// What changes when there is a reason to look again; cheap to take.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint {
    files: Vec<Option<SystemTime>>,
    members: Vec<(MemberName, bool, bool)>,
}

/// The names of the members that exist.
pub(super) fn member_names(folder: &Folder) -> Result<Vec<MemberName>, FileError> {
    let path = folder.members();
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| FileError::io("reading", &path, error))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| FileError::io("reading", &path, error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A leading dot marks what is being made or deleted; see `setup::clear_debris`.
        if !name.starts_with('.') && entry.path().is_dir() {
            names.push(MemberName(name));
        }
    }
    names.sort();
    Ok(names)
}

impl ProcessPlatform {
    pub(super) fn observe_members(
        &self,
        desired: &Desired,
        now: Timestamp,
    ) -> Result<(Vec<Incarnation>, BTreeMap<MemberName, Endpoint>), ProcessError> {
        let mut incarnations = Vec::new();
        let mut endpoints = BTreeMap::new();
        for name in member_names(&self.folder)? {
            let folder = self.folder.member(&name);
            let present = folder.data_present();
            let mut file = match files::read_yaml::<MemberFile>(&folder.file()) {
                Ok(Some(file)) => file,
                // Neither file nor data: somebody is deleting it by hand, or has.
                Ok(None) if !present => continue,
                unreadable => {
                    incarnations.push(unknown(&folder, name, desired, unreadable.err(), now));
                    continue;
                }
            };
            let mut lives = self.lives();
            let life = lives.entry(name.clone()).or_insert_with(|| adopt(&folder));
            if life.notice_end(now, present) && file.started {
                file.started = false;
                files::write_yaml(&folder.file(), &file)?;
            }
            endpoints.insert(
                name,
                Endpoint {
                    client_url: client_url(&file),
                    peer_url: safest(&file, Side::Peer),
                    metrics_url: Some(file.ports.metrics_url()),
                },
            );
            incarnations.push(incarnation(&folder, file, life, present));
        }
        Ok((incarnations, endpoints))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let modified = |path: &std::path::Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let mut files = vec![
            modified(&self.folder.manifest()),
            modified(&self.folder.down_request()),
            modified(&self.folder.rotation_request()),
        ];
        let lives = self.lives();
        let members = lives
            .iter()
            .map(|(name, life)| {
                let folder = self.folder.member(name);
                files.push(modified(&folder.restart_request()));
                files.push(modified(&folder.replace_request()));
                (name.clone(), life.process.as_ref().is_some_and(ProcessId::alive), folder.data_present())
            })
            .collect();
        Fingerprint { files, members }
    }
}

/// Where clients reach a member: under TLS, if it listens so.
pub(super) fn client_url(file: &MemberFile) -> String {
    safest(file, Side::Client)
}

fn safest(file: &MemberFile, side: Side) -> String {
    file.ports.urls(side, file.transport.get(side).listen).pop().unwrap_or_default()
}

/// A member that this `up` has not met yet: its process may run since before.
fn adopt(folder: &MemberFolder) -> Life {
    // A damaged pid file is as good as none: the process is found by its command line then.
    let recorded = files::read_yaml::<ProcessId>(&folder.pid()).ok().flatten().filter(ProcessId::alive);
    let found = || {
        let pid = child::find_by_data_folder(&folder.data())?;
        ProcessId::of(pid, Timestamp::now()).ok()
    };
    Life::of(recorded.or_else(found))
}

/// A member whose file can't be read. That is no evidence against its data, so it counts as one that can't start, and
/// only a person's request replaces it; the others are looked after meanwhile.
fn unknown(
    folder: &MemberFolder,
    name: MemberName,
    desired: &Desired,
    error: Option<FileError>,
    now: Timestamp,
) -> Incarnation {
    let problem = error.map_or_else(
        || {
            format!(
                "{} is missing although its data is there; restore it from a copy",
                folder.file().display()
            )
        },
        |error| error.to_string(),
    );
    Incarnation {
        peer_url: String::new(),
        second_peer_url: None,
        client_url: String::new(),
        created: Timestamp::UNIX_EPOCH,
        // What is not known is not complained about.
        version: desired.version,
        options: desired.options.clone(),
        transport: Transport::default(),
        admission: None,
        // As of now, so that it is never due for a start.
        process: Process::Blocked {
            why: format!("{problem}, or give the member up with `quorate replace {name}`"),
            at: now,
        },
        data: Data { started: false, present: folder.data_present() },
        supervised: false,
        behind: None,
        ephemeral: false,
        closed: None,
        ahead: None,
        misplaced: None,
        lost_since: None,
        draining: None,
        returned: None,
        restart_requested: None,
        replace_requested: folder.replace_request().exists(),
        node: String::new(),
        report: None,
        name,
    }
}

fn incarnation(folder: &MemberFolder, file: MemberFile, life: &Life, present: bool) -> Incarnation {
    let mut peer_urls = file.ports.urls(Side::Peer, file.transport.peer.listen).into_iter();
    Incarnation {
        process: life.state(folder, &file),
        restart_requested: requests::restart_requested(folder),
        replace_requested: folder.replace_request().exists(),
        // While the very first process of a member has not been seen to write anything, an empty folder proves nothing.
        data: Data { started: file.started && !life.unproven, present },
        client_url: client_url(&file),
        peer_url: peer_urls.next().unwrap_or_default(),
        second_peer_url: peer_urls.next(),
        name: file.name,
        created: file.created,
        version: file.version,
        options: file.options,
        transport: file.transport,
        admission: file.admission,
        supervised: false,
        behind: None,
        ephemeral: false,
        closed: None,
        ahead: None,
        misplaced: None,
        lost_since: None,
        draining: file.draining.map(Draining::seen),
        returned: file.returned,
        node: String::new(),
        report: None,
    }
}
