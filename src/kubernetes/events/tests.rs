use std::time::Duration;

use super::{
    Kind, Outcome,
    news::{News, Told},
};
use crate::plan::{
    ClusterId, Decision, MemberId, MemberName, Operation, OperationKind, Step,
    status::{ClusterStatus, Condition, OperationStatus},
};

/// Conditions as `Kind=Status/Reason`.
fn status(formed: bool, operation: Option<&str>, conditions: &[&str]) -> ClusterStatus {
    let condition = |text: &&str| {
        let (kind, rest) = text.split_once('=').unwrap();
        let (status, reason) = rest.split_once('/').unwrap();
        Condition {
            kind: kind.into(),
            status: status.into(),
            reason: reason.into(),
            message: format!("{kind} is {status}"),
            last_transition_time: String::new(),
            observed_generation: None,
        }
    };
    ClusterStatus {
        cluster_id: formed.then(|| "1".into()),
        operation: operation.map(|kind| OperationStatus { kind: kind.into(), ..OperationStatus::default() }),
        conditions: conditions.iter().map(condition).collect(),
        ..ClusterStatus::default()
    }
}

fn name() -> MemberName {
    MemberName("demo-x".into())
}

fn work(kind: OperationKind) -> Operation {
    Operation { kind, member: None, since: None }
}

fn act(kind: OperationKind, reason: &str, steps: &[Step]) -> Decision {
    Decision::Act { steps: steps.to_vec(), operation: work(kind), reason: reason.into() }
}

fn wait(kind: Option<OperationKind>, reason: &str) -> Decision {
    Decision::Wait { operation: kind.map(work), reason: reason.into(), again: Duration::ZERO }
}

fn done(steps: &[Step]) -> Vec<Outcome> {
    steps.iter().map(|step| Outcome { step: step.clone(), error: None }).collect()
}

fn reasons(news: &[News]) -> Vec<&str> {
    news.iter().map(|one| &*one.reason).collect()
}

const SERVING: [&str; 4] = [
    "QuorumLost=False/QuorumServes",
    "Available=True/QuorumServes",
    "Degraded=False/AsExpected",
    "Ready=True/AllMembersReady",
];

#[test]
fn a_creation_is_told_in_two_events() {
    let start = Step::Start { name: name(), check: true };
    let discard = Step::Drain { name: name() };
    let formed = Step::RecordFormed { cluster_id: ClusterId(1) };
    let forming = [
        "QuorumLost=False/Forming",
        "Available=False/Forming",
        "Degraded=True/MembersUnhealthy",
        "SpecApplied=True/Applied",
        "Paused=False/NotPaused",
    ];
    let nearly = [
        "QuorumLost=Unknown/NoLeader",
        "Available=False/NoLeader",
        "Degraded=True/MembersUnhealthy",
        "SpecApplied=True/Applied",
    ];
    let partly =
        ["QuorumLost=False/QuorumServes", "Available=True/QuorumServes", "Degraded=True/MembersUnhealthy"];
    let bootstrap =
        |steps: &[Step]| act(OperationKind::Bootstrap, "3 members form the cluster together", steps);
    let passes = [
        (bootstrap(std::slice::from_ref(&discard)), status(false, Some("Bootstrap"), &forming)),
        (bootstrap(std::slice::from_ref(&start)), status(false, Some("Bootstrap"), &forming)),
        (wait(None, "something"), status(false, None, &forming)),
        (bootstrap(&[formed]), status(true, Some("Bootstrap"), &nearly)),
        (wait(Some(OperationKind::Bootstrap), "soon"), status(true, Some("Bootstrap"), &partly)),
        (Decision::Settled, status(true, None, &SERVING)),
        (Decision::Settled, status(true, None, &SERVING)),
    ];
    let (mut told, mut before, mut news) = (Told::default(), None, Vec::new());
    for (decision, after) in passes {
        news.extend(told.news(before.as_ref(), &after, &decision, &done(decision.steps())));
        before = Some(after);
    }
    assert_eq!(reasons(&news), ["Bootstrap", "QuorumServes"], "{news:#?}");
    assert_eq!(news[0].note, "3 members form the cluster together");
    assert!(news.iter().all(|one| one.kind == Kind::Normal));
}

/// Conditions before and after, and what is told of the change.
type Change<'a> = (&'a [&'a str], &'a [&'a str], &'a [(Kind, &'a str)]);

#[test]
fn conditions_are_told_when_they_change_and_not_again() {
    let lost = ["QuorumLost=True/MajorityDown", "Available=False/MajorityDown", "Degraded=True/MajorityDown"];
    let one_down =
        ["QuorumLost=False/QuorumServes", "Available=True/QuorumServes", "Degraded=True/MembersUnhealthy"];
    let blind =
        ["QuorumLost=Unknown/NotObserved", "Available=Unknown/NotObserved", "Degraded=True/NotObserved"];
    let paused = ["Paused=True/SpecPaused"];
    let (normal, warning) = (Kind::Normal, Kind::Warning);
    let cases: [Change<'_>; 13] = [
        (&SERVING, &SERVING, &[]),
        (&SERVING, &one_down, &[(warning, "MembersUnhealthy")]),
        (&one_down, &one_down, &[]),
        (&one_down, &SERVING, &[(normal, "AsExpected")]),
        (&SERVING, &lost, &[(warning, "MajorityDown")]),
        (&lost, &one_down, &[(normal, "QuorumServes"), (warning, "MembersUnhealthy")]),
        (&lost, &SERVING, &[(normal, "QuorumServes"), (normal, "AsExpected")]),
        (&SERVING, &blind, &[(warning, "NotObserved")]),
        (&blind, &SERVING, &[(normal, "AsExpected")]),
        (&["SpecApplied=True/Applied"], &["SpecApplied=False/NotApplied"], &[(warning, "NotApplied")]),
        (&["SpecApplied=False/NotApplied"], &["SpecApplied=True/Applied"], &[(normal, "Applied")]),
        (&["Paused=False/NotPaused"], &paused, &[(normal, "SpecPaused")]),
        (&paused, &["Paused=False/NotPaused"], &[(normal, "NotPaused")]),
    ];
    for (before, after, expected) in cases {
        let (before, after) = (status(true, None, before), status(true, None, after));
        let news = Told::default().news(Some(&before), &after, &Decision::Settled, &[]);
        let news: Vec<_> = news.iter().map(|one| (one.kind, &*one.reason)).collect();
        assert_eq!(news, expected, "{before:#?} -> {after:#?}");
    }
}

#[test]
fn acts_are_told_and_preparations_are_not() {
    let serving = status(true, None, &SERVING);
    let promote = Step::Promote { name: name(), id: MemberId(1) };
    let start = Step::Start { name: name(), check: true };
    let reserve = Step::Drain { name: name() };
    let url = "http://demo-x:2380".to_owned();
    for (kind, steps, note) in [
        (OperationKind::ScaleOut, vec![promote], Some("because (Promote demo-x)")),
        (OperationKind::ScaleOut, vec![start.clone()], None),
        (OperationKind::Recover, vec![start.clone()], Some("because (Start demo-x)")),
        (OperationKind::ScaleIn, vec![reserve.clone()], None),
        (
            OperationKind::ScaleOut,
            vec![reserve, Step::AddLearner { name: name(), peer_url: url }],
            Some("because (AddLearner demo-x)"),
        ),
        (
            OperationKind::Replace,
            vec![Step::Remove { id: MemberId(1), name: "demo-x".into() }, Step::Discard { name: name() }],
            Some("because (Remove demo-x, Discard demo-x)"),
        ),
    ] {
        let decision = act(kind, "because", &steps);
        let news = Told::default().news(Some(&serving), &serving, &decision, &done(&steps));
        let notes: Vec<_> = news.iter().map(|one| (&*one.reason, &*one.note)).collect();
        assert_eq!(notes, note.map(|note| (kind.name(), note)).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn an_attempt_to_form_that_is_given_up_is_a_warning() {
    let forming = status(false, Some("Bootstrap"), &[]);
    let steps = [Step::Discard { name: name() }];
    let decision = act(OperationKind::Bootstrap, "it did not form in 60 s", &steps);
    let news = Told::default().news(Some(&forming), &forming, &decision, &done(&steps));
    assert_eq!((news[0].kind, &*news[0].note), (Kind::Warning, "it did not form in 60 s (Discard demo-x)"));
}

#[test]
fn a_step_that_fails_is_told_once_until_it_says_something_else() {
    let serving = status(true, None, &SERVING);
    let (remove, discard) =
        (Step::Remove { id: MemberId(1), name: "demo-x".into() }, Step::Discard { name: name() });
    let mut told = Told::default();
    let mut pass = |error: Option<&str>| {
        let outcomes = [
            Outcome { step: remove.clone(), error: None },
            Outcome { step: discard.clone(), error: error.map(str::to_owned) },
        ];
        let decision = match error {
            Some(error) => wait(Some(OperationKind::ScaleIn), &format!("because; {error}")),
            None => act(OperationKind::ScaleIn, "because", &[]),
        };
        let outcomes = if error.is_some() { &outcomes[..] } else { &outcomes[1..] };
        told.news(Some(&serving), &serving, &decision, outcomes)
            .into_iter()
            .map(|one| format!("{} {}: {}", one.kind.name(), one.reason, one.note))
            .collect::<Vec<_>>()
    };
    let act = "Normal ScaleIn: because (Remove demo-x)";
    assert_eq!(pass(Some("no")), [act, "Warning DiscardFailed: Discard demo-x: no"]);
    assert_eq!(pass(Some("no")), [act]);
    assert_eq!(pass(Some("still no")), [act, "Warning DiscardFailed: Discard demo-x: still no"]);
    assert_eq!(pass(None), ["Normal ScaleIn: because (Discard demo-x)"]);
    assert_eq!(pass(Some("still no")), [act, "Warning DiscardFailed: Discard demo-x: still no"]);
}
