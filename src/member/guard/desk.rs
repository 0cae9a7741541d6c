//! What the guard knows now, between those who ask at its port and the work it does.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::{
    certificates,
    judge::{Facts, Owner, Peers, Verdict, VolumeMark, judge},
    places::Places,
    words::{Assignment, GuardState, Phase, Start},
};
use crate::{
    etcd::Credentials,
    member::Snapshots,
    plan::{Admission, Peer},
    process::files::FileError,
};

/// How long a member that knows how to enter the cluster waits for the word: the operator may be down.
const ALONE: Duration = Duration::from_secs(15);

/// What the guard knows now.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) assignment: Assignment,
    pub(super) places: Places,
    /// The folder of the member's certificates.
    certificates: PathBuf,
    pub(super) snapshots: Arc<Snapshots>,
    began: Instant,
    now: Mutex<Now>,
    /// Rung when somebody told something new.
    changed: Notify,
}

#[derive(Debug)]
struct Now {
    phase: Phase,
    why: Option<String>,
    since: Option<Timestamp>,
    admission: Option<Admission>,
    word: bool,
    /// Whether its peers said that it was started once.
    heard_started: bool,
}

/// Why the word was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Objection {
    /// It is not for this member.
    #[error("{0}")]
    Nonsense(String),
    /// It comes at the wrong time.
    #[error("{0}")]
    TooLate(String),
    /// It could not be kept.
    #[error(transparent)]
    NotKept(#[from] FileError),
}

impl Desk {
    pub(super) fn new(assignment: Assignment, places: Places, certificates: PathBuf) -> Self {
        // What was told later than the Pod was made is newer, and came with the word.
        let saved = places.saved_admission();
        let now = Now {
            phase: Phase::Waiting,
            why: None,
            since: None,
            word: saved.is_some(),
            admission: saved.or_else(|| assignment.admission.clone()),
            heard_started: false,
        };
        let snapshots = Arc::new(Snapshots::new(places.snapshots()));
        Self {
            assignment,
            places,
            certificates,
            snapshots,
            began: Instant::now(),
            now: Mutex::new(now),
            changed: Notify::new(),
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges whether etcd may be started, with what the peers said.
    pub(super) fn judge(&self, peers: Peers) -> Verdict {
        let mut now = self.now();
        now.heard_started |= peers == Peers::Started;
        if !now.word && now.admission.is_some() && self.began.elapsed() >= ALONE {
            now.word = true;
            tracing::info!("nobody said within {} s that it may start, so it goes on alone", ALONE.as_secs());
        }
        judge(&Facts {
            name: &self.assignment.name,
            uid: &self.assignment.uid,
            admission: now.admission.as_ref().map(|one| one.state),
            told_started: self.assignment.started,
            pod_mark: self.places.started_in_pod(),
            owner: self.places.owner(),
            present: self.places.present(),
            peers,
            word: now.word,
        })
    }

    /// Why etcd can't be started with the member's certificates that are there now.
    pub(super) fn certificates_due(&self) -> Result<(), String> {
        certificates::check(&self.assignment, &self.certificates, Timestamp::now())
    }

    /// How the guard talks to members now.
    pub(super) fn credentials(&self) -> Credentials {
        match self.assignment.transport.is_default() {
            true => Credentials::default(),
            false => certificates::credentials(&self.assignment, &self.certificates),
        }
    }

    /// The folder of the member's certificates.
    pub(super) fn certificates(&self) -> &Path {
        &self.certificates
    }

    /// How the member enters the cluster, as far as that is known.
    pub(super) fn admission(&self) -> Option<Admission> {
        self.now().admission.clone()
    }

    /// The mark of this member's volume.
    pub(super) fn mark(&self) -> VolumeMark {
        let Assignment { name, uid, .. } = &self.assignment;
        VolumeMark { name: name.clone(), uid: uid.clone(), started: true }
    }

    /// Shows what the guard does; says so in the log when it changes.
    pub(super) fn show(&self, phase: Phase, why: Option<String>) {
        let mut now = self.now();
        if (now.phase, &now.why) != (phase, &why) {
            let name = &self.assignment.name;
            match (phase, &why) {
                (Phase::Refused, Some(why)) => tracing::error!(member = %name, "etcd is not started: {why}"),
                (_, Some(why)) => tracing::info!(member = %name, ?phase, "{why}"),
                (_, None) => tracing::info!(member = %name, ?phase, "goes on"),
            }
        }
        if phase == Phase::Running {
            now.since = Some(Timestamp::now());
        }
        (now.phase, now.why) = (phase, why);
    }

    /// What the guard does and sees.
    pub(super) fn state(&self) -> GuardState {
        let marked = matches!(self.places.owner(), Owner::Marked(mark) if mark == self.mark());
        let now = self.now();
        GuardState {
            phase: now.phase,
            why: now.why.clone(),
            unfit: (now.phase == Phase::Waiting).then(|| self.certificates_due().err()).flatten(),
            started: self.assignment.started || now.heard_started || marked || self.places.started_in_pod(),
            present: self.places.present(),
            since: now.since,
            told: now.admission.clone().filter(|_| now.word),
            snapshots: self.snapshots.seen(),
        }
    }

    /// Takes the word to start for the first time; the same word again is no error.
    pub(super) fn take(&self, start: Start) -> Result<(), Objection> {
        let Assignment { name, peer_url, .. } = &self.assignment;
        let admission = start.admission;
        let own = |peer: &Peer| peer.name == name.0 && self.assignment.is_at(&peer.url);
        if !admission.initial_cluster.iter().any(own) {
            return Err(Objection::Nonsense(format!(
                "the initial cluster does not name member {name} with its peer URL {peer_url}"
            )));
        }
        let mut now = self.now();
        let same = now.admission.as_ref() == Some(&admission);
        let too_late = |why: &str| Err(Objection::TooLate(format!("member {name} {why}")));
        match now.phase {
            Phase::Waiting | Phase::Resolving if same && now.word => return Ok(()),
            Phase::Waiting | Phase::Resolving => {}
            Phase::Running if same => return Ok(()),
            Phase::Running => {
                return too_late("runs already and was told otherwise how it enters the cluster");
            }
            Phase::Stopping => return too_late("is being stopped"),
            Phase::Refused => {
                return too_late(&format!("is not started: {}", now.why.as_deref().unwrap_or_default()));
            }
        }
        self.places.save_admission(&admission)?;
        now.admission = Some(admission);
        now.word = true;
        self.changed.notify_one();
        Ok(())
    }

    /// Ready once somebody told something new.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{ClusterState, MemberName};

    fn desk(folder: &std::path::Path, admission: Option<Admission>) -> Desk {
        let assignment = Assignment {
            name: MemberName("demo-a".into()),
            uid: "u-1".into(),
            version: "3.6.16".parse().unwrap(),
            options: Default::default(),
            transport: Default::default(),
            peer_url: "http://a:2380".into(),
            second_peer_url: None,
            client_url: "http://a:2379".into(),
            peers: "demo".into(),
            admission,
            started: false,
            alone: false,
        };
        Desk::new(assignment, Places::new(folder, folder), folder.to_owned())
    }

    fn admission(token: &str) -> Admission {
        let peer = Peer { name: "demo-a".into(), url: "http://a:2380".into() };
        Admission { state: ClusterState::New, initial_cluster: vec![peer], token: token.into(), id: None }
    }

    #[test]
    fn it_goes_on_alone_when_nobody_gives_the_word() {
        let folder = tempfile::tempdir().unwrap();
        for (admission, waited, expected) in [
            (Some(admission("t")), Duration::ZERO, false),
            (Some(admission("t")), ALONE, true),
            (None, ALONE, false),
        ] {
            let mut desk = desk(folder.path(), admission);
            desk.began = Instant::now().checked_sub(waited).unwrap();
            assert_eq!(desk.judge(Peers::NotAsked) == Verdict::Ask, expected, "{waited:?}");
        }
    }

    #[test]
    fn the_word_outlives_the_process_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let first = desk(folder.path(), Some(admission("made")));
        assert_eq!(first.admission(), Some(admission("made")));
        assert!(matches!(first.judge(Peers::NotAsked), Verdict::Wait(_)));
        for token in ["told", "told again", "told again"] {
            first.take(Start { admission: admission(token) }).unwrap();
        }
        let second = desk(folder.path(), Some(admission("made")));
        assert_eq!(second.admission(), Some(admission("told again")));
        assert_eq!(second.judge(Peers::NotAsked), Verdict::Ask);
    }

    #[test]
    fn the_word_is_taken_only_before_the_start() {
        for (phase, same, other) in [
            (Phase::Waiting, true, true),
            (Phase::Resolving, true, true),
            (Phase::Running, true, false),
            (Phase::Refused, false, false),
            (Phase::Stopping, false, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let desk = desk(folder.path(), Some(admission("t")));
            desk.show(phase, None);
            let take = |token| desk.take(Start { admission: admission(token) });
            assert_eq!(take("t").is_ok(), same, "{phase:?}");
            assert_eq!(take("u").is_ok(), other, "{phase:?}");
        }
    }

    #[test]
    fn a_word_that_cannot_be_kept_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(&folder.path().join("missing"), None);
        let taken = desk.take(Start { admission: admission("t") });
        assert!(matches!(taken, Err(Objection::NotKept(_))), "{taken:?}");
        assert_eq!(desk.admission(), None);
    }

    #[test]
    fn what_the_peers_said_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let desk = desk(folder.path(), None);
        assert!(!desk.state().started);
        assert!(matches!(desk.judge(Peers::Started), Verdict::Refuse(_)));
        assert!(desk.state().started);
    }
}
