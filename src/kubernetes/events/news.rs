//! What is worth telling of a pass. Pure: two statuses, the decision and what became of its steps go in.
//!
//! Told are acts, steps that failed, and conditions that changed to what a person wants to know. Progress is in the status.

use crate::{
    engine::Outcome,
    plan::{
        Decision, OperationKind, Step,
        status::{ClusterStatus, Condition},
    },
};

/// The reason of `Degraded` when members are down or not up yet.
const MEMBERS_UNHEALTHY: &str = "MembersUnhealthy";
/// The reason of conditions when the cluster could not be looked at.
const NOT_OBSERVED: &str = "NotObserved";

/// How serious news are: the `type` of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Somebody may like to know.
    Normal,
    /// Somebody may have to do something.
    Warning,
}

impl Kind {
    /// Its name in an Event.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Normal => "Normal",
            Kind::Warning => "Warning",
        }
    }
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct News {
    /// How serious it is.
    pub kind: Kind,
    /// One word that programs may rely on.
    pub reason: String,
    /// A sentence for people.
    pub note: String,
    /// The step or the condition it is about.
    pub action: String,
}

/// What has been told of a cluster, so that nothing is told twice. Only words depend on it.
#[derive(Debug, Default)]
pub struct Told {
    looked: bool,
    /// Whether it was told that the cluster begins to form.
    begun: bool,
    /// Whether all members were ready once: until then, members that do not serve yet are no news.
    settled: bool,
    degraded: bool,
    failure: Option<String>,
}

impl Told {
    /// What to tell of a pass that led from one status to the next. `outcomes` has the steps that were tried.
    pub fn news(
        &mut self,
        previous: Option<&ClusterStatus>,
        status: &ClusterStatus,
        decision: &Decision,
        outcomes: &[Outcome],
    ) -> Vec<News> {
        if !std::mem::replace(&mut self.looked, true) {
            self.remember(previous);
        }
        let mut news: Vec<_> = self.act(decision, outcomes).into_iter().collect();
        news.extend(self.failure(outcomes));
        for kind in ["QuorumLost", "Available", "Degraded", "CertificatesReady", "SpecApplied", "Paused"] {
            let before = previous.and_then(|status| status.condition(kind));
            let told = status.condition(kind).and_then(|now| self.condition(before, now, decision));
            // The loss of the quorum shows in three conditions, and is told once.
            news.extend(told.filter(|one| news.iter().all(|other| other.reason != one.reason)));
        }
        self.settled |= status.is("Ready");
        news
    }

    /// What an operator before this one has told, as far as the status shows.
    fn remember(&mut self, previous: Option<&ClusterStatus>) {
        let Some(status) = previous else { return };
        let forming =
            status.operation.as_ref().is_some_and(|one| one.kind == OperationKind::Bootstrap.name());
        self.settled = status.cluster_id.is_some();
        self.begun = forming || self.settled;
        self.degraded = self.settled && status.is("Degraded");
    }

    fn act(&mut self, decision: &Decision, outcomes: &[Outcome]) -> Option<News> {
        let operation = decision.operation()?.kind;
        let mut steps = outcomes.iter().filter(|one| one.error.is_none()).map(|one| &one.step).peekable();
        steps.peek()?;
        let told: Vec<_> = steps.filter(|step| tells(operation, step)).collect();
        let first = !std::mem::replace(&mut self.begun, true) && operation == OperationKind::Bootstrap;
        if told.is_empty() && !first {
            return None;
        }
        let failed = outcomes.iter().find_map(|one| one.error.as_deref());
        // What failed is told beside it.
        let reason = failed.and_then(|error| decision.reason().strip_suffix(error)?.strip_suffix("; "));
        let mut note = reason.unwrap_or(decision.reason()).to_owned();
        if !told.is_empty() {
            let steps: Vec<_> = told
                .iter()
                .map(|step| format!("{} {}", step.kind(), step.member()).trim_end().to_owned())
                .collect();
            note = format!("{note} ({})", steps.join(", "));
        }
        let kind = match operation {
            // An attempt to form the cluster was given up.
            OperationKind::Bootstrap if told.iter().any(|step| matches!(step, Step::Discard { .. })) => {
                Kind::Warning
            }
            _ => Kind::Normal,
        };
        let action = told.first().map_or(operation.name(), |step| step.kind());
        Some(News { kind, reason: operation.name().into(), note, action: action.into() })
    }

    fn failure(&mut self, outcomes: &[Outcome]) -> Option<News> {
        let Some((step, error)) = outcomes.iter().find_map(|one| Some((&one.step, one.error.as_ref()?)))
        else {
            if !outcomes.is_empty() {
                self.failure = None;
            }
            return None;
        };
        let note = format!("{} {}: {error}", step.kind(), step.member());
        if self.failure.as_ref() == Some(&note) {
            return None;
        }
        self.failure = Some(note.clone());
        let reason = format!("{}Failed", step.kind());
        Some(News { kind: Kind::Warning, reason, note, action: step.kind().into() })
    }

    fn condition(
        &mut self,
        before: Option<&Condition>,
        now: &Condition,
        decision: &Decision,
    ) -> Option<News> {
        if before.is_some_and(|old| old.status == now.status && old.reason == now.reason) {
            return None;
        }
        let was = |status| before.is_some_and(|old| old.status == status);
        let blind = before.is_some_and(|old| old.reason == NOT_OBSERVED);
        let restarting = decision.operation().is_some_and(|one| one.kind == OperationKind::Restart);
        let kind = match (&*now.kind, &*now.status) {
            ("QuorumLost", "True") => Kind::Warning,
            ("QuorumLost", "False") if was("True") => Kind::Normal,
            ("Available", "True") if !blind => Kind::Normal,
            ("Available", "False") if self.settled => Kind::Warning,
            ("Degraded", "True") => {
                if now.reason == MEMBERS_UNHEALTHY && (restarting || !self.settled) {
                    return None;
                }
                self.degraded = true;
                Kind::Warning
            }
            ("Degraded", "False") if std::mem::take(&mut self.degraded) => Kind::Normal,
            ("CertificatesReady", "False") => Kind::Warning,
            ("CertificatesReady", "True") if was("False") => Kind::Normal,
            ("SpecApplied", "False") => Kind::Warning,
            ("SpecApplied", "True") if was("False") => Kind::Normal,
            ("Paused", "True") => Kind::Normal,
            ("Paused", "False") if was("True") => Kind::Normal,
            _ => return None,
        };
        let (reason, note, action) = (now.reason.clone(), now.message.clone(), now.kind.clone());
        Some(News { kind, reason, note, action })
    }
}

/// Whether a step is an act of its own, and not the preparation of one.
fn tells(operation: OperationKind, step: &Step) -> bool {
    match step {
        Step::AddLearner { .. }
        | Step::Promote { .. }
        | Step::MoveLeader { .. }
        | Step::Remove { .. }
        | Step::Stop { .. }
        | Step::Renew { .. }
        | Step::Snapshot { .. }
        | Step::EnableDowngrade { .. }
        | Step::CancelDowngrade
        | Step::AddAuthority { .. }
        | Step::UseAuthority { .. }
        | Step::DropAuthority { .. }
        | Step::UpdatePeerUrl { .. }
        | Step::TakeUp { .. }
        | Step::Discard { .. } => true,
        Step::Start { .. } => matches!(operation, OperationKind::Recover | OperationKind::Restart),
        Step::Reserve { .. }
        | Step::Admit { .. }
        | Step::RecordFormed { .. }
        | Step::Drain { .. }
        | Step::Undrain { .. } => false,
    }
}
