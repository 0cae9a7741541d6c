//! What goes wrong around it: streams that break, etcd that goes away, leases that end, the process that is killed.

use std::{
    path::Path,
    process::Command,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use etcd_client::PermissionType;
use quorate::plan::version::Minor;
use rustix::process::Signal;

use crate::{
    common::{
        etcd::{Cluster, Etcd, binary},
        ports::free_port,
    },
    life::{PREFIX, SOON, Stage, key},
    stage::{
        engine::{Run, id_of},
        eventually,
        registry::Registry,
    },
};

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_break_and_600_missed_events_cost_no_storm() {
    let mut stage = Stage::set().await;
    for number in 0..300 {
        stage.engine.put(&Run::new(&format!("old{number}"), 8000));
    }
    stage.start(&[]).await;
    eventually("all are there", SOON, async || stage.keys().await.len() == 300).await;
    for round in 0..2 {
        // 300 ends and 300 starts that nobody hears of.
        stage.engine.silent.store(true, Ordering::Relaxed);
        for number in 0..300 {
            stage.engine.die(&id_of(&format!("{}{number}", ["old", "new"][round])), 0);
            stage.engine.run(&Run::new(&format!("{}{number}", ["new", "newer"][round]), 9000));
        }
        stage.engine.silent.store(false, Ordering::Relaxed);
        if round == 0 {
            stage.engine.cut()
        } else {
            stage.engine.reset()
        }
        let wanted = format!(":{}0:80", ["new", "newer"][round]);
        let there = async || {
            let keys = stage.keys().await;
            keys.len() == 300 && keys.iter().any(|key| key.ends_with(&wanted))
        };
        let took = eventually("the set is right", SOON, there).await;
        println!("600 missed events, round {round}: right after {} ms", took.as_millis());
    }
    let streams = stage.engine.streams();
    assert!(streams <= 4, "{streams} streams were opened");
    // A stream that is cut again and again is opened with pauses.
    let before = stage.engine.streams();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        stage.engine.reset();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let opened = stage.engine.streams() - before;
    assert!(opened < 20, "{opened} streams in 3 s");
    assert!(stage.program().is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_away_costs_nothing_but_time() {
    let mut stage = Stage::set().await;
    for number in 0..10 {
        stage.engine.put(&Run::new(&format!("old{number}"), 8000));
    }
    stage.start(&["-ttl=6", "-ttl-refresh=1"]).await;
    eventually("all are there", SOON, async || stage.keys().await.len() == 10).await;
    stage.etcd.members[0].kill();
    for number in 0..10 {
        stage.engine.die(&id_of(&format!("old{number}")), 0);
        stage.engine.run(&Run::new(&format!("new{number}"), 9000));
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert!(stage.program().is_running());
    stage.etcd.members[0].restart();
    stage.etcd.members[0].wait_ready();
    let back = Instant::now();
    let right = async || {
        let keys = stage.keys().await;
        keys.len() == 10 && keys.iter().all(|key| key.contains(":new"))
    };
    eventually("the set is right", SOON, right).await;
    println!("etcd back after 8 s: right {} ms after it was ready", back.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_is_no_more_than_a_pause() {
    let etcd = Cluster::start(&binary(Minor::V3_6), 3, &[]);
    let urls: Vec<String> = etcd.members.iter().map(|one| one.client_url.clone()).collect();
    let mut stage = Stage::with(etcd).await;
    stage.engine.put(&Run::new("web", 8080));
    let endpoints = urls.join(",");
    let program = stage.spawn(&["-ttl=10", "-ttl-refresh=1"], &[("ETCD_ENDPOINTS", &endpoints)]);
    stage.program = Some(program);
    stage.expect(&["web"]).await;
    // The first endpoint is the one that is used, leader or not; both kinds of loss happen in the rounds.
    for (round, (lost, asked)) in [(0, 1), (1, 2), (2, 0)].into_iter().enumerate() {
        stage.etcd.members[lost].kill();
        stage.registry = Registry::connect(&urls[asked]).await;
        let name = format!("after{round}");
        stage.engine.run(&Run::new(&name, 8080));
        let took = eventually("a new key", SOON, async || {
            let options = etcd_client::GetOptions::new().with_serializable();
            let found = stage.registry.client.kv_client().get(key(&name), Some(options)).await;
            found.is_ok_and(|found| !found.kvs().is_empty())
        })
        .await;
        println!("member {lost} killed: new key after {} ms", took.as_millis());
        stage.etcd.members[lost].restart();
        stage.etcd.members[lost].wait_ready();
    }
    stage.expect(&["after0", "after1", "after2", "web"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_is_revoked_is_made_anew() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.start(&["-ttl=6", "-ttl-refresh=1"]).await;
    stage.expect(&["web"]).await;
    let lease = stage.registry.lease_of(&key("web")).await;
    stage.registry.client.lease_client().revoke(lease).await.unwrap();
    stage.expect(&["web"]).await;
    // Found by a write, too, before the next sign of life is due.
    let lease = stage.registry.lease_of(&key("web")).await;
    stage.registry.client.lease_client().revoke(lease).await.unwrap();
    stage.engine.run(&Run::new("new", 8081));
    stage.expect(&["new", "web"]).await;
    assert!(stage.program().log().contains("the lease of this host is gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_started_again_no_key_is_ever_absent() {
    let mut stage = Stage::set().await;
    for number in 0..50 {
        stage.engine.put(&Run::new(&format!("c{number}"), 8000));
    }
    stage.engine.put(&Run::new("own", 8000).label("SERVICE_ID", "own-id"));
    stage.start(&["-ttl=8", "-ttl-refresh=1"]).await;
    eventually("all are there", SOON, async || stage.keys().await.len() == 51).await;
    let watcher = stage.registry.watch(PREFIX).await;
    stage.program().kill();
    stage.engine.die(&id_of("c7"), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage.start(&["-ttl=8", "-ttl-refresh=1"]).await;
    eventually("the stopped one goes", SOON, async || stage.keys().await.len() == 50).await;
    // Longer than the lease of the first life: it lives on.
    tokio::time::sleep(Duration::from_secs(9)).await;
    let changes = watcher.changes();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(watcher.deleted(), [key("c7")]);
    // Killed, and not started again: gone with the lease.
    stage.program().kill();
    let took = eventually("all are gone", SOON, async || stage.keys().await.is_empty()).await;
    println!("SIGKILL without a restart, TTL 8 s: gone after {:.1} s", took.as_secs_f64());
    assert!(took > Duration::from_secs(5) && took < Duration::from_secs(14), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_it_writes_nothing() {
    let mut stage = Stage::set().await;
    for number in 0..100 {
        stage.engine.put(&Run::new(&format!("c{number}"), 8000));
    }
    stage.start(&["-ttl=6", "-ttl-refresh=1", "-resync=1"]).await;
    eventually("all are there", SOON, async || stage.keys().await.len() == 100).await;
    // Ten passes and ten signs of life: as many as in ten minutes with the usual times.
    let (revision, inspected) = (stage.registry.revision().await, stage.engine.asked()["inspect"]);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(stage.registry.revision().await, revision);
    let asked = stage.engine.asked();
    assert!(asked["list"] >= 8, "{asked:?}");
    assert!(asked["inspect"] <= inspected + 100, "nothing changed, and {asked:?} were asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_registrators_for_one_host_are_told_and_the_first_to_end_leaves_the_keys() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.start(&["-ttl=6", "-ttl-refresh=1"]).await;
    stage.expect(&["web"]).await;
    let twin = stage.spawn(&["-ttl=6", "-ttl-refresh=1"], &[]);
    let words = "another registrator runs for this host";
    eventually("the first says so", SOON, async || stage.program.as_ref().unwrap().log().contains(words))
        .await;
    eventually("the second says so", SOON, async || twin.log().contains(words)).await;
    let watcher = stage.registry.watch(PREFIX).await;
    // Whoever signed last goes on; the other one leaves without taking the keys along.
    let sign = "quorate/registrator/";
    let before = stage.registry.all(sign).await;
    eventually("the other one signs", SOON, async || stage.registry.all(sign).await != before).await;
    drop(twin);
    stage.expect(&["web"]).await;
    assert!(watcher.changes().is_empty(), "{:?}", watcher.changes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_etcd_still_loses_keys_of_what_ended_and_gets_the_rest_later() {
    let etcd = Cluster::start(&binary(Minor::V3_6), 1, &["--quota-backend-bytes=200000"]);
    let mut stage = Stage::with(etcd).await;
    stage.engine.put(&Run::new("web", 8080));
    stage.start(&[]).await;
    stage.expect(&["web"]).await;
    let filler = "x".repeat(20_000);
    let full = async || stage.registry.client.kv_client().put("filler", filler.as_str(), None).await.is_err();
    eventually("etcd is full", SOON, full).await;
    stage.engine.run(&Run::new("late", 8081));
    eventually("it says so", SOON, async || {
        stage.program.as_ref().unwrap().log().contains("database space exceeded")
    })
    .await;
    stage.engine.die(&id_of("web"), 0);
    stage.expect(&[]).await;
    let revision = stage.registry.revision().await;
    stage.registry.client.kv_client().compact(revision, None).await.unwrap();
    stage.registry.client.maintenance_client().defragment().await.unwrap();
    let alarm = etcd_client::AlarmType::Nospace;
    let status = stage.registry.client.maintenance_client().status().await.unwrap();
    let mut options = etcd_client::AlarmOptions::new();
    options.with_member(status.header().unwrap().member_id());
    stage
        .registry
        .client
        .maintenance_client()
        .alarm(etcd_client::AlarmAction::Deactivate, alarm, Some(options))
        .await
        .unwrap();
    stage.expect(&["late"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expired_is_renewed_and_a_user_with_few_rights_is_enough() {
    let etcd = Cluster::start(&binary(Minor::V3_6), 1, &["--auth-token-ttl=1"]);
    let url = etcd.members[0].client_url.clone();
    let mut stage = Stage::with(etcd).await;
    let mut auth = stage.registry.client.auth_client();
    auth.role_add("root").await.unwrap();
    auth.role_add("registrator").await.unwrap();
    let below = etcd_client::Permission::new(PermissionType::Readwrite, PREFIX).with_prefix();
    auth.role_grant_permission("registrator", below).await.unwrap();
    for (user, role) in [("root", "root"), ("me", "registrator")] {
        auth.user_add(user, "se:cret", None).await.unwrap();
        auth.user_grant_role(user, role).await.unwrap();
    }
    auth.auth_enable().await.unwrap();
    stage.registry = Registry::login(&url, "root", "se:cret").await;
    stage.engine.put(&Run::new("web", 8080));
    let account = [("ETCD_USERNAME", "me"), ("ETCD_PASSWORD", "se:cret")];
    stage.program = Some(stage.spawn(&["-ttl=30", "-ttl-refresh=10"], &account));
    let there = async |stage: &Stage, name: &str| {
        let registry = Registry::login(&url, "root", "se:cret").await;
        registry.value(&key(name)).await.is_some() && stage.program.is_some()
    };
    eventually("the first key", SOON, async || there(&stage, "web").await).await;
    // Longer than a token lives, and nothing is asked meanwhile that would renew it.
    tokio::time::sleep(Duration::from_secs(4)).await;
    stage.engine.run(&Run::new("late", 8081));
    eventually("the late key", SOON, async || there(&stage, "late").await).await;
    let log = stage.program().log();
    assert!(!log.contains("se:cret"), "{log}");
    assert!(log.contains("two registrators for one host will not be noticed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_that_hangs_holds_nobody_up() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.start(&[]).await;
    stage.expect(&["web"]).await;
    stage.etcd.members[0].freeze();
    stage.engine.run(&Run::new("late", 8081));
    tokio::time::sleep(Duration::from_secs(3)).await;
    stage.etcd.members[0].thaw();
    stage.expect(&["late", "web"]).await;
    stage.etcd.members[0].freeze();
    let (took, status) = stage.program().terminate();
    assert!(status.success() && took < Duration::from_secs(4), "{took:?}");
    stage.etcd.members[0].signal(Signal::CONT);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_how_it_is() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    let address = format!("127.0.0.1:{}", free_port());
    stage.start(&["-listen", &address, "-log-format=json"]).await;
    stage.expect(&["web"]).await;
    let status = async |path: &str| {
        let url = format!("http://{address}/{path}");
        tokio::task::spawn_blocking(move || crate::common::etcd::http_status(&url)).await.unwrap()
    };
    eventually("it is ready", SOON, async || status("readyz").await == Some(200)).await;
    assert_eq!(status("healthz").await, Some(200));
    let text =
        quorate::etcd::http::Http::new().get(&format!("http://{address}/metrics"), SOON).await.unwrap().body;
    let text = String::from_utf8_lossy(&text);
    for line in
        ["registrator_services{state=\"registered\"} 1", "registrator_containers 1", "registrator_twins 0"]
    {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    stage.engine.stop();
    eventually("it is not ready", SOON, async || status("readyz").await == Some(503)).await;
    let log = stage.program().log();
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_writes_nothing_and_says_what_it_would() {
    let stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    let mut program = stage.spawn(&["-dry-run", "-output", "skydns=/skydns/local/cluster"], &[]);
    assert!(program.wait(SOON).success(), "{}", program.log());
    let log = program.log();
    assert!(log.contains("/registrator/web/host1:web:80 = 10.9.17.201:8080\n"), "{log}");
    assert!(
        log.contains(
            "/skydns/local/cluster/web/host1-web-80 = {\"host\":\"10.9.17.201\",\"port\":8080,\"ttl\":30}\n"
        ),
        "{log}"
    );
    assert_eq!(stage.registry.keys("").await, Vec::<String>::new());
}

/// Runs openssl in a folder. Whether it did what it was asked.
fn openssl(folder: &Path, arguments: &str) -> bool {
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output();
    output.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn etcd_is_spoken_to_with_tls_and_only_if_its_certificate_is_known() {
    let binary = binary(Minor::V3_6);
    let folder = tempfile::Builder::new().prefix("quorate-test-").tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    std::fs::write(at("server.ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        .unwrap();
    let mut made =
        openssl(folder.path(), &format!("req -x509 {new_key} -subj /CN=ca -keyout ca.key -out ca.crt"));
    for name in ["server", "client"] {
        made &= openssl(
            folder.path(),
            &format!("req {new_key} -subj /CN={name} -keyout {name}.key -out {name}.csr"),
        );
        made &= openssl(
            folder.path(),
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out {name}.crt"
            ),
        );
    }
    if !made {
        println!("not checked: there is no openssl here to make certificates with");
        return;
    }
    let mut member = Etcd::place(&binary, "m0", folder.path());
    let secure = format!("https://127.0.0.1:{}", free_port());
    let flags = [
        format!("--listen-client-urls={},{secure}", member.client_url),
        format!("--cert-file={}", at("server.crt")),
        format!("--key-file={}", at("server.key")),
        format!("--trusted-ca-file={}", at("ca.crt")),
        "--client-cert-auth".to_owned(),
    ];
    let peers = [member.peer()];
    member.start("new", &peers, &flags.each_ref().map(String::as_str));
    member.wait_ready();
    let (ca, cert, key) = (at("ca.crt"), at("client.crt"), at("client.key"));
    let mut stage = Stage::with(Cluster { members: vec![member], binary, folder }).await;
    stage.engine.put(&Run::new("web", 8080));
    let endpoints = ("ETCD_ENDPOINTS", secure.as_str());
    let known = [endpoints, ("ETCD_CA_CERT_FILE", &ca), ("ETCD_CERT_FILE", &cert), ("ETCD_KEY_FILE", &key)];
    stage.program = Some(stage.spawn(&[], &known));
    stage.expect(&["web"]).await;
    // Without the CA nobody is trusted, and without a certificate etcd trusts nobody.
    for known in [known[..1].to_vec(), known[..2].to_vec(), vec![endpoints, ("ETCD_CA_CERT_FILE", &key)]] {
        let mut stranger = stage.spawn(&[], &known);
        assert_eq!(stranger.wait(SOON).code(), Some(1), "{}", stranger.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_level_of_the_log_tells_the_variables_of_containers() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    let filter = ("RUST_LOG", "trace,bollard=trace,bollard::docker=debug");
    stage.program = Some(stage.spawn(&[], &[filter]));
    stage.expect(&["web"]).await;
    // What can't be read is not quoted either.
    stage.engine.put(&Run::new("odd", 8081));
    stage.engine.change(&id_of("odd"), |one| one["Config"]["Env"] = serde_json::json!(["A=hidden-word", 7]));
    stage.engine.say("start", &id_of("odd"), &[]);
    let told = async || stage.program.as_ref().unwrap().log().contains("can't be read");
    eventually("it says so", SOON, told).await;
    let log = stage.program().log();
    assert!(log.contains("DEBUG") && log.contains("TRACE"), "the filter is not in force");
    assert!(!log.contains("hidden-word"));
}
