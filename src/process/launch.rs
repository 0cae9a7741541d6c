//! Starting and stopping the processes of members.

use std::{
    fs::{self, File},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use rustix::process::Signal;
use tokio::process::{Child, Command};

use super::{
    ProcessError, ProcessPlatform,
    child::{self, ProcessId},
    files::{self, FileError},
    folder::MemberFolder,
    ports,
    state::{MemberFile, Ports},
    tls,
};
use crate::{
    member::{Addresses, Closing, Launch, render},
    plan::{Admission, MemberName, Recipe, Side, Sides, transport::Listen},
};

/// How long a process gets to end by itself before it is killed. Under load etcd takes up to 1.4 s (measured).
const GRACE: Duration = Duration::from_secs(10);
/// How often a process that shall end is looked at.
const LOOK: Duration = Duration::from_millis(20);

impl ProcessPlatform {
    /// Makes the folder of a new member; it appears whole or not at all.
    pub(super) fn make_place(
        &self,
        name: &MemberName,
        serial: u64,
        recipe: &Recipe,
    ) -> Result<(), ProcessError> {
        let taken = self.taken_ports()?;
        let begins = |side| recipe.transport.get(side).listen == Listen::Tls;
        let secured = Sides { peer: begins(Side::Peer), client: begins(Side::Client) };
        let ports = ports::choose(self.first_port, serial, secured, &taken)
            .ok_or(ProcessError::NoPorts(self.first_port))?;
        let folder = self.folder.member(name);
        let fresh = self.folder.members().join(format!(".{name}.new"));
        let file = MemberFile {
            name: name.clone(),
            version: recipe.version,
            created: Timestamp::now(),
            ports,
            options: recipe.options.clone(),
            transport: recipe.transport.clone(),
            admission: None,
            started: false,
            draining: None,
            returned: None,
        };
        fs::create_dir_all(&fresh).map_err(|error| FileError::io("creating", &fresh, error))?;
        files::write_yaml(&fresh.join("member.yaml"), &file)?;
        fs::rename(&fresh, folder.root()).map_err(|error| FileError::io("creating", folder.root(), error))?;
        Ok(())
    }

    /// The flags a member would be started with now, its peers answering; `None` while it is not admitted, or unknown for want of its file.
    ///
    /// # Errors
    /// When what is recorded of it can't be read.
    pub fn flags(&self, name: &MemberName) -> Result<Option<Vec<String>>, ProcessError> {
        let (folder, file) = match self.member(name) {
            Err(ProcessError::File(FileError::Content { .. }) | ProcessError::NoSuchMember(_)) => {
                return Ok(None);
            }
            member => member?,
        };
        let flags = |admission| arguments(&folder, &file, admission, !file.started, true);
        Ok(file.admission.as_ref().map(flags))
    }

    fn taken_ports(&self) -> Result<Vec<Ports>, ProcessError> {
        let mut taken = Vec::new();
        for name in super::observe::member_names(&self.folder)? {
            if let Some(file) = files::read_yaml::<MemberFile>(&self.folder.member(&name).file())? {
                taken.push(file.ports);
            }
        }
        Ok(taken)
    }

    /// Starts a member's process, unless it must not start.
    pub(super) fn launch(&self, name: &MemberName, check: bool) -> Result<(), ProcessError> {
        let (folder, mut file) = self.member(name)?;
        let refuse = |why: String| ProcessError::NotStarted { name: name.clone(), why };
        let admission =
            file.admission.clone().ok_or_else(|| refuse("it was not admitted to the cluster yet".into()))?;
        guard(&folder, &file).map_err(refuse)?;
        let binary =
            self.binaries.get(file.version).ok_or_else(|| refuse(self.binaries.missing(file.version)))?;
        if let Some(pid) = child::find_by_data_folder(&folder.data()) {
            return Err(refuse(format!(
                "process {pid} already runs on its data folder; it is taken over at the next look"
            )));
        }
        if let Some(port) = file.ports.in_use(&file.transport).into_iter().find(|port| !ports::is_free(*port))
        {
            return Err(refuse(format!(
                "port {port} on 127.0.0.1 is taken by another program; stop that program (`ss -ltnp 'sport = :{port}'` \
                 names it), the member starts by itself then"
            )));
        }
        self.prepare_certificates(&folder, &file).map_err(|error| refuse(error.to_string()))?;
        let errors = File::create(folder.stderr())
            .map_err(|source| FileError::io("creating", &folder.stderr(), source))?;
        let first_start = !file.started;
        // Written down before the start: whatever happens next, an empty folder of this member counts as lost data.
        file.started = true;
        files::write_yaml(&folder.file(), &file)?;
        let arguments = arguments(&folder, &file, &admission, first_start, check);
        match self.spawn(binary, &arguments, &folder, &file, errors) {
            Ok(()) => {}
            Err(source) => {
                if first_start {
                    // Nothing ran, so nothing was promised.
                    file.started = false;
                    files::write_yaml(&folder.file(), &file)?;
                }
                return Err(refuse(format!("{} could not be run: {source}", binary.display())));
            }
        }
        if let Some(life) = self.lives().get_mut(name) {
            life.unproven = first_start;
        }
        Ok(())
    }

    fn spawn(
        &self,
        binary: &std::path::Path,
        arguments: &[String],
        folder: &MemberFolder,
        file: &MemberFile,
        errors: File,
    ) -> std::io::Result<()> {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .current_dir(folder.root())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .envs(&file.options.extra_env)
            // A group of its own: Ctrl-C at the terminal is for `up`, which then stops its members in order.
            .process_group(0);
        // etcd ends with an error when a variable and a flag name the same thing.
        for (variable, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_"))
        {
            command.env_remove(variable);
        }
        let started = command.spawn()?;
        let pid = started.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        // A process that ended already has no start time left to read; it is noticed as ended all the same.
        let process = ProcessId::of(pid, Timestamp::now()).ok();
        if let Some(process) = &process {
            // Without the file, the process is found by its data folder.
            if let Err(error) = files::write_yaml(&folder.pid(), process) {
                tracing::warn!(member = %file.name, %error, "the pid could not be written down");
            }
        }
        let mut lives = self.lives();
        let life = lives.entry(file.name.clone()).or_default();
        life.process = Some(process.unwrap_or_else(|| ProcessId::ended(pid, Timestamp::now())));
        life.blocked = None;
        life.stopping = false;
        drop(lives);
        self.reap(started);
        Ok(())
    }

    /// Waits for a child in the background: without that it would stay a zombie, and its end would go unnoticed.
    fn reap(&self, mut started: Child) {
        let ended = Arc::clone(&self.ended);
        tokio::spawn(async move {
            // Its exit code says nothing (a removed member ends with 0, 1 or 2), so only the end counts.
            let _ = started.wait().await;
            ended.notify_one();
        });
    }

    /// Ends a member's process: SIGTERM, on which etcd hands leadership over itself, and SIGKILL once it has closed its data or
    /// when SIGTERM does not help. For a second after that, it would only wait for its peers to hang up.
    pub(super) async fn end_process(&self, name: &MemberName) -> Result<(), ProcessError> {
        let process = {
            let mut lives = self.lives();
            let life = lives.entry(name.clone()).or_default();
            life.stopping = true;
            life.process.clone()
        };
        let data = self.folder.member(name).data();
        let found = || {
            let pid = child::find_by_data_folder(&data)?;
            ProcessId::of(pid, Timestamp::now()).ok()
        };
        let Some(process) = process.filter(ProcessId::alive).or_else(found) else { return Ok(()) };
        let failed = |source| ProcessError::NotStopped { name: name.clone(), source };
        let closing = Closing::of(&data);
        process.signal(Signal::TERM).map_err(failed)?;
        if !within(GRACE, || !process.alive() || closing.done()).await {
            tracing::warn!(member = %name, "it did not end on SIGTERM and is killed");
        }
        process.signal(Signal::KILL).map_err(failed)?;
        within(GRACE, || !process.alive()).await;
        Ok(())
    }
}

/// Whether something is so within this time.
async fn within(limit: Duration, done: impl Fn() -> bool) -> bool {
    let until = async {
        while !done() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(limit, until).await.is_ok()
}

/// A member never starts on an empty folder once it was started, nor on a folder with something in it before: under
/// its old ID it would vote again about what it forgot, and acknowledged writes could be lost.
fn guard(folder: &MemberFolder, file: &MemberFile) -> Result<(), String> {
    match (file.started, folder.data_present()) {
        (true, false) => Err("its data folder is empty although it was started before".into()),
        (false, true) => Err(format!(
            "its data folder {} has data although it was never started; move that away",
            folder.data().display()
        )),
        _ => Ok(()),
    }
}

/// Where a member listens and is reached. Under both schemes, clients are told of both, and peers of the one that the
/// member list has at the first start.
fn addresses(file: &MemberFile, admission: &Admission) -> Addresses {
    let urls = |side| file.ports.urls(side, file.transport.get(side).listen);
    let (client, peer) = (urls(Side::Client), urls(Side::Peer));
    let told = admission.initial_cluster.iter().find(|one| one.name == file.name.0).map(|one| &one.url);
    let advertised = told.filter(|url| peer.contains(url)).or(peer.first());
    Addresses {
        listen_client_url: client.join(","),
        advertise_client_url: client.join(","),
        advertise_peer_url: advertised.cloned().unwrap_or_default(),
        listen_peer_url: peer.join(","),
        listen_metrics_url: Some(file.ports.metrics_url()),
    }
}

/// The flags of a member's etcd.
fn arguments(
    folder: &MemberFolder,
    file: &MemberFile,
    admission: &Admission,
    first_start: bool,
    initial_check: bool,
) -> Vec<String> {
    render(&Launch {
        name: &file.name,
        version: file.version,
        options: &file.options,
        admission,
        addresses: &addresses(file, admission),
        certificates: &tls::certificate_files(folder, file),
        data_dir: &folder.data().display().to_string(),
        log_file: Some(&folder.log().display().to_string()),
        first_start,
        initial_check,
    })
}
