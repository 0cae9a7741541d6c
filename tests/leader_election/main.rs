//! Leader election: two never lead at once, and there is soon one who does.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test says that it failed"
)]

mod fake;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fake::{Link, Mode, Rng, Server};
use quorate::{
    kubernetes::lease::{DEADLINE, Elector, Lost, TERM},
    telemetry::metrics::Metrics,
};
use tokio::time::{Instant, sleep, timeout};

/// Who leads now.
#[derive(Debug, Clone, Default)]
struct Board {
    leading: Arc<AtomicUsize>,
    reigns: Arc<AtomicUsize>,
}

struct Reign(Board);

impl Board {
    fn enter(&self) -> Reign {
        assert_eq!(self.leading.fetch_add(1, Ordering::SeqCst), 0, "two lead at once");
        self.reigns.fetch_add(1, Ordering::SeqCst);
        Reign(self.clone())
    }

    fn leading(&self) -> bool {
        self.leading.load(Ordering::SeqCst) > 0
    }

    fn reigns(&self) -> usize {
        self.reigns.load(Ordering::SeqCst)
    }
}

impl Drop for Reign {
    fn drop(&mut self) {
        self.0.leading.fetch_sub(1, Ordering::SeqCst);
    }
}

fn elector(server: &Server, link: &Link, name: &str) -> (Elector, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::of_operator());
    (Elector::new(server.client(link), "default", "quorate", name, Arc::clone(&metrics)), metrics)
}

fn leads(metrics: &Metrics) -> bool {
    metrics.render().unwrap().contains("\nquorate_leader 1\n")
}

/// Wants to lead, leads for a while, gives back or is lost, and begins again.
async fn candidate(server: Server, link: Link, name: String, board: Board, mut rng: Rng) {
    loop {
        let (mut elector, _) = elector(&server, &link, &name);
        elector.acquire().await;
        let stay = rng.millis(500, 120_000);
        let work = async {
            let _reign = board.enter();
            sleep(stay).await;
        };
        if elector.lead(work).await.is_ok() {
            elector.release().await;
        }
        let rest = rng.millis(1, 5_000);
        sleep(rest).await;
    }
}

/// Candidates that are killed now and then, on links that get bad and good again.
async fn hours_of_faults(seed: u64) {
    let (server, board) = (Server::default(), Board::default());
    let links: Vec<_> = (0..3).map(|n| Link::new(seed * 100 + n)).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, link) in links.iter().enumerate() {
        let (server, link, board) = (server.clone(), link.clone(), board.clone());
        let mut rng = Rng(seed * 1000 + n as u64);
        tasks.spawn(async move {
            loop {
                let life = candidate(
                    server.clone(),
                    link.clone(),
                    format!("pod-{n}"),
                    board.clone(),
                    Rng(rng.next()),
                );
                let _ = timeout(rng.millis(1_000, 600_000), life).await;
                let rest = rng.millis(1, 10_000);
                sleep(rest).await;
            }
        });
    }
    let mut rng = Rng(seed);
    let end = Instant::now() + Duration::from_secs(3 * 3600);
    while Instant::now() < end {
        let mode = [Mode::Good, Mode::Flaky, Mode::Flaky, Mode::Away][rng.below(4) as usize];
        links[rng.below(3) as usize].set(mode);
        let rest = rng.millis(100, 20_000);
        sleep(rest).await;
        // A panic of a task is one of its asserts.
        assert!(tasks.try_join_next().is_none_or(|ended| ended.is_ok()), "seed {seed}: two led at once");
    }
    links.iter().for_each(|link| link.set(Mode::Good));
    let mut waited = 0;
    while !board.leading() {
        waited += 1;
        assert!(waited < 400, "seed {seed}: nobody leads 40 s after the faults ended");
        sleep(Duration::from_millis(100)).await;
    }
    assert!(
        server.calls() > 5_000 && board.reigns() > 50,
        "{} calls, {} reigns",
        server.calls(),
        board.reigns()
    );
}

#[tokio::test(start_paused = true)]
async fn two_never_lead_at_once_whatever_becomes_of_their_calls() {
    for seed in 1..=8 {
        hours_of_faults(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_is_taken_within_two_seconds() {
    for round in 0..200 {
        let (server, board) = (Server::default(), Board::default());
        let (mut first, metrics) = elector(&server, &Link::new(round), "a");
        first.acquire().await;
        assert!(leads(&metrics));
        let (mut second, _) = elector(&server, &Link::new(round + 1000), &format!("b{round}"));
        let waiting = tokio::spawn(async move {
            second.acquire().await;
            second
        });
        let work = async {
            let _reign = board.enter();
            sleep(Duration::from_millis(30_000 + 7 * round)).await;
        };
        assert_eq!(first.lead(work).await, Ok(()));
        assert!(!waiting.is_finished());
        let start = Instant::now();
        first.release().await;
        assert!(!leads(&metrics));
        let _second = waiting.await.unwrap();
        assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
        let spec = &server.lease()["spec"];
        assert_eq!(spec["leaseTransitions"], 1, "{spec}");
        assert_eq!(spec["leaseDurationSeconds"], 15, "{spec}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_renew_stops_before_another_starts() {
    let (server, board, link) = (Server::default(), Board::default(), Link::new(1));
    let (mut first, metrics) = elector(&server, &link, "a");
    first.acquire().await;
    let (mut second, _) = elector(&server, &Link::new(2), "b");
    let other = board.clone();
    let waiting = tokio::spawn(async move {
        second.acquire().await;
        let _reign = other.enter();
        Instant::now()
    });
    let cut = Instant::now() + Duration::from_secs(30);
    let switch = link.clone();
    tokio::spawn(async move {
        tokio::time::sleep_until(cut).await;
        switch.set(Mode::Away);
    });
    let reign = board.enter();
    let lost = first.hold().await;
    drop(reign);
    assert!(matches!(&lost, Lost::NotRenewed { why, .. } if why.contains("no answer")), "{lost}");
    assert!(!leads(&metrics));
    let stopped = Instant::now();
    assert!(stopped - cut <= DEADLINE, "{:?}", stopped - cut);
    let started = waiting.await.unwrap();
    let gap = started - stopped;
    assert!(gap >= Duration::from_secs(4) && started - cut <= TERM + Duration::from_secs(2), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_in_other_hands_is_lost_at_once() {
    let server = Server::default();
    let (mut first, _) = elector(&server, &Link::new(1), "a");
    first.acquire().await;
    // Who was deposed by hand finds another there, and goes.
    server.delete();
    let (mut second, _) = elector(&server, &Link::new(2), "b");
    second.acquire().await;
    let start = Instant::now();
    let lost = first.hold().await;
    assert_eq!(lost, Lost::Taken { lease: "default/quorate".into(), by: "b".into() });
    assert!(start.elapsed() < Duration::from_secs(3));
    // It gives nothing back that is not its own.
    first.release().await;
    assert_eq!(server.lease()["spec"]["holderIdentity"], "b");
}

#[tokio::test(start_paused = true)]
async fn who_saw_a_holder_waits_out_its_term_even_if_the_lease_is_deleted() {
    let server = Server::default();
    let (link, start) = (Link::new(1), Instant::now());
    let (mut first, _) = elector(&server, &link, "a");
    first.acquire().await;
    let (mut second, _) = elector(&server, &Link::new(2), "b");
    let waiting = tokio::spawn(async move { second.acquire().await });
    sleep(Duration::from_secs(3)).await;
    server.delete();
    waiting.await.unwrap();
    assert!(start.elapsed() >= TERM, "{:?}", start.elapsed());
    assert_eq!(server.lease()["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_makes_a_deleted_lease_again_and_leads_on() {
    let server = Server::default();
    let (mut first, metrics) = elector(&server, &Link::new(1), "a");
    first.acquire().await;
    let deleting = server.clone();
    let work = async {
        sleep(Duration::from_secs(5)).await;
        deleting.delete();
        sleep(Duration::from_secs(60)).await;
    };
    assert_eq!(first.lead(work).await, Ok(()));
    assert!(leads(&metrics));
    assert_eq!(server.lease()["spec"]["holderIdentity"], "a");
}
