//! `up` under a clock that is wrong, beside members whose clock is right: as an operator and members on several machines.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use quorate::{
    pki::Certificate,
    plan::{certificates::BACKDATED, version::Minor},
};
use rustix::process::Signal;

use super::{
    CHANGE, SECONDS, SECURED, all_authorities,
    common::{clock::Clock, up::Up},
    prepare, read, rotated,
    strangers::nobody_tells_a_key,
};

const HOUR: i64 = 3600;

#[test]
fn an_hour_does_no_harm_four_are_told_and_no_key_is_told_anywhere() {
    if Clock::find().is_none() {
        eprintln!("not checked under a wrong clock: libfaketime is not installed (Debian: faketime)");
    }
    std::thread::scope(|scope| {
        scope.spawn(ahead);
        scope.spawn(behind);
    });
}

fn ahead() {
    let clock = Clock::find();
    let up = an_hour_wrong(clock.as_ref(), HOUR, Some("trace"));
    if let Some(clock) = clock {
        four_hours_ahead_are_told_and_restart_nobody(up, &clock);
    }
}

fn behind() {
    let Some(clock) = Clock::find() else { return };
    let up = an_hour_wrong(Some(&clock), -HOUR, None);
    four_hours_behind_restart_nobody(&up, &clock);
}

/// A cluster is made, taken over, rotated and grown by an `up` whose clock is wrong until the end.
fn an_hour_wrong(clock: Option<&Clock>, offset: i64, level: Option<&str>) -> Up {
    let mut up = prepare(Minor::V3_6, SECURED);
    if let Some(clock) = clock {
        up.environment = clock.environment();
        clock.set(offset);
    }
    up.run();
    up.wait_ready(3);
    if clock.is_some() {
        let wrong = made(&up).duration_since(Timestamp::now());
        let beside = (wrong - SignedDuration::from_secs(offset)).abs();
        assert!(beside < SignedDuration::from_mins(10), "`up` goes by the clock that was set: {wrong}");
    }
    let formed = pids(&up);
    adopted(&mut up, clock, 0, None);
    adopted(&mut up, clock, offset, level);
    assert_eq!(pids(&up), formed, "nobody was restarted for the clock");

    let before = all_authorities(&up);
    up.succeed(&["rotate-certificates"]);
    up.wait("new authorities", CHANGE, rotated(&up, &before));
    // A roll for those who shall be trusted too, one for those who shall not be any more; a side may need its own.
    let rotated = starts(&up);
    assert!(rotated.values().all(|starts| (3..=5).contains(starts)), "{rotated:?}");
    up.succeed(&["scale", "5"]);
    up.wait_ready(5);
    let grown = starts(&up);
    let expected = |name: &String| rotated.get(name).copied().unwrap_or(1);
    assert!(grown.iter().all(|(name, starts)| *starts == expected(name)), "{rotated:?} → {grown:?}");
    if level == Some("trace") {
        nobody_tells_a_key(&up);
    }

    if let Some(clock) = clock {
        clock.set(0);
    }
    // It goes on: what ended is started again, and nobody else is.
    let (killed, before) = (up.follower(), pids(&up));
    up.signal_member(&killed, Signal::KILL);
    up.wait("the one that was killed", CHANGE, |status| {
        up.member_pid(&killed) != before.get(&killed).copied()
            && status.ready_members == 5
            && status.is("Ready")
    });
    let mut after = pids(&up);
    after.insert(killed.clone(), before[&killed]);
    assert_eq!(after, before, "nobody was restarted for the clock");
    // What was written down by the clock that was ahead holds nothing up.
    up.succeed(&["scale", "3"]);
    up.wait_ready(3);
    up
}

/// What an `up` makes that starts now is of use to nobody yet, so that no member answers it. That is told; the members go on.
fn four_hours_ahead_are_told_and_restart_nobody(mut up: Up, clock: &Clock) {
    let before = pids(&up);
    up.kill();
    clock.set(4 * HOUR);
    up.run();
    up.wait("the condition", SECONDS(30), |status| {
        status.condition("Available").is_some_and(|available| available.status == "False")
    });
    assert_eq!(pids(&up), before, "nobody was restarted for the clock");
    clock.set(0);
    up.wait("it heals by itself", CHANGE, |status| status.is("Ready") && status.ready_members == 3);
    assert_eq!(pids(&up), before, "nobody was restarted for the clock");
}

/// Certificates of the future are made anew at once, and those are of use to everybody.
fn four_hours_behind_restart_nobody(up: &Up, clock: &Clock) {
    let (before, old) = (pids(up), made(up));
    clock.set(-4 * HOUR);
    up.wait("other certificates", SECONDS(30), |status| made(up) < old && status.is("Ready"));
    assert_eq!(pids(up), before, "nobody was restarted for the clock");
    clock.set(0);
    up.succeed(&["scale", "5"]);
    up.wait_ready(5);
    let after = pids(up);
    assert!(
        before.iter().all(|one| after.contains_key(one.0) && after[one.0] == *one.1),
        "{before:?} → {after:?}"
    );
}

/// When the certificate for clients was made, by the clock of who made it.
fn made(up: &Up) -> Timestamp {
    Certificate::read(&read(up.dir().join("tls/client.crt"))).unwrap().since + BACKDATED
}

/// The process of each member.
fn pids(up: &Up) -> BTreeMap<String, i32> {
    up.names().into_iter().map(|name| (name.clone(), up.member_pid(&name).unwrap())).collect()
}

/// How often each member was started.
fn starts(up: &Up) -> BTreeMap<String, usize> {
    let log = |name: &str| read(up.member_dir(name).join("etcd.log"));
    let started = |name: &str| log(name).matches("starting an etcd server").count();
    up.names().into_iter().map(|name| (name.clone(), started(&name))).collect()
}

/// The next `up` finds the cluster of the last one, under another clock.
fn adopted(up: &mut Up, clock: Option<&Clock>, offset: i64, level: Option<&str>) {
    let serving = |up: &Up| up.log().matches("the cluster serves").count();
    let before = serving(up);
    up.kill();
    if let Some(clock) = clock {
        clock.set(offset);
    }
    up.run_logging(&[], level);
    up.wait("the adoption", CHANGE, |status| serving(up) > before && status.is("Ready"));
}
