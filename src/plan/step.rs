//! Every effect there is, and the decision that leads to it.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    name::{ClusterId, MemberId, MemberName},
    version::Minor,
    world::{Admission, Recipe},
};

/// One effect on the platform or on etcd. There are no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make a place for a new member: a name, addresses, an empty place for data. It does not start yet.
    Reserve {
        /// The name it gets.
        name: MemberName,
        /// The serial of that name, written down first so that the name never comes back.
        serial: u64,
        /// What it is made from.
        recipe: Box<Recipe>,
        /// What it is told at once, where the addresses of members are known before their places are.
        admission: Option<Admission>,
    },
    /// Make a member of a volume that a former cluster of this name left.
    TakeUp {
        /// Its name, that of the volume.
        name: MemberName,
        /// Whether it goes on alone, because no other volume is left: it forgets the other members at its next start.
        alone: bool,
    },
    /// Tell a reserved member how it enters the cluster; it may start then.
    Admit {
        /// Which one.
        name: MemberName,
        /// What it is told.
        admission: Admission,
    },
    /// Start a member's process, on the data it has.
    Start {
        /// Which one.
        name: MemberName,
        /// Whether it compares its data with its peers' before it serves.
        check: bool,
    },
    /// Write down that the cluster formed. Clients are let in after this.
    RecordFormed {
        /// The ID it has.
        cluster_id: ClusterId,
    },
    /// Ask etcd to add a learner.
    AddLearner {
        /// The member it will be.
        name: MemberName,
        /// By which it is known until it starts.
        peer_url: String,
    },
    /// Ask etcd to make a learner a voter.
    Promote {
        /// The member's name.
        name: MemberName,
        /// Its ID.
        id: MemberId,
    },
    /// Tell clients to leave a member.
    Drain {
        /// Which one.
        name: MemberName,
    },
    /// Tell clients that a member is there again.
    Undrain {
        /// Which one.
        name: MemberName,
    },
    /// Ask the leader to hand over.
    MoveLeader {
        /// The leader.
        from: MemberId,
        /// The voter that shall lead.
        to: MemberId,
        /// Its name.
        to_name: MemberName,
    },
    /// Ask etcd to remove a member.
    Remove {
        /// Its ID.
        id: MemberId,
        /// Its name; empty when it never had one.
        name: String,
    },
    /// Stop a member's process and keep its data.
    Stop {
        /// Which one.
        name: MemberName,
    },
    /// Make a member anew from another recipe, on the data it has. Its process ends, if it runs.
    Renew {
        /// Which one.
        name: MemberName,
        /// What it is made from, from now on.
        recipe: Box<Recipe>,
    },
    /// Take a snapshot of the data and keep it, before the first member changes its minor version.
    Snapshot {
        /// The member that is asked for it.
        name: MemberName,
        /// The minor version that the cluster is about to get.
        to: Minor,
    },
    /// Ask etcd to bring the cluster version, and with it the form of the data, one minor version down.
    EnableDowngrade {
        /// To which one.
        to: Minor,
    },
    /// Ask etcd to give up a downgrade that was enabled.
    CancelDowngrade,
    /// Delete a member with its data. Only after etcd confirmed that it is not a member, or before the cluster formed.
    Discard {
        /// Which one.
        name: MemberName,
    },
}

impl Step {
    /// A short, stable name: a metric's label and a log field.
    pub fn kind(&self) -> &'static str {
        match self {
            Step::Reserve { .. } => "Reserve",
            Step::TakeUp { .. } => "TakeUp",
            Step::Admit { .. } => "Admit",
            Step::Start { .. } => "Start",
            Step::RecordFormed { .. } => "RecordFormed",
            Step::AddLearner { .. } => "AddLearner",
            Step::Promote { .. } => "Promote",
            Step::Drain { .. } => "Drain",
            Step::Undrain { .. } => "Undrain",
            Step::MoveLeader { .. } => "MoveLeader",
            Step::Remove { .. } => "Remove",
            Step::Stop { .. } => "Stop",
            Step::Renew { .. } => "Renew",
            Step::Snapshot { .. } => "Snapshot",
            Step::EnableDowngrade { .. } => "EnableDowngrade",
            Step::CancelDowngrade => "CancelDowngrade",
            Step::Discard { .. } => "Discard",
        }
    }

    /// The member it is about, as people call it.
    pub fn member(&self) -> &str {
        match self {
            Step::Reserve { name, .. }
            | Step::TakeUp { name, .. }
            | Step::Admit { name, .. }
            | Step::Start { name, .. }
            | Step::AddLearner { name, .. }
            | Step::Promote { name, .. }
            | Step::Drain { name }
            | Step::Undrain { name }
            | Step::MoveLeader { to_name: name, .. }
            | Step::Stop { name }
            | Step::Renew { name, .. }
            | Step::Snapshot { name, .. }
            | Step::Discard { name } => &name.0,
            Step::Remove { name, .. } => name,
            Step::RecordFormed { .. } | Step::EnableDowngrade { .. } | Step::CancelDowngrade => "",
        }
    }
}

/// What a person would call the work in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// The first members form the cluster.
    Bootstrap,
    /// A member joins.
    ScaleOut,
    /// A member leaves because fewer are wanted.
    ScaleIn,
    /// A member leaves so that another can take its place.
    Replace,
    /// A member is restarted because a person asked for it.
    Restart,
    /// Members are changed one by one, because the spec changed.
    Roll,
    /// Members get a newer version one by one.
    Upgrade,
    /// Members get an older version one by one.
    Downgrade,
    /// A member that ended is started again.
    Recover,
}

impl OperationKind {
    /// Its name in the status.
    pub fn name(self) -> &'static str {
        match self {
            OperationKind::Bootstrap => "Bootstrap",
            OperationKind::ScaleOut => "ScaleOut",
            OperationKind::ScaleIn => "ScaleIn",
            OperationKind::Replace => "Replace",
            OperationKind::Restart => "Restart",
            OperationKind::Roll => "Roll",
            OperationKind::Upgrade => "Upgrade",
            OperationKind::Downgrade => "Downgrade",
            OperationKind::Recover => "Recover",
        }
    }
}

/// The work in progress: what the status shows as `operation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// What kind of work.
    pub kind: OperationKind,
    /// The member it is about.
    pub member: Option<MemberName>,
    /// Since when, as far as it can be observed.
    pub since: Option<Timestamp>,
}

/// What to do now, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Carry these steps out, in order, and stop at the first that fails. At most one of them disrupts.
    Act {
        /// The steps.
        steps: Vec<Step>,
        /// The work they belong to.
        operation: Operation,
        /// Why, in words.
        reason: String,
    },
    /// Do nothing now.
    Wait {
        /// The work that waits, if any is in progress.
        operation: Option<Operation>,
        /// What it waits for, in words.
        reason: String,
        /// When to look again at the latest.
        again: Duration,
    },
    /// Everything is as wanted.
    Settled,
}

impl Decision {
    /// The steps to carry out.
    pub fn steps(&self) -> &[Step] {
        match self {
            Decision::Act { steps, .. } => steps,
            _ => &[],
        }
    }

    /// The work in progress.
    pub fn operation(&self) -> Option<&Operation> {
        match self {
            Decision::Act { operation, .. } => Some(operation),
            Decision::Wait { operation, .. } => operation.as_ref(),
            Decision::Settled => None,
        }
    }

    /// Why, in words.
    pub fn reason(&self) -> &str {
        match self {
            Decision::Act { reason, .. } | Decision::Wait { reason, .. } => reason,
            Decision::Settled => "everything is as wanted",
        }
    }
}
