//! The life of a guard: wait until etcd may be started, start it, and end as it ends.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitStatus, sync::Arc, time::Duration};

use tokio::{net::TcpListener, process::Child};

use super::{
    command,
    desk::Desk,
    etcd,
    judge::{Owner, Peers, Verdict},
    leave, names,
    peers::{self, Heard},
    places::Places,
    server::{self, Readiness},
    words::{Assignment, Phase},
};
use crate::{
    etcd::http::Http,
    member::{Addresses, has_log},
    plan::Admission,
    shutdown::Told,
};

/// How often a guard that does not start etcd looks again, and one that runs it looks at its data.
const LOOK: Duration = Duration::from_secs(1);
/// How often the data are looked for after the first start. etcd needs longer to say anything to its peers that it
/// could forget.
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// What a guard is started with.
#[derive(Debug)]
pub struct Setup {
    /// What it is told about its member.
    pub assignment: Assignment,
    /// The etcd program.
    pub etcd: PathBuf,
    /// The member's volume.
    pub volume: PathBuf,
    /// The folder that lives as long as the Pod.
    pub pod_folder: PathBuf,
    /// The folder of the member's certificates.
    pub certificates: PathBuf,
    /// Where the guard answers.
    pub listen: SocketAddr,
    /// Where etcd listens and is reached.
    pub addresses: Addresses,
}

/// Why a guard can't do its work.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Its port can't be had.
    #[error("the guard cannot listen on {address}: {source}; choose another address with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It can't be told to stop.
    #[error("the guard cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// etcd can't be run.
    #[error("{path} could not be run: {source}; name the etcd binary of this image with --etcd", path = path.display())]
    NotRun {
        /// Which program.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What became of etcd can't be learnt.
    #[error("the guard cannot wait for etcd: {0}")]
    Lost(#[source] io::Error),
}

/// That etcd may be started, and how.
struct Ready {
    first: bool,
    initial_check: bool,
    /// Whether it forgets the other members.
    alone: bool,
}

struct Guard {
    desk: Arc<Desk>,
    etcd: PathBuf,
    addresses: Addresses,
}

/// Guards a member until it is told to stop or its etcd ends; gives the exit code that says which.
///
/// # Errors
/// When it can't do its work at all.
pub async fn run(setup: Setup) -> Result<u8, GuardError> {
    let Setup { assignment, etcd, volume, pod_folder, certificates, listen: address, addresses } = setup;
    let mut told = Told::listen().map_err(GuardError::Signals)?;
    let failed = |source| GuardError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let desk = Arc::new(Desk::new(assignment, Places::new(&volume, &pod_folder), certificates));
    let readiness = Readiness {
        http: Http::new(),
        url: addresses.listen_metrics_url.as_deref().map(|url| format!("{}/readyz", leave::local(url))),
    };
    let guard = Guard { desk: Arc::clone(&desk), etcd, addresses };
    tokio::select! {
        ended = server::serve(listener, desk, readiness) => {
            Err(failed(ended.err().unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into())))
        }
        code = guard.live(&mut told) => code,
    }
}

impl Guard {
    async fn live(&self, told: &mut Told) -> Result<u8, GuardError> {
        let ready = tokio::select! {
            biased;
            () = told.to_stop() => return Ok(0),
            ready = self.until_startable() => ready,
        };
        let started = etcd::spawn(&self.etcd, &self.flags(&ready));
        let mut child = started.map_err(|source| {
            self.take_back(ready.first);
            GuardError::NotRun { path: self.etcd.clone(), source }
        })?;
        self.desk.show(Phase::Running, None);
        let mut seen = !ready.first;
        let ended = self.until_end(&mut child, told, &mut seen).await;
        // Nothing was promised to anybody by a process that never had a log, for instance because of a bad flag.
        self.take_back(!seen && !has_log(&self.desk.places.data()));
        ended.map_err(GuardError::Lost).map(|status| status.map_or(0, etcd::code))
    }

    /// Waits until etcd may be started, and marks that it is about to be.
    async fn until_startable(&self) -> Ready {
        let mut heard: Option<Heard> = None;
        let mut resolved = None;
        loop {
            let verdict = self.desk.judge(heard.map_or(Peers::NotAsked, |heard| heard.peers));
            if let (Verdict::Ask | Verdict::Start { .. }, Err(why)) = (&verdict, self.desk.certificates_due())
            {
                // What was never started may be told anew meanwhile.
                let first = verdict != Verdict::Start { first: false };
                self.rest(if first { Phase::Waiting } else { Phase::Refused }, why).await;
                continue;
            }
            match (verdict, heard.take()) {
                (Verdict::Start { first }, Some(heard)) => {
                    let alone = self.forgets_others();
                    match self.mark(first) {
                        Ok(()) => return Ready { first, initial_check: first || heard.quorum, alone },
                        Err(why) => self.rest(Phase::Refused, why).await,
                    }
                }
                // On its own data it starts whatever they say; whether they answer is asked for the sake of the check.
                (Verdict::Start { .. }, None) => heard = Some(self.ask(self.desk.admission().as_ref()).await),
                (Verdict::Ask, _) => heard = self.resolve_and_ask(&mut resolved).await,
                (Verdict::Wait(why), _) => self.rest(Phase::Waiting, why.into()).await,
                (Verdict::Refuse(why), _) => self.rest(Phase::Refused, why).await,
            }
        }
    }

    /// A member that was made alone over a volume of a former cluster forgets the others once: as long as the mark on
    /// its volume is that of its life before.
    fn forgets_others(&self) -> bool {
        let assignment = &self.desk.assignment;
        let before = matches!(self.desk.places.owner(), Owner::Marked(mark) if mark.uid != assignment.uid);
        assignment.alone && before
    }

    /// A client of the members, with the certificates that are there now.
    fn http(&self) -> Http {
        Http::with(self.desk.credentials())
    }

    async fn rest(&self, phase: Phase, why: String) {
        self.desk.show(phase, Some(why));
        tokio::select! {
            () = self.desk.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }

    async fn ask(&self, admission: Option<&Admission>) -> Heard {
        peers::ask(&self.http(), &self.desk.assignment, admission).await
    }

    /// Looks for the names that etcd will look for, once, then asks the peers; nothing when it was told anew meanwhile.
    async fn resolve_and_ask(&self, resolved: &mut Option<Admission>) -> Option<Heard> {
        let admission = self.desk.admission();
        let found = async {
            if *resolved != admission {
                self.desk.show(Phase::Resolving, None);
                let told =
                    admission.iter().flat_map(|one| &one.initial_cluster).map(|peer| peer.url.as_str());
                names::resolve(told.chain([self.desk.assignment.peer_url.as_str()])).await;
                resolved.clone_from(&admission);
            }
            self.ask(admission.as_ref()).await
        };
        tokio::select! {
            () = self.desk.changed() => None,
            heard = found => Some(heard),
        }
    }

    /// Marks that etcd is about to be started. What was started before needs no mark to be started again.
    fn mark(&self, first: bool) -> Result<(), String> {
        match self.desk.places.mark(&self.desk.mark()) {
            Err(error) if first => Err(format!("it cannot be marked as started: {error}")),
            Err(error) => {
                tracing::warn!("the member cannot be marked as started: {error}");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn take_back(&self, unproven: bool) {
        if unproven && let Err(error) = self.desk.places.unmark() {
            tracing::warn!("etcd made no data, and the member still counts as started: {error}");
        }
    }

    fn flags(&self, ready: &Ready) -> Vec<String> {
        let mut flags = command::flags(
            &self.desk.assignment,
            self.desk.admission(),
            &self.addresses,
            &self.desk.places.data(),
            self.desk.certificates(),
            ready.first,
            ready.initial_check,
        );
        if ready.alone {
            flags.push("--force-new-cluster=true".to_owned());
        }
        flags
    }

    /// How etcd ended by itself; nothing when it was told to.
    async fn until_end(
        &self,
        child: &mut Child,
        told: &mut Told,
        seen: &mut bool,
    ) -> io::Result<Option<ExitStatus>> {
        let mut present = true;
        loop {
            tokio::select! {
                () = told.to_stop() => break,
                status = child.wait() => {
                    let status = status?;
                    tracing::warn!("etcd ended: {status}");
                    return Ok(Some(status));
                }
                () = tokio::time::sleep(if *seen { LOOK } else { FIRST_LOOK }) => {
                    let now = self.desk.places.present();
                    *seen |= now;
                    if *seen && present && !now {
                        tracing::error!("the data folder was emptied while etcd runs; the member has to be replaced");
                    }
                    present = now || !*seen;
                }
            }
        }
        self.desk.show(Phase::Stopping, None);
        leave::hand_over(&self.http(), &self.addresses).await;
        etcd::end(child, &self.desk.places.data()).await;
        Ok(None)
    }
}
