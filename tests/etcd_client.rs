//! The client of a member against real etcd: every call, and every row of the classifier's table that can be brought
//! about.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking that it failed"
)]

mod common;

use std::{
    future::Future,
    time::{Duration, Instant},
};

use common::{
    MILLIS, SECONDS,
    etcd::{Cluster, Etcd, binary},
    rows::Seen,
    within,
};
use etcd_client::{AlarmAction, AlarmType, Client, ConnectOptions, Permission, PermissionType};
use quorate::{
    etcd::{Call, Class, Endpoint, Failure, MemberClient, http::Http},
    plan::{MemberId, version::Minor},
};
use tokio::time::sleep;

#[test]
fn v3_5() {
    every_call_and_every_row(Minor::V3_5);
}

#[test]
fn v3_6() {
    every_call_and_every_row(Minor::V3_6);
}

#[test]
fn v3_7() {
    every_call_and_every_row(Minor::V3_7);
}

fn every_call_and_every_row(minor: Minor) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut seen = Seen::new(minor);
    for (name, scenario) in [("membership", 0), ("outages", 1), ("alarms and users", 2)] {
        let began = Instant::now();
        runtime.block_on(async {
            match scenario {
                0 => membership(&mut seen).await,
                1 => outages(&mut seen).await,
                _ => alarms_and_users(&mut seen).await,
            }
        });
        println!("etcd {minor}: {name} took {:.1} s", began.elapsed().as_secs_f64());
    }
    seen.settle();
}

// Clients.

fn client(etcd: &Etcd) -> MemberClient {
    let endpoint = Endpoint {
        client_url: etcd.client_url.clone(),
        peer_url: etcd.peer_url.clone(),
        metrics_url: Some(etcd.metrics_url.clone()),
    };
    MemberClient::new(endpoint, Http::new(), None)
}

async fn raw(etcd: &Etcd) -> Client {
    Client::connect([&etcd.client_url], None).await.unwrap()
}

/// Asks until it is not told to ask again; no failure but [`Class::RetryAfter`] is asked again.
async fn insist<T, F>(seen: &mut Seen, limit: Duration, mut call: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let began = Instant::now();
    loop {
        match call().await {
            Err(failure) => match seen.note(&failure) {
                Class::RetryAfter(_) if began.elapsed() < limit => sleep(Duration::from_millis(50)).await,
                _ => return Err(failure),
            },
            done => return done,
        }
    }
}

/// The start of the next second of the clock: etcd makes member IDs from URL and second.
async fn next_second() {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    sleep(Duration::from_millis(1_020) - Duration::from_nanos(u64::from(now.subsec_nanos()))).await;
}

/// Which member leads.
async fn leader(clients: &[MemberClient]) -> usize {
    for _ in 0..200 {
        for (index, one) in clients.iter().enumerate() {
            if let Ok(report) = one.report().await
                && report.leader == Some(report.id)
            {
                return index;
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("no leader within 10 s");
}

// The scenarios.

async fn membership(seen: &mut Seen) {
    let cluster = Cluster::start(&binary(seen.minor), 3, &[]);
    let clients: Vec<_> = cluster.members.iter().map(client).collect();
    let at = leader(&clients).await;
    let (lead, follower) = (&clients[at], &clients[(at + 1) % 3]);

    // What everybody says when all is well.
    let own = lead.report().await.unwrap();
    let other = follower.report().await.unwrap();
    assert!(
        own.ready && other.ready && own.id != other.id && !own.learner && own.alarms.is_empty(),
        "{own:?}"
    );
    assert_eq!((own.leader, other.leader, own.cluster_id), (Some(own.id), Some(own.id), other.cluster_id));
    assert_eq!(own.version, cluster.binary.version.to_string());
    assert!(
        own.db_size >= own.db_size_in_use && own.db_size_in_use > 0 && own.raft_index >= own.applied_index
    );
    let (cluster_id, list) = lead.members().await.unwrap();
    assert_eq!((cluster_id, list.len()), (own.cluster_id, 3));
    for member in &cluster.members {
        let listed = list.iter().find(|one| one.name == member.name).unwrap();
        assert_eq!(listed.peer_urls, std::slice::from_ref(&member.peer_url));
    }
    let mut hearsay = follower.hearsay().await.unwrap();
    let mut list = list;
    hearsay.sort_by_key(|one| one.id);
    list.sort_by_key(|one| one.id);
    assert_eq!(hearsay, list);

    // Data.
    let mut kv = raw(&cluster.members[at]).await;
    for key in 0..5 {
        kv.put(format!("key{key}"), "value", None).await.unwrap();
    }
    let revision = lead.report().await.unwrap().revision;
    let mut hashes = Vec::new();
    for one in &clients {
        hashes.push(insist(seen, SECONDS(5), || one.hash_kv(revision)).await.unwrap());
    }
    assert!(hashes.iter().all(|one| *one == hashes[0] && one.0 != 0), "{hashes:?}");
    assert_eq!(seen.note(&lead.hash_kv(revision + 99).await.unwrap_err()), Class::RetryAfter(MILLIS(200)));
    kv.compact(revision, None).await.unwrap();
    // A compaction keeps its own hash, which etcd gives for all revisions up to it as soon as it is there.
    match lead.hash_kv(1).await {
        Ok((_, compacted)) => println!("etcd {}: the hash of the compaction, from {compacted}", seen.minor),
        Err(failure) => assert_eq!(seen.note(&failure), Class::RetryAfter(MILLIS(200))),
    }
    kv.put("key", "later", None).await.unwrap();
    assert_eq!(lead.hash_kv(revision + 1).await.unwrap().1, revision);

    // Leadership.
    assert_eq!(seen.note(&follower.move_leader(own.id).await.unwrap_err()), Class::RetryAfter(MILLIS(100)));
    assert_eq!(seen.note(&lead.move_leader(MemberId(7)).await.unwrap_err()), Class::Refused);
    lead.move_leader(own.id).await.unwrap();
    lead.move_leader(other.id).await.unwrap();
    assert_eq!(follower.report().await.unwrap().leader, Some(other.id));
    let (lead, follower) = (follower, lead);

    // A learner that is only listed.
    let mut learner = cluster.place("m3");
    assert_eq!(seen.note(&lead.add_learner("foo").await.unwrap_err()), Class::Broken);
    // Links have to be 5 s old; this learner is only there to wait for that.
    let first = insist(seen, SECONDS(15), || lead.add_learner("http://127.0.0.1:1")).await.unwrap();
    lead.remove(first).await.unwrap();
    next_second().await;
    let id = lead.add_learner(&learner.peer_url).await.unwrap();
    assert_eq!(seen.note(&lead.add_learner(&learner.peer_url).await.unwrap_err()), Class::MineAlready);
    next_second().await;
    assert_eq!(seen.note(&lead.add_learner(&learner.peer_url).await.unwrap_err()), Class::MineAlready);
    let second = lead.add_learner("http://127.0.0.1:1").await.unwrap_err();
    assert_eq!(
        (seen.note(&second), &*second.message),
        (Class::RetryAfter(SECONDS(1)), "too many learner members in cluster",)
    );
    assert_eq!(seen.note(&follower.promote(id).await.unwrap_err()), Class::RetryAfter(MILLIS(500)));
    let taken = &cluster.members[0].peer_url;
    assert_eq!(seen.note(&lead.update_peer_url(id, taken).await.unwrap_err()), Class::Refused);
    lead.update_peer_url(id, "http://127.0.0.1:1").await.unwrap();
    lead.update_peer_url(id, &learner.peer_url).await.unwrap();
    let nobody = lead.update_peer_url(MemberId(7), "http://127.0.0.1:2").await.unwrap_err();
    assert_eq!(seen.note(&nobody), Class::Ambiguous);

    // A learner that runs.
    let mut peers: Vec<_> = cluster.members.iter().map(Etcd::peer).collect();
    peers.push(learner.peer());
    learner.start("existing", &peers, &[]);
    let joined = client(&learner);
    let report = loop {
        match joined.report().await {
            Ok(report) if report.applied_index > 0 => break report,
            _ => sleep(MILLIS(50)).await,
        }
    };
    assert!(
        report.learner && !report.ready && report.id == id && report.leader == Some(other.id),
        "{report:?}"
    );
    let listed = lead.hearsay().await.unwrap();
    assert!(listed.iter().any(|one| one.id == id && one.learner));
    for failure in [joined.members().await.unwrap_err(), joined.alarms().await.unwrap_err()] {
        assert_eq!(seen.note(&failure), Class::RetryAfter(SECONDS(1)), "{failure}");
        let code = if seen.minor == Minor::V3_5 { "Unavailable" } else { "FailedPrecondition" };
        assert_eq!(failure.code, Some(code), "{failure}");
    }
    assert_eq!(seen.note(&lead.move_leader(id).await.unwrap_err()), Class::Refused);
    insist(seen, SECONDS(10), || lead.promote(id)).await.unwrap();
    assert_eq!(seen.note(&lead.promote(id).await.unwrap_err()), Class::Done);
    learner.wait_ready();
    assert!(joined.report().await.unwrap().ready);

    // Its removal, under load.
    let load: Vec<_> =
        (0..8).map(|_| tokio::spawn(puts_until_it_breaks(learner.client_url.clone()))).collect();
    insist(seen, SECONDS(15), || lead.remove(id)).await.unwrap();
    for task in load {
        for error in task.await.unwrap() {
            seen.note_raw(Call::Remove, &error);
        }
    }
    assert_eq!(seen.note(&lead.remove(id).await.unwrap_err()), Class::Done);
    assert_eq!(seen.note(&lead.promote(id).await.unwrap_err()), Class::Ambiguous);
    learner.wait_exit(SECONDS(10));
    let (_, list) = lead.members().await.unwrap();
    assert_eq!(list.len(), 3);

    // One URL added, removed and added within one second.
    for _ in 0..5 {
        next_second().await;
        let id = lead.add_learner("http://127.0.0.1:1").await.unwrap();
        lead.remove(id).await.unwrap();
        match lead.add_learner("http://127.0.0.1:1").await {
            Ok(id) => lead.remove(id).await.unwrap(),
            // A busy machine: whether it was done is read from the list.
            Err(failure) if seen.note(&failure) == Class::Ambiguous => {
                let (_, list) = lead.members().await.unwrap();
                for left in list.iter().filter(|one| one.learner) {
                    lead.remove(left.id).await.unwrap();
                }
            }
            Err(failure) => {
                assert_eq!(seen.note(&failure), Class::RetryAfter(SECONDS(1)), "{failure}");
                break;
            }
        }
    }
}

/// Puts at one member until its connection breaks; what etcd said against it meanwhile.
async fn puts_until_it_breaks(url: String) -> Vec<etcd_client::Error> {
    let mut client = Client::connect([url], None).await.unwrap();
    let mut errors = Vec::new();
    let began = Instant::now();
    while began.elapsed() < SECONDS(20) && errors.len() < 3 {
        match tokio::time::timeout(SECONDS(2), client.put("load", "value", None)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => errors.push(error),
            Err(_) => break,
        }
    }
    errors
}

async fn outages(seen: &mut Seen) {
    let mut cluster = Cluster::start(&binary(seen.minor), 3, &[]);
    let clients: Vec<_> = cluster.members.iter().map(client).collect();
    let at = leader(&clients).await;
    let one = (at + 1) % 3;
    let ids = [clients[0].report().await, clients[1].report().await, clients[2].report().await];
    let ids = ids.map(|report| report.unwrap().id);

    // A frozen follower.
    cluster.members[one].freeze();
    assert_eq!(
        seen.note(&within(MILLIS(1_700), clients[one].report()).await.unwrap_err()),
        Class::RetryAfter(SECONDS(1))
    );
    let mut kv = raw(&cluster.members[at]).await;
    let (moved, dropped, alarms) = tokio::join!(
        within(MILLIS(2_200), clients[at].move_leader(ids[one])),
        async {
            sleep(MILLIS(300)).await;
            kv.put("key", "value", None).await
        },
        async {
            sleep(MILLIS(300)).await;
            clients[at].alarms().await
        },
    );
    assert_eq!(seen.note(&moved.unwrap_err()), Class::Ambiguous);
    assert_eq!(seen.note_raw(Call::Remove, &dropped.unwrap_err()), Class::Ambiguous);
    if let Err(failure) = alarms {
        seen.note(&failure);
    }
    cluster.members[one].thaw();
    recovers(&clients[one], "thawed").await;

    // A frozen leader: reads that were under way when the others elect a new one.
    let old = leader(&clients).await;
    let other = (old + 1) % 3;
    cluster.members[old].freeze();
    let mut reads = Vec::new();
    for _ in 0..10 {
        let mut kv = raw(&cluster.members[other]).await;
        reads.push(tokio::spawn(async move { tokio::time::timeout(SECONDS(8), kv.get("key", None)).await }));
        sleep(MILLIS(150)).await;
    }
    for read in reads {
        if let Ok(Ok(Err(error))) = read.await {
            seen.note_raw(Call::Members, &error);
        }
    }
    cluster.members[old].thaw();
    recovers(&clients[old], "thawed").await;

    // A member that is killed in the middle of a call, and comes back.
    let at = leader(&clients).await;
    let (one, two) = ((at + 1) % 3, (at + 2) % 3);
    cluster.members[one].freeze();
    let (failure, ()) = tokio::join!(clients[one].report(), async {
        sleep(MILLIS(300)).await;
        cluster.members[one].kill();
    });
    assert_eq!(seen.note(&failure.unwrap_err()), Class::RetryAfter(MILLIS(500)));
    let down = within(MILLIS(200), clients[one].report()).await.unwrap_err();
    assert_eq!(seen.note(&down), Class::RetryAfter(MILLIS(500)), "{down}");
    assert!(down.message.contains("refused"), "{down}");
    // The leader notices that the connection broke when it uses it.
    sleep(MILLIS(500)).await;
    assert_eq!(
        seen.note(&clients[at].add_learner("http://127.0.0.1:1").await.unwrap_err()),
        Class::RetryAfter(SECONDS(1))
    );
    cluster.members[one].restart();
    while common::etcd::http_status(&format!("{}/readyz", cluster.members[one].metrics_url)) != Some(200) {
        let _ = clients[one].report().await;
        sleep(MILLIS(20)).await;
    }
    recovers(&clients[one], "restarted").await;

    // No quorum.
    cluster.members[one].kill();
    cluster.members[two].kill();
    let alone = &clients[at];
    let alarms_early = tokio::spawn(slow_alarms(cluster.members[at].client_url.clone()));
    let early = tokio::spawn(slow_put(cluster.members[at].client_url.clone()));
    let lost = within(MILLIS(2_200), alone.members()).await.unwrap_err();
    assert_eq!(seen.note(&lost), Class::RetryAfter(SECONDS(1)));
    let report = loop {
        let report = within(MILLIS(500), alone.report()).await.unwrap();
        if report.leader.is_none() {
            break report;
        }
        sleep(MILLIS(50)).await;
    };
    assert!(!report.ready && report.id == ids[at]);
    assert_eq!(alone.hearsay().await.unwrap().len(), 3);
    let refused = alone.add_learner("http://127.0.0.1:1").await.unwrap_err();
    assert_eq!(
        (seen.note(&refused), &*refused.message),
        (Class::RetryAfter(SECONDS(1)), "unhealthy cluster")
    );
    let url = cluster.members[at].client_url.clone();
    let (removed, put, promoted, alarms, early, alarms_early) = tokio::join!(
        within(MILLIS(5_200), alone.remove(ids[one])),
        slow_put(url.clone()),
        async {
            let mut client = Client::connect([&url], None).await.unwrap();
            tokio::time::timeout(SECONDS(12), client.member_promote(7)).await
        },
        slow_alarms(url.clone()),
        early,
        alarms_early,
    );
    let removed = removed.unwrap_err();
    assert_eq!((seen.note(&removed), removed.code), (Class::Ambiguous, None), "{removed}");
    assert_eq!(seen.note_raw(Call::Remove, &put.unwrap_err()), Class::Ambiguous);
    assert_eq!(seen.note_raw(Call::Remove, &early.unwrap().unwrap_err()), Class::Ambiguous);
    if let Ok(Err(error)) = promoted {
        assert_eq!(seen.note_raw(Call::Promote, &error), Class::Ambiguous);
    }
    for alarms in [alarms, alarms_early.unwrap()] {
        assert_eq!(seen.note_raw(Call::Alarms, &alarms.unwrap_err()), Class::RetryAfter(SECONDS(1)));
    }

    // A change whose member dies meanwhile, and a member that starts without a quorum.
    let (broken, ()) = tokio::join!(alone.remove(ids[one]), async {
        sleep(MILLIS(300)).await;
        cluster.members[at].kill();
    });
    let broken = broken.unwrap_err();
    assert_eq!((seen.note(&broken), broken.code), (Class::Ambiguous, None), "{broken}");
    cluster.members[at].restart();
    let url = format!("{}/livez", cluster.members[at].metrics_url);
    while common::etcd::http_status(&url) != Some(200) {
        sleep(MILLIS(20)).await;
    }
    let silent = within(MILLIS(1_700), alone.report()).await.unwrap_err();
    println!("etcd {}: started without a quorum: {silent}", seen.minor);
    assert_eq!(alone.hearsay().await.unwrap().len(), 3);
    cluster.members[one].restart();
    cluster.members[one].wait_ready();
    recovers(alone, "back with a quorum").await;
}

/// The member answers again, at once where the machine has time: what it took is printed.
async fn recovers(client: &MemberClient, what: &str) {
    let began = Instant::now();
    let mut tries = 0;
    while let Err(failure) = client.report().await {
        tries += 1;
        assert!(began.elapsed() < SECONDS(10), "{what}, and after {tries} tries: {failure}");
        sleep(MILLIS(50)).await;
    }
    println!("{what}: answers after {:?}, {tries} failed tries", began.elapsed());
}

/// A put with more patience than a client of the product has.
async fn slow_put(url: String) -> Result<(), etcd_client::Error> {
    let mut client = Client::connect([url], None).await.unwrap();
    tokio::time::timeout(SECONDS(12), client.put("key", "value", None)).await.unwrap().map(drop)
}

/// The same for reading the alarms, which goes through raft too.
async fn slow_alarms(url: String) -> Result<(), etcd_client::Error> {
    let mut client = Client::connect([url], None).await.unwrap();
    let call = client.alarm(AlarmAction::Get, AlarmType::None, None);
    tokio::time::timeout(SECONDS(12), call).await.unwrap().map(drop)
}

async fn alarms_and_users(seen: &mut Seen) {
    let flags = ["--quota-backend-bytes=2097152", "--auth-token-ttl=2"];
    let cluster = Cluster::start(&binary(seen.minor), 1, &flags);
    let one = client(&cluster.members[0]);
    let mut kv = raw(&cluster.members[0]).await;
    let id = one.report().await.unwrap().id;

    // Alarms.
    let full = loop {
        if let Err(error) = kv.put("key", vec![b'x'; 200_000], None).await {
            break error;
        }
    };
    assert_eq!(seen.note_raw(Call::AddLearner, &full), Class::Refused);
    let report = one.report().await.unwrap();
    assert_eq!((report.alarms, report.ready), (vec!["NOSPACE".to_owned()], true));
    let maintenance = kv.maintenance_client();
    let alarm = |action, alarm| {
        let mut maintenance = maintenance.clone();
        let options = etcd_client::AlarmOptions::new();
        let options = with_member(options, id);
        async move { maintenance.alarm(action, alarm, Some(options)).await.unwrap() }
    };
    alarm(AlarmAction::Deactivate, AlarmType::Nospace).await;
    alarm(AlarmAction::Activate, AlarmType::Corrupt).await;
    // Not a put, which the full database would refuse first.
    let error = kv.delete("key", None).await.unwrap_err();
    assert_eq!(seen.note_raw(Call::AddLearner, &error), Class::Broken);
    let report = one.report().await.unwrap();
    assert_eq!((report.alarms, report.ready), (vec!["CORRUPT".to_owned()], false));
    alarm(AlarmAction::Deactivate, AlarmType::Corrupt).await;
    assert!(one.report().await.unwrap().alarms.is_empty());
    kv.compact(one.report().await.unwrap().revision, None).await.unwrap();
    kv.maintenance_client().defragment().await.unwrap();

    // Downgrades.
    let none = one.downgrade(None).await;
    match seen.minor {
        Minor::V3_5 => assert_eq!(seen.note(&none.unwrap_err()), Class::Done),
        _ => none.unwrap(),
    }
    assert_eq!(seen.note(&one.downgrade(Some(seen.minor)).await.unwrap_err()), Class::Refused);
    let lower = Minor::ALL.into_iter().rev().find(|other| *other < seen.minor);
    if let Some(lower) = lower {
        one.downgrade(Some(lower)).await.unwrap();
        assert_eq!(seen.note(&one.downgrade(Some(lower)).await.unwrap_err()), Class::Done);
        one.downgrade(None).await.unwrap();
    }

    // Users.
    for user in ["root", "plain"] {
        kv.user_add(user, "secret", None).await.unwrap();
    }
    kv.role_add("root").await.unwrap();
    kv.role_add("some").await.unwrap();
    let all = Permission::new(PermissionType::Readwrite, "a");
    kv.role_grant_permission("some", all).await.unwrap();
    kv.user_grant_role("root", "root").await.unwrap();
    kv.user_grant_role("plain", "some").await.unwrap();
    kv.auth_enable().await.unwrap();
    assert_eq!(seen.note(&one.report().await.unwrap_err()), Class::Refused);
    assert_eq!(seen.note(&one.hash_kv(0).await.unwrap_err()), Class::Refused);
    assert_eq!(one.hearsay().await.unwrap().len(), 1);
    let url = cluster.members[0].client_url.clone();
    let login = |user: &str, password: &str| {
        let options = ConnectOptions::new().with_user(user, password).with_auto_token_refresh(false);
        let url = url.clone();
        async move { Client::connect([url], Some(options)).await }
    };
    let wrong = login("root", "wrong").await.err().unwrap();
    assert_eq!(seen.note_raw(Call::Members, &wrong), Class::Refused);
    let mut plain = login("plain", "secret").await.unwrap();
    let denied = plain.member_remove(7).await.unwrap_err();
    assert_eq!(seen.note_raw(Call::Remove, &denied), Class::Refused);
    let denied = plain.hash_kv(0).await.unwrap_err();
    assert_eq!(seen.note_raw(Call::HashKv, &denied), Class::Refused);
    let mut root = login("root", "secret").await.unwrap();
    root.put("key", "value", None).await.unwrap();
    // The token expires two seconds after its last use.
    let stale = loop {
        sleep(MILLIS(3_500)).await;
        if let Err(error) = root.put("key", "value", None).await {
            break error;
        }
    };
    assert_eq!(seen.note_raw(Call::Remove, &stale), Class::Refused);
    login("root", "secret").await.unwrap().auth_disable().await.unwrap();

    // A voter that was added and never started leaves no quorum to remove the other.
    let mut kv = raw(&cluster.members[0]).await;
    kv.member_add(["http://127.0.0.1:1"], None).await.unwrap();
    let failure = one.remove(id).await.unwrap_err();
    assert_eq!(seen.note(&failure), Class::RetryAfter(SECONDS(1)), "{failure}");
}

fn with_member(mut options: etcd_client::AlarmOptions, id: MemberId) -> etcd_client::AlarmOptions {
    options.with_member(id.0);
    options
}
