//! Rules of the plan, each broken alone by distorting what it is shown or what it answers: does an invariant notice?

mod versions;

use jiff::Timestamp;
use quorate::plan::{
    ClusterState, Decision, Incarnation, Listed, Membership, OperationKind, Process, Recipe, Report, Scheme,
    Side, Sides, Step, Transport, World, certificates::Source, transport::Listen,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    GateOff,
    GuardOff,
    GuardOffUnseen,
    NotFormed,
    NewAfterFormed,
    DrainSwallowed,
    DrainNotWaitedFor,
    LearnerHidden,
    LostAddForgotten,
    PromoteAtOnce,
    WipeBeforeReadBack,
    SerialReused,
    DeadTakenForRemoved,
    AddBeforeRemove,
    HearsayTrusted,
    TwoAtOnce,
    LeaderMistaken,
    NoPause,
    PausedIgnored,
    RemoveSwallowed,
    DiscardSwallowed,
    RecordSwallowed,
    LossOfMajorityUnseen,
    ChangeWhileLearning,
    RenewSwallowed,
    StartedOnTheNewSpec,
    TimesAtOnce,
    JoinedOnTheNewSpec,
    MisplacedUnseen,
    RoundSkipped,
    UrlBeforeAllListen,
    JoinedInPlainText,
    UsedBeforeAllTrust,
    DroppedBeforeReissued,
    SpreadNotWaitedFor,
    MissingSecretUnseen,
    TrustReplaced,
    ClientRoundSkipped,
    LeavesNotRenewed,
    AuthorityNeverDue,
    SnapshotNotWaitedFor,
    RaftSnapshotsUnseen,
    DowngradeNotEnabled,
    DowngradeForgotten,
    RefusalIgnored,
    JoinedInNewVersion,
}

/// Each mutation, and an invariant that has to notice; the same table is in `docs/simulator.md`.
pub const TABLE: &[(Mutation, &str)] = &[
    (Mutation::GateOff, "the rest is a quorum"),
    (Mutation::GuardOff, "no start on an emptied folder"),
    (Mutation::GuardOffUnseen, "acknowledged write lost"),
    (Mutation::NewAfterFormed, "state new only before the cluster formed"),
    (Mutation::NotFormed, "wiped only after the removal was read back"),
    (Mutation::DrainSwallowed, "comes to rest when faults stop"),
    (Mutation::DrainNotWaitedFor, "clients are told first"),
    (Mutation::LearnerHidden, "one learner"),
    (Mutation::LostAddForgotten, "one learner"),
    (Mutation::PromoteAtOnce, "promoted only when caught up"),
    (Mutation::WipeBeforeReadBack, "wiped only after the removal was read back"),
    (Mutation::SerialReused, "names are never used again"),
    (Mutation::DeadTakenForRemoved, "wiped only after the removal was read back"),
    (Mutation::AddBeforeRemove, "comes to rest when faults stop"),
    (Mutation::HearsayTrusted, "unconfirmed list"),
    (Mutation::TwoAtOnce, "one disruptive step"),
    (Mutation::LeaderMistaken, "leadership is handed over first"),
    (Mutation::NoPause, "a pause between two"),
    (Mutation::PausedIgnored, "paused"),
    (Mutation::RemoveSwallowed, "comes to rest when faults stop"),
    (Mutation::DiscardSwallowed, "comes to rest when faults stop"),
    (Mutation::RecordSwallowed, "comes to rest when faults stop"),
    (Mutation::LossOfMajorityUnseen, "hands off when a majority's data is lost"),
    (Mutation::ChangeWhileLearning, "one membership change"),
    (Mutation::RenewSwallowed, "comes to rest when faults stop"),
    (Mutation::StartedOnTheNewSpec, "a bad spec reaches one member"),
    (Mutation::TimesAtOnce, "times go together"),
    (Mutation::JoinedOnTheNewSpec, "times go together"),
    (Mutation::MisplacedUnseen, "settles only when all is as wanted"),
    (Mutation::RoundSkipped, "every listed URL has a scheme that all members have"),
    (Mutation::UrlBeforeAllListen, "every listed URL has a scheme that all members have"),
    (Mutation::JoinedInPlainText, "every listed URL has a scheme that all members have"),
    (Mutation::UsedBeforeAllTrust, "everybody trusts who signs"),
    (Mutation::DroppedBeforeReissued, "nothing is left that it signed"),
    (Mutation::SpreadNotWaitedFor, "clients get the time to fetch"),
    (Mutation::MissingSecretUnseen, "hands off while certificates are missing"),
    (Mutation::TrustReplaced, "members that are up talk to each other"),
    (Mutation::ClientRoundSkipped, "clients reach all members under one scheme"),
    (Mutation::LeavesNotRenewed, "mutually trusting healthy voters are a quorum"),
    (Mutation::AuthorityNeverDue, "mutually trusting healthy voters are a quorum"),
    (Mutation::SnapshotNotWaitedFor, "a snapshot is kept before another minor version"),
    (Mutation::RaftSnapshotsUnseen, "3.7 only after a raft snapshot under 3.6"),
    (Mutation::DowngradeNotEnabled, "a downgrade is enabled before the first goes down"),
    (Mutation::DowngradeForgotten, "nothing of a downgrade is left"),
    (Mutation::RefusalIgnored, "a refused version touches nobody"),
    (Mutation::JoinedInNewVersion, "minor versions are neighbours"),
];

impl Mutation {
    /// Whether whoever starts etcd still refuses an emptied folder by itself.
    pub fn keeps_guard(self) -> bool {
        !matches!(self, Mutation::GuardOff | Mutation::GuardOffUnseen)
    }

    /// Whether the platform still makes certificates anew.
    pub fn keeps_renewal(self) -> bool {
        self != Mutation::LeavesNotRenewed
    }

    /// Whether nobody looks at decisions and steps, so that only what becomes of the data counts.
    pub fn unseen(self) -> bool {
        self == Mutation::GuardOffUnseen
    }

    /// Distorts what the plan is shown.
    pub fn before(self, world: &mut World, now: Timestamp) {
        match self {
            Mutation::GateOff => pretend_healthy(world),
            Mutation::GuardOff | Mutation::GuardOffUnseen => {
                world.incarnations.iter_mut().for_each(|one| one.data.present |= one.data.started);
            }
            Mutation::NotFormed => world.record.cluster_id = None,
            Mutation::DrainNotWaitedFor => world.policy.drain = std::time::Duration::ZERO,
            Mutation::LearnerHidden => keep(world, |one, _| !one.learner),
            Mutation::LostAddForgotten => {
                keep(world, |one, place| {
                    !(one.name.is_empty() && place.is_some_and(|p| p.admission.is_none()))
                });
            }
            Mutation::PromoteAtOnce => pretend_learners_caught_up(world),
            Mutation::SerialReused if world.record.serial > 1 => world.record.serial -= 1,
            Mutation::DeadTakenForRemoved => {
                keep(world, |one, place| one.learner || place.is_some_and(Incarnation::running))
            }
            Mutation::HearsayTrusted => {
                if let Membership::Unknown { hearsay, .. } = &world.membership
                    && !hearsay.is_empty()
                {
                    world.membership = Membership::Known(hearsay.clone());
                }
            }
            Mutation::LeaderMistaken => mistake_leader(world),
            Mutation::NoPause => world.policy.settle = std::time::Duration::ZERO,
            Mutation::MisplacedUnseen => {
                world.incarnations.iter_mut().for_each(|one| one.misplaced = None);
            }
            Mutation::PausedIgnored => world.desired.paused = false,
            Mutation::LossOfMajorityUnseen => {
                for one in world.incarnations.iter_mut().filter(|one| one.running()) {
                    one.data.present |= one.data.started;
                }
            }
            Mutation::ChangeWhileLearning
                if world.incarnations.iter().any(|one| one.data_fault().is_some()) =>
            {
                pretend_learners_vote(world);
            }
            Mutation::UrlBeforeAllListen => {
                for one in
                    world.incarnations.iter_mut().filter(|one| one.transport.peer.listen == Listen::Plain)
                {
                    one.transport.peer.listen = Listen::Both;
                    one.second_peer_url = Some(under(&one.peer_url, Scheme::Https));
                }
            }
            Mutation::JoinedInPlainText => pretend_plain_while_joining(world),
            Mutation::UsedBeforeAllTrust => {
                for side in Side::ALL {
                    let trust = world.certificates.get(side).trusted();
                    world.incarnations.iter_mut().for_each(|one| {
                        one.transport.get_mut(side).trust.extend(trust.clone());
                    });
                }
            }
            Mutation::DroppedBeforeReissued => {
                for side in Side::ALL {
                    let certificates = world.certificates.get_mut(side);
                    let Some(issuer) = certificates.issuer.clone() else { continue };
                    certificates.leaves.iter_mut().for_each(|leaf| leaf.issuer = issuer.clone());
                }
            }
            Mutation::SpreadNotWaitedFor => world.policy.spread = std::time::Duration::ZERO,
            Mutation::MissingSecretUnseen => {
                Side::ALL.into_iter().for_each(|side| world.certificates.get_mut(side).problem = None);
            }
            Mutation::AuthorityNeverDue => {
                for side in Side::ALL {
                    let authorities = &mut world.certificates.get_mut(side).authorities;
                    authorities.iter_mut().for_each(|one| one.until = Timestamp::MAX);
                }
            }
            _ => versions::before(self, world, now),
        }
    }

    /// Distorts what the plan answers.
    pub fn after(self, decision: &mut Decision, world: &World) {
        let Decision::Act { steps, operation, .. } = decision else { return };
        match self {
            Mutation::NewAfterFormed => {
                for step in steps.iter_mut() {
                    if let Step::Admit { admission, .. } = step {
                        admission.state = ClusterState::New;
                    }
                }
            }
            Mutation::RoundSkipped => skip_round(steps, world, Side::Peer),
            Mutation::ClientRoundSkipped => skip_round(steps, world, Side::Client),
            Mutation::TrustReplaced => {
                for step in steps.iter_mut() {
                    if let Step::Renew { recipe, .. } = step
                        && let Some(newest) = world.certificates.peer.authorities.last()
                    {
                        recipe.transport.peer.trust.retain(|id| *id == newest.id);
                    }
                }
            }
            Mutation::JoinedInNewVersion => {
                for step in steps.iter_mut() {
                    if let Step::Reserve { recipe, .. } = step {
                        recipe.version = world.desired.version;
                    }
                }
            }
            Mutation::RenewSwallowed => steps.retain(|step| !matches!(step, Step::Renew { .. })),
            Mutation::TimesAtOnce => {
                for step in steps.iter_mut() {
                    if let Step::Renew { recipe, .. } = step {
                        recipe.options = world.desired.options.clone();
                    }
                }
            }
            Mutation::JoinedOnTheNewSpec => {
                for step in steps.iter_mut() {
                    if let Step::Reserve { recipe, .. } = step {
                        recipe.options = world.desired.options.clone();
                    }
                }
            }
            Mutation::StartedOnTheNewSpec => renew_before_start(steps, world),
            Mutation::DrainSwallowed => steps.retain(|step| !matches!(step, Step::Drain { .. })),
            Mutation::RemoveSwallowed => steps.retain(|step| !matches!(step, Step::Remove { .. })),
            Mutation::DiscardSwallowed => steps.retain(|step| !matches!(step, Step::Discard { .. })),
            Mutation::RecordSwallowed => steps.retain(|step| !matches!(step, Step::RecordFormed { .. })),
            Mutation::WipeBeforeReadBack => {
                if let [Step::Remove { .. }] = steps.as_slice()
                    && let Some(name) = operation.member.clone()
                {
                    steps.push(Step::Discard { name });
                }
            }
            Mutation::AddBeforeRemove if operation.kind == OperationKind::Replace => {
                for step in steps.iter_mut().filter(|step| matches!(step, Step::Remove { .. })) {
                    let serial = world.record.serial + 1;
                    let name = quorate::plan::MemberName::nth(&world.cluster, &world.uid, serial);
                    let others = world.incarnations.first().map(|one| &one.transport);
                    let recipe = recipe(world, others.unwrap_or(&Transport::default()));
                    *step = Step::Reserve { name, serial, recipe: Box::new(recipe), admission: None };
                }
            }
            Mutation::TwoAtOnce => {
                if let [Step::Stop { name } | Step::Drain { name }] = steps.as_slice() {
                    let other = world.incarnations.iter().find(|one| one.name != *name && one.running());
                    let stops: Vec<_> =
                        other.map(|one| one.name.clone()).into_iter().chain([name.clone()]).collect();
                    *steps = stops.into_iter().map(|name| Step::Stop { name }).collect();
                }
            }
            _ => {}
        }
    }
}

/// A member that is started again takes what the spec says now.
fn renew_before_start(steps: &mut Vec<Step>, world: &World) {
    let [Step::Start { name, .. }] = steps.as_slice() else { return };
    let Some(one) = world.incarnations.iter().find(|one| one.name == *name) else { return };
    let recipe = Box::new(recipe(world, &one.transport));
    steps.insert(0, Step::Renew { name: name.clone(), recipe });
}

/// The same URL under another scheme.
fn under(url: &str, scheme: Scheme) -> String {
    match scheme {
        Scheme::Http => url.replace("https", "http").replace("2383", "2380"),
        Scheme::Https if url.starts_with("https") => url.to_owned(),
        Scheme::Https => url.replace("http", "https").replace("2380", "2383"),
    }
}

/// Whoever makes a new member looks at a cluster that knows no TLS.
fn pretend_plain_while_joining(world: &mut World) {
    let Membership::Known(list) = &mut world.membership else { return };
    if list.iter().filter(|one| !one.learner).count() >= world.desired.size.get() {
        return;
    }
    list.iter_mut().flat_map(|one| &mut one.peer_urls).for_each(|url| *url = under(url, Scheme::Http));
    world.desired.tls = Sides::default();
    for one in &mut world.incarnations {
        one.transport = Transport::default();
        one.peer_url = under(&one.peer_url, Scheme::Http);
        one.second_peer_url = None;
    }
}

/// What the spec says now.
fn recipe(world: &World, transport: &Transport) -> Recipe {
    Recipe {
        version: world.desired.version,
        options: world.desired.options.clone(),
        transport: transport.clone(),
    }
}

fn list(world: &World) -> Vec<Listed> {
    match &world.membership {
        Membership::Known(list) => list.clone(),
        Membership::Unknown { .. } => Vec::new(),
    }
}

fn keep(world: &mut World, kept: impl Fn(&Listed, Option<&Incarnation>) -> bool) {
    let World { membership: Membership::Known(list), incarnations, .. } = world else { return };
    list.retain(|one| kept(one, incarnations.iter().find(|place| place.is_at(&one.peer_urls))));
}

fn answer(listed: &Listed, world: &World) -> Option<Report> {
    let newest =
        world.incarnations.iter().filter_map(|one| one.report.as_ref()).max_by_key(|r| r.raft_index)?;
    Some(Report {
        id: listed.id,
        ready: !listed.learner,
        learner: listed.learner,
        applied_index: newest.raft_index,
        ..newest.clone()
    })
}

fn pretend_healthy(world: &mut World) {
    for listed in list(world).iter().filter(|one| !one.learner) {
        let report = answer(listed, world);
        let seat = world.incarnations.iter_mut().find(|one| one.is_at(&listed.peer_urls));
        if let (Some(one), Some(report)) = (seat, report)
            && one.data.present
        {
            let leader = one.report.as_ref().map_or(report.leader, |own| own.leader);
            one.report = Some(Report { leader, ..report });
            if !one.running() {
                one.process = Process::Running { since: Timestamp::UNIX_EPOCH };
            }
        }
    }
}

fn pretend_learners_caught_up(world: &mut World) {
    for listed in list(world).iter().filter(|one| one.learner) {
        let report = answer(listed, world);
        if let Some(one) = world.incarnations.iter_mut().find(|one| one.is_at(&listed.peer_urls)) {
            one.report = report;
        }
    }
}

fn pretend_learners_vote(world: &mut World) {
    if let Membership::Known(list) = &mut world.membership {
        list.iter_mut().for_each(|one| one.learner = false);
    }
}

fn mistake_leader(world: &mut World) {
    let list = list(world);
    for report in world.incarnations.iter_mut().filter_map(|one| one.report.as_mut()) {
        let other = list.iter().find(|one| !one.learner && Some(one.id) != report.leader);
        report.leader = report.leader.and(other.map(|one| one.id));
    }
}

/// Leaves out the round of a move to TLS in which a side listens in both ways.
fn skip_round(steps: &mut [Step], world: &World, side: Side) {
    for step in steps {
        if let Step::Renew { recipe, .. } = step {
            let listen = &mut recipe.transport.get_mut(side).listen;
            if *listen == Listen::Both && *world.desired.tls.get(side) == Source::Managed {
                *listen = Listen::Tls;
            }
        }
    }
}
