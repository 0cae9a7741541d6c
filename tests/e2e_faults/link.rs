//! The way of one life of the operator to the API server.

use std::{
    collections::BTreeSet,
    panic::resume_unwind,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{body::Body, response::Response};
use http_body_util::BodyExt;
use hyper::http::header;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    script::{Call, Dice, Fault, Lists, Script},
    watches,
};

pub type Answer = kube::Result<Response<kube::client::Body>>;

/// Changes while calls are on their way.
#[derive(Debug)]
struct State {
    script: Script,
    dice: Dice,
    pid: Option<u32>,
    /// The writes that came in.
    writes: usize,
    /// Those of them that the server has not answered yet.
    underway: usize,
    carried_out: Vec<String>,
    faults: usize,
    dead: bool,
    recorded: Lists,
    /// The watches that are still to be told that what they follow is too old.
    expired: BTreeSet<String>,
    followed: BTreeSet<String>,
}

#[derive(Debug)]
pub struct Link(Mutex<State>);

/// What is to be done about a call, decided at once for those that come in together.
enum Fate {
    Pass,
    Recorded(Vec<u8>),
    Meet(Fault),
    Expired,
    Never,
    /// Whether it is carried out before.
    Die(bool),
}

impl Link {
    pub fn new(seed: u64, script: Script) -> Self {
        let state = State {
            script,
            dice: Dice(seed),
            pid: None,
            writes: 0,
            underway: 0,
            carried_out: Vec::new(),
            faults: 0,
            dead: false,
            recorded: Lists::new(),
            expired: BTreeSet::new(),
            followed: BTreeSet::new(),
        };
        Self(Mutex::new(state))
    }

    /// Whom to kill.
    pub fn of(&self, pid: u32) {
        self.0.lock().unwrap().pid = Some(pid);
    }

    /// The writes that were carried out.
    pub fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().carried_out.clone()
    }

    /// How many calls met a fault.
    pub fn faults(&self) -> usize {
        self.0.lock().unwrap().faults
    }

    /// What its lists were answered.
    pub fn recorded(&self) -> Lists {
        self.0.lock().unwrap().recorded.clone()
    }

    /// From now on everything gets through. Whoever watches is told to list anew, as an API server tells whoever may
    /// have missed something.
    pub fn calm(&self) {
        let mut state = self.0.lock().unwrap();
        state.script = Script::default();
        state.expired = state.followed.clone();
    }

    /// From now on nothing gets through, and nothing is answered.
    pub fn cut_off(&self) {
        self.0.lock().unwrap().dead = true;
    }

    fn fate(&self, call: &Call) -> Fate {
        let mut state = self.0.lock().unwrap();
        let state = &mut *state;
        if state.dead {
            return Fate::Never;
        }
        if call.watches() {
            let kind = call.path.split('?').next().unwrap_or_default().to_owned();
            state.followed.insert(kind.clone());
            return if state.expired.remove(&kind) { Fate::Expired } else { Fate::Pass };
        }
        if call.lists()
            && let Some(old) = state.script.stale.remove(&call.path)
        {
            return Fate::Recorded(old);
        }
        if call.writes() {
            state.writes += 1;
            match state.script.kill {
                Some(kill) if kill.at == state.writes => {
                    // Nothing of this life is carried out from here on, but this one.
                    state.dead = true;
                    return Fate::Die(kill.carried_out);
                }
                _ => {}
            }
            if state.script.lost == Some(state.writes) {
                return Fate::Meet(Fault::Cut(true));
            }
        }
        if state.dice.below(100) < state.script.faults {
            state.faults += 1;
            return Fate::Meet(Fault::any(&mut state.dice, call.writes()));
        }
        Fate::Pass
    }

    /// Lets a call meet its fate.
    pub async fn carry(self: Arc<Self>, call: Call, answer: impl Future<Output = Answer> + Send) -> Response {
        match self.fate(&call) {
            Fate::Pass => self.pass(&call, answer).await,
            Fate::Recorded(old) => json(200, old),
            Fate::Expired => status(410),
            Fate::Never => std::future::pending().await,
            Fate::Die(first) => {
                // Two writes may come in together, and the one before this one counts as carried out.
                while self.0.lock().unwrap().underway > 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                if first {
                    self.pass(&call, answer).await;
                }
                let pid = self.0.lock().unwrap().pid.expect("a life that writes has begun");
                // Two writes that came in together both end the life: the second finds nobody.
                let _ = kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL);
                std::future::pending().await
            }
            Fate::Meet(fault) => {
                let (Fault::Answer(_, first) | Fault::Cut(first) | Fault::Silence(first)) = fault;
                if first {
                    self.pass(&call, answer).await;
                }
                match fault {
                    Fault::Answer(code, _) => status(code),
                    Fault::Cut(_) => cut(),
                    Fault::Silence(_) => std::future::pending().await,
                }
            }
        }
    }

    async fn pass(&self, call: &Call, answer: impl Future<Output = Answer>) -> Response {
        self.0.lock().unwrap().underway += usize::from(call.writes());
        let answer = answer.await;
        self.0.lock().unwrap().underway -= usize::from(call.writes());
        let Ok(answer) = answer else { cut() };
        let (mut parts, body) = answer.into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::TRANSFER_ENCODING);
        if call.watches() {
            let (watches, dice) = {
                let mut state = self.0.lock().unwrap();
                (state.script.watches, Dice(state.dice.below(u64::MAX)))
            };
            return Response::from_parts(parts, watches::follow(body, watches, dice));
        }
        let Ok(body) = body.collect().await else { cut() };
        let body = body.to_bytes();
        let mut state = self.0.lock().unwrap();
        if call.writes() && parts.status.is_success() {
            let path = call.path.split('?').next().unwrap_or_default();
            state.carried_out.push(format!("{} {path}", call.method));
        }
        if call.lists() && parts.status.is_success() {
            state.recorded.insert(call.path.clone(), body.to_vec());
        }
        Response::from_parts(parts, Body::from(body))
    }
}

/// Ends the connection without a word: its task unwinds, and no hook prints anything about it.
fn cut() -> ! {
    resume_unwind(Box::new("the connection is cut"))
}

fn status(code: u16) -> Response {
    let reason = match code {
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        500 => "InternalError",
        _ => "ServiceUnavailable",
    };
    let text = format!(
        r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"a fault of the test","reason":"{reason}","code":{code}}}"#
    );
    json(code, text.into_bytes())
}

fn json(code: u16, body: Vec<u8>) -> Response {
    let mut answer = Response::builder().status(code).header(header::CONTENT_TYPE, "application/json");
    if code == 429 {
        answer = answer.header(header::RETRY_AFTER, "1");
    }
    answer.body(Body::from(body)).unwrap()
}
