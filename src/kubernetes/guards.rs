//! Talking to the guards in the members' Pods.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use jiff::Timestamp;

use super::views::PodView;
use crate::{
    etcd::http::{Fault, Http},
    member::guard::words::{GUARD_PORT, GuardState, Start, TakeSnapshot},
    plan::{Admission, Scheme, version::Minor},
};

/// How long a guard may take to answer. It only looks at two files.
const DEADLINE: Duration = Duration::from_millis(800);

/// Why a guard was not told.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// It did not answer.
    #[error("the guard of member {member} did not answer: {source}")]
    Silent {
        /// Which member.
        member: String,
        /// Why.
        #[source]
        source: Fault,
    },
    /// It refused.
    #[error("the guard of member {member} refused ({what}): {why}")]
    Refused {
        /// Which member.
        member: String,
        /// What it was asked for.
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// It came with an operator that did not ask for this yet.
    #[error(
        "the guard of member {0} is too old for this; give the member a new Pod with `quorate restart {0}`"
    )]
    Older(String),
    /// It has no address.
    #[error("member {0} has no Pod with an address yet")]
    NoAddress(String),
}

/// `http://address:port`, with brackets around an IPv6 address.
pub fn url(scheme: Scheme, address: &str, port: u16) -> String {
    let scheme = scheme.name();
    match address.parse() {
        Ok(IpAddr::V6(_)) => format!("{scheme}://[{address}]:{port}"),
        _ => format!("{scheme}://{address}:{port}"),
    }
}

/// What guards are asked and told with.
#[derive(Debug)]
pub struct Guards {
    once: Http,
    kept: Http,
    keep: AtomicBool,
}

impl Default for Guards {
    fn default() -> Self {
        Self { once: Http::new(), kept: Http::keeping(), keep: AtomicBool::new(false) }
    }
}

impl Guards {
    /// Whether connections are kept for the next time that a guard is asked.
    pub fn keep(&self, keep: bool) {
        self.keep.store(keep, Ordering::Relaxed);
    }

    /// What the guard in a Pod says; `None` when it does not answer, or not in words that are known.
    pub async fn state(&self, pod: &PodView) -> Option<GuardState> {
        self.ask(pod).await.map(|(state, _)| state)
    }

    /// The same, with the time that it was there then.
    pub async fn ask(&self, pod: &PodView) -> Option<(GuardState, Option<Timestamp>)> {
        let address = pod.address.as_ref().filter(|_| pod.container.running.is_some())?;
        let http = if self.keep.load(Ordering::Relaxed) { &self.kept } else { &self.once };
        let reply =
            http.get(&format!("{}/state", url(Scheme::Http, address, GUARD_PORT)), DEADLINE).await.ok()?;
        let state = (reply.status == 200).then(|| serde_json::from_slice(&reply.body).ok()).flatten()?;
        Some((state, reply.date))
    }

    /// Gives the word to start for the first time.
    ///
    /// # Errors
    /// When the guard can't be reached, or has a reason against it.
    pub async fn start(
        &self,
        pod: Option<&PodView>,
        name: &str,
        uid: &str,
        admission: &Admission,
    ) -> Result<(), GuardError> {
        let body = serde_json::to_vec(&Start { admission: admission.clone() }).unwrap_or_default();
        self.tell(pod, name, uid, "start", body).await
    }

    /// Has a snapshot of the data taken and kept on the member's volume.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn snapshot(
        &self,
        pod: Option<&PodView>,
        name: &str,
        uid: &str,
        to: Minor,
    ) -> Result<(), GuardError> {
        let body = serde_json::to_vec(&TakeSnapshot { to }).unwrap_or_default();
        self.tell(pod, name, uid, "snapshot", body).await
    }

    async fn tell(
        &self,
        pod: Option<&PodView>,
        name: &str,
        uid: &str,
        what: &'static str,
        body: Vec<u8>,
    ) -> Result<(), GuardError> {
        let address =
            pod.and_then(|pod| pod.address.as_ref()).ok_or_else(|| GuardError::NoAddress(name.to_owned()))?;
        let reply = self
            .once
            .post(&format!("{}/{what}", url(Scheme::Http, address, GUARD_PORT)), uid, body, DEADLINE)
            .await
            .map_err(|source| GuardError::Silent { member: name.to_owned(), source })?;
        match reply.status {
            200..=299 => Ok(()),
            404 => Err(GuardError::Older(name.to_owned())),
            _ => Err(GuardError::Refused {
                member: name.to_owned(),
                what,
                why: String::from_utf8_lossy(&reply.body).into_owned(),
            }),
        }
    }
}
