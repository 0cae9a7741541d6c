//! The 22 life cycles of `cases.json` as scripts of events, with the scripted engine and a real etcd.

use std::{sync::atomic::Ordering, time::Duration};

use quorate::plan::version::Minor;
use serde_json::json;

use crate::{
    cases,
    common::etcd::{Cluster, binary},
    stage::{
        engine::{Engine, Run, id_of},
        eventually,
        program::Program,
        registry::Registry,
    },
};

/// A host: its engine, etcd, and a registrator.
pub struct Stage {
    // First, so that it ends before the folder with its log goes.
    pub program: Option<Program>,
    pub engine: Engine,
    pub etcd: Cluster,
    pub registry: Registry,
    uri: String,
}

pub const PREFIX: &str = "/registrator/";
pub const SOON: Duration = Duration::from_secs(20);

impl Stage {
    /// An engine and an etcd; no registrator yet.
    pub async fn set() -> Self {
        Self::with(Cluster::start(&binary(Minor::V3_6), 1, &[])).await
    }

    pub async fn with(etcd: Cluster) -> Self {
        let url = etcd.members[0].client_url.clone();
        let registry = Registry::connect(&url).await;
        let uri = format!("etcd://{}/registrator", url.trim_start_matches("http://"));
        let engine = Engine::start(etcd.folder.path());
        Self { engine, etcd, registry, program: None, uri }
    }

    pub fn spawn(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Program {
        let mut all = arguments.to_vec();
        all.push(&self.uri);
        let binary = env!("CARGO_BIN_EXE_quorate-registrator");
        Program::start(binary, self.etcd.folder.path(), &self.engine.host(), &all, environment)
    }

    /// Starts a registrator and waits for its first look.
    pub async fn start(&mut self, arguments: &[&str]) {
        self.program = Some(self.spawn(arguments, &[]));
        let program = self.program.as_ref().unwrap();
        eventually("it listens", SOON, async || program.log().contains("Syncing services on")).await;
    }

    pub async fn keys(&self) -> Vec<String> {
        self.registry.keys(PREFIX).await
    }

    /// Waits until exactly these keys are there.
    pub async fn expect(&self, names: &[&str]) -> Duration {
        let mut wanted: Vec<String> = names.iter().map(|name| key(name)).collect();
        wanted.sort();
        let what = format!("the keys of {names:?}");
        eventually(&what, SOON, async || self.keys().await == wanted).await
    }

    pub fn program(&mut self) -> &mut Program {
        self.program.as_mut().unwrap()
    }
}

/// The key of a container of [`Run::new`].
pub fn key(name: &str) -> String {
    format!("/registrator/web/host1:{name}:80")
}

/// Some events later: an event that was not looked at would have shown by now.
async fn after_a_marker(stage: &Stage, name: &str) {
    stage.engine.run(&Run::new(name, 9_999));
    eventually("the marker", SOON, async || stage.keys().await.contains(&key(name))).await;
    stage.engine.die(&id_of(name), 0);
    eventually("no marker", SOON, async || !stage.keys().await.contains(&key(name))).await;
}

#[test]
fn every_life_cycle_of_the_file_has_a_test() {
    let file = cases::file();
    let here = include_str!("life.rs");
    let elsewhere = include_str!("faults.rs");
    let all = file["lifecycle"].as_array().unwrap();
    assert_eq!(all.len(), 22);
    for one in all {
        let name = format!("// life cycle: {}\n", one["name"].as_str().unwrap());
        assert!(here.contains(&name) || elsewhere.contains(&name), "no test is marked with {name}");
    }
}

// life cycle: sync-at-start
// life cycle: etcd-3.4+-v2-disabled
// life cycle: etcd-version-x.0.4
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_at_the_start_is_registered_with_every_etcd() {
    for minor in [Minor::V3_5, Minor::V3_6, Minor::V3_7] {
        let etcd = Cluster::start(&binary(minor), 1, &[]);
        let mut stage = Stage::with(etcd).await;
        stage.engine.put(&Run::new("a", 8081));
        stage.engine.put(&Run::new("b", 8082));
        stage.start(&[]).await;
        stage.expect(&["a", "b"]).await;
        assert_eq!(stage.registry.value(&key("a")).await.as_deref(), Some("10.9.17.201:8081"));
        let (took, status) = stage.program().terminate();
        assert!(status.success() && took < Duration::from_secs(3), "{took:?} {status}");
        assert_eq!(stage.keys().await, Vec::<String>::new());
        assert_eq!(stage.engine.forbidden(), Vec::<String>::new());
        assert!(!stage.program().log().contains("hidden-word"));
    }
}

// life cycle: events-during-first-sync
#[tokio::test(flavor = "multi_thread")]
async fn events_during_the_first_look_are_not_lost() {
    let mut stage = Stage::set().await;
    for number in 0..300 {
        stage.engine.put(&Run::new(&format!("c{number}"), 8000));
    }
    stage.program = Some(stage.spawn(&[], &[]));
    eventually("the list is read", SOON, async || stage.engine.asked().contains_key("inspect")).await;
    for number in 0..20 {
        stage.engine.run(&Run::new(&format!("new{number}"), 9000));
        stage.engine.stop_container(&id_of(&format!("c{number}")));
    }
    let there = async || {
        let keys = stage.keys().await;
        keys.len() == 300 && (0..20).all(|number| keys.contains(&key(&format!("new{number}"))))
    };
    eventually("all are there", SOON, there).await;
}

// life cycle: docker-restart
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_ends_with_the_key_there() {
    let mut stage = Stage::set().await;
    let all: Vec<Run> = (0..40).map(|number| Run::new(&format!("c{number}"), 8000)).collect();
    all.iter().for_each(|run| stage.engine.put(run));
    stage.start(&[]).await;
    eventually("all are there", SOON, async || stage.keys().await.len() == 40).await;
    for run in &all {
        stage.engine.stop_container(&run.id);
        let mut run = run.clone();
        // `-P`: another port after every start.
        run.ports[0].1 = 9000;
        stage.engine.run(&run);
        stage.engine.say("restart", &run.id, &[]);
    }
    let again = async || {
        let all = stage.registry.all(PREFIX).await;
        all.len() == 40 && all.values().all(|value| value == "10.9.17.201:9000")
    };
    eventually("all are there with their new port", SOON, again).await;
}

// life cycle: on-success-exit-0
// life cycle: on-success-exit-1-ttl
// life cycle: failed-container-restarted-new-port
// life cycle: on-success-still-running
#[tokio::test(flavor = "multi_thread")]
async fn on_success_keeps_what_failed_for_its_time() {
    let mut stage = Stage::set().await;
    for name in ["good", "bad", "killed", "moves", "gone", "stays"] {
        stage.engine.put(&Run::new(name, 8080));
    }
    stage.start(&["-deregister=on-success", "-ttl=5", "-ttl-refresh=1"]).await;
    stage.expect(&["good", "bad", "killed", "moves", "gone", "stays"]).await;
    let began = std::time::Instant::now();
    stage.engine.die(&id_of("good"), 0);
    stage.engine.die(&id_of("bad"), 1);
    stage.engine.die(&id_of("killed"), 137);
    stage.engine.die(&id_of("moves"), 1);
    stage.engine.vanish(&id_of("gone"));
    stage.engine.say("die", &id_of("gone"), &[("exitCode", "1")]);
    stage.engine.say("die", &id_of("stays"), &[]);
    stage.engine.say("start", &id_of("stays"), &[]);
    stage.expect(&["bad", "moves", "stays"]).await;
    assert!(began.elapsed() < Duration::from_secs(4), "too slow to tell: {:?}", began.elapsed());
    stage.engine.run(&Run::new("moves", 9090));
    let moved = async || stage.registry.value(&key("moves")).await.as_deref() == Some("10.9.17.201:9090");
    eventually("the new port", SOON, moved).await;
    stage.expect(&["moves", "stays"]).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(4), "the key of the failed one went after {took:?}");
    tokio::time::sleep(Duration::from_secs(2)).await;
    stage.expect(&["moves", "stays"]).await;
}

// life cycle: pause-unpause
// life cycle: kill-hup
// life cycle: rename
// life cycle: network-connect
// life cycle: health-unhealthy
#[tokio::test(flavor = "multi_thread")]
async fn what_changes_while_it_runs_is_followed() {
    let mut stage = Stage::set().await;
    let mut checked = Run::new("checked", 8081);
    checked.health = Some("starting".into());
    let mut internal = Run::new("wired", 8082);
    internal.network = ("front".into(), "172.20.0.5".into());
    for run in [&Run::new("web", 8080), &checked, &internal] {
        stage.engine.put(run);
    }
    stage.start(&["-health", "-pause=remove", "-internal"]).await;
    stage.expect(&["wired", "web"]).await;
    let pause = |paused: bool| move |one: &mut serde_json::Value| one["State"]["Paused"] = json!(paused);
    stage.engine.change(&id_of("web"), pause(true));
    stage.engine.say("pause", &id_of("web"), &[]);
    stage.expect(&["wired"]).await;
    stage.engine.change(&id_of("web"), pause(false));
    stage.engine.say("unpause", &id_of("web"), &[]);
    stage.expect(&["wired", "web"]).await;
    let health = |word: &str| {
        let word = word.to_owned();
        move |one: &mut serde_json::Value| one["State"]["Health"]["Status"] = json!(word)
    };
    stage.engine.change(&id_of("checked"), health("healthy"));
    stage.engine.say("health_status: healthy", &id_of("checked"), &[]);
    stage.expect(&["checked", "wired", "web"]).await;
    stage.engine.change(&id_of("checked"), health("unhealthy"));
    // Podman's spelling.
    stage.engine.say("health_status", &id_of("checked"), &[("health_status", "unhealthy")]);
    stage.expect(&["wired", "web"]).await;
    stage.engine.say("kill", &id_of("web"), &[("signal", "1")]);
    let watcher = stage.registry.watch(PREFIX).await;
    stage.engine.change(&id_of("web"), |one| one["Name"] = json!("/web2"));
    stage.engine.say("rename", &id_of("web"), &[("oldName", "/web"), ("name", "web2")]);
    stage.expect(&["wired", "web2"]).await;
    eventually("both changes are seen", SOON, async || watcher.changes().len() == 2).await;
    // One transaction, so nobody sees neither.
    assert_eq!(watcher.deleted(), [key("web")]);
    stage.engine.change(&id_of("wired"), |one| {
        one["NetworkSettings"]["Networks"]["front"]["IPAddress"] = json!("172.20.0.9");
    });
    stage.engine.event("network", "connect", "net", json!({"container": id_of("wired"), "name": "front"}));
    let moved = async || stage.registry.value(&key("wired")).await.as_deref() == Some("172.20.0.9:80");
    eventually("the new address", SOON, moved).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_those_flags_pause_and_health_change_nothing() {
    let mut stage = Stage::set().await;
    let mut checked = Run::new("checked", 8081);
    checked.health = Some("unhealthy".into());
    stage.engine.put(&checked);
    stage.engine.put(&Run::new("web", 8080));
    stage.start(&[]).await;
    stage.expect(&["checked", "web"]).await;
    let revision = stage.registry.revision().await;
    stage.engine.change(&id_of("web"), |one| one["State"]["Paused"] = json!(true));
    stage.engine.say("pause", &id_of("web"), &[]);
    stage.engine.say("kill", &id_of("web"), &[("signal", "1")]);
    after_a_marker(&stage, "marker").await;
    stage.expect(&["checked", "web"]).await;
    assert_eq!(stage.registry.revision().await, revision + 2, "only the marker was written");
}

// life cycle: docker-stop-grace
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_asked_to_stop_goes_first_if_that_is_wanted() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.engine.put(&Run::new("other", 8081));
    stage.engine.change(&id_of("other"), |one| one["Config"]["StopTimeout"] = json!(1));
    stage.start(&["-deregister-on-stop"]).await;
    stage.expect(&["other", "web"]).await;
    stage.engine.say("kill", &id_of("web"), &[("signal", "1")]);
    stage.engine.say("kill", &id_of("web"), &[("signal", "15")]);
    stage.expect(&["other"]).await;
    stage.engine.stop_container(&id_of("web"));
    stage.engine.run(&Run::new("web", 8080));
    stage.expect(&["other", "web"]).await;
    // One that does not follow comes back after its time.
    stage.engine.say("kill", &id_of("other"), &[("signal", "15")]);
    stage.expect(&["web"]).await;
    stage.expect(&["other", "web"]).await;
}

// life cycle: foreign-delete
// life cycle: cleanup-etcd
// life cycle: registrator-crash-container-gone
#[tokio::test(flavor = "multi_thread")]
async fn what_others_delete_comes_back_and_what_was_left_goes() {
    let mut stage = Stage::set().await;
    // Left by the original, moved over from v2, or by this program with -ttl 0.
    stage.registry.put("/registrator/old/host1:gone:80", "10.9.17.201:1", 0).await;
    stage.registry.put("/registrator/old/host2:there:80", "10.9.17.202:1", 0).await;
    stage.registry.put(&key("web"), "10.9.17.201:7777", 0).await;
    stage.engine.put(&Run::new("web", 8080));
    stage.start(&["-ttl=6", "-ttl-refresh=1", "-cleanup"]).await;
    let wanted = vec!["/registrator/old/host2:there:80".to_owned(), key("web")];
    eventually("the old key goes", SOON, async || stage.keys().await == wanted).await;
    assert_eq!(stage.registry.value(&key("web")).await.as_deref(), Some("10.9.17.201:8080"));
    stage.registry.delete(&key("web")).await;
    eventually("the key is back", SOON, async || stage.keys().await == wanted).await;
    // Somebody writes something else there: it is the host's key by its ID, so it is put right.
    stage.registry.put(&key("web"), "1.2.3.4:5", 0).await;
    let right = async || stage.registry.value(&key("web")).await.as_deref() == Some("10.9.17.201:8080");
    eventually("the value is right", SOON, right).await;
    assert_ne!(stage.registry.lease_of(&key("web")).await, 0);
    // A key of our own lease whose container went while nobody looked.
    stage.program().kill();
    stage.engine.vanish(&id_of("web"));
    stage.start(&["-ttl=6", "-ttl-refresh=1"]).await;
    let wanted = vec!["/registrator/old/host2:there:80".to_owned()];
    eventually("the key of the vanished container goes", Duration::from_secs(4), async || {
        stage.keys().await == wanted
    })
    .await;
}

// life cycle: dockerd-restart
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_and_comes_back_is_listened_to_again() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.engine.put(&Run::new("gone", 8081));
    stage.start(&[]).await;
    stage.expect(&["gone", "web"]).await;
    stage.engine.stop();
    stage.engine.vanish(&id_of("gone"));
    stage.engine.put(&Run::new("new", 8082));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.keys().await, [key("gone"), key("web")], "nothing is known while the engine is away");
    assert!(stage.program().is_running());
    stage.engine.serve();
    stage.expect(&["new", "web"]).await;
    stage.engine.run(&Run::new("later", 8083));
    stage.expect(&["later", "new", "web"]).await;
    assert!(stage.engine.streams() < 20, "{} streams", stage.engine.streams());
}

// life cycle: sigterm
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_takes_the_keys_along_unless_they_are_to_stay() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.start(&["-deregister-on-exit=false"]).await;
    stage.expect(&["web"]).await;
    let (_, status) = stage.program().terminate();
    assert!(status.success());
    stage.expect(&["web"]).await;
    stage.start(&[]).await;
    let (took, status) = stage.program().terminate();
    assert!(status.success());
    assert_eq!(stage.keys().await, Vec::<String>::new());
    println!("SIGTERM: keys gone and process ended after {} ms", took.as_millis());
    assert!(took < Duration::from_secs(4), "{took:?}");
    // Without a lease too.
    stage.start(&["-ttl", "0"]).await;
    stage.expect(&["web"]).await;
    assert_eq!(stage.registry.lease_of(&key("web")).await, 0);
    stage.program().terminate();
    assert_eq!(stage.keys().await, Vec::<String>::new());
}

// life cycle: etcd-down-at-boot
#[tokio::test(flavor = "multi_thread")]
async fn the_start_waits_for_etcd_as_often_as_it_is_told() {
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.etcd.members[0].kill();
    let mut impatient = stage.spawn(&["-retry-attempts=1", "-retry-interval=10"], &[]);
    let status = impatient.wait(SOON);
    assert_eq!(status.code(), Some(1), "{}", impatient.log());
    assert!(impatient.log().contains("Connecting to backend (1/1)"), "{}", impatient.log());
    let patient = stage.spawn(&["-retry-attempts=-1", "-retry-interval=50"], &[]);
    eventually("it tries again", SOON, async || patient.log().matches("Connecting to backend").count() > 3)
        .await;
    stage.etcd.members[0].restart();
    stage.etcd.members[0].wait_ready();
    stage.expect(&["web"]).await;
}

// life cycle: same-id-two-hosts
#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_never_touch_each_others_keys() {
    let mut stage = Stage::set().await;
    let other = Engine::start(&{
        let folder = stage.etcd.folder.path().join("other");
        std::fs::create_dir_all(&folder).unwrap();
        folder
    });
    let same = |port| Run::new("web", port).label("SERVICE_ID", "web-1");
    stage.engine.put(&same(8080));
    other.put(&same(9090));
    other.put(&Run::new("thief", 6666).label("SERVICE_ID", "host1:victim:80"));
    stage.engine.put(&Run::new("victim", 8081));
    stage.start(&["-ttl=6", "-ttl-refresh=1"]).await;
    let shared = "/registrator/web/web-1";
    eventually("the first has it", SOON, async || stage.registry.value(shared).await.is_some()).await;
    let uri = stage.uri.clone();
    let second = Program::start(
        env!("CARGO_BIN_EXE_quorate-registrator"),
        stage.etcd.folder.path(),
        &other.host(),
        &["-host-name=host2", "-ip=10.9.17.202", "-ttl=6", "-ttl-refresh=1", &uri],
        &[],
    );
    eventually("the second says so", SOON, async || second.log().matches("conflict: ").count() == 2).await;
    assert_eq!(stage.registry.value(shared).await.as_deref(), Some("10.9.17.201:8080"));
    assert_eq!(stage.registry.value(&key("victim")).await.as_deref(), Some("10.9.17.201:8081"));
    // The second one's end does not take it away, and the first one's end gives it free.
    other.die(&id_of("thief"), 0);
    stage.engine.die(&id_of("web"), 0);
    let moved = async || stage.registry.value(shared).await.as_deref() == Some("10.9.17.202:9090");
    eventually("the second has it", SOON, moved).await;
    assert_eq!(stage.registry.value(&key("victim")).await.as_deref(), Some("10.9.17.201:8081"));
    stage.program().terminate();
    assert_eq!(stage.keys().await, [shared], "only the first one's keys went");
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_is_taken_only_if_that_is_asked_for() {
    let mut stage = Stage::set().await;
    let shared = "/registrator/web/web-1";
    stage.registry.put(shared, "somebody:1", 0).await;
    stage.engine.put(&Run::new("web", 8080).label("SERVICE_ID", "web-1"));
    stage.start(&["-on-conflict=take"]).await;
    let taken = async || stage.registry.value(shared).await.as_deref() == Some("10.9.17.201:8080");
    eventually("it is taken", SOON, taken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_labels_cost_their_service_and_nothing_else() {
    let mut stage = Stage::set().await;
    let names =
        ["../x", "../../x", "..", "a//b", "a/../b", "a\u{0}b", "a\nb", "{{ . }}", &"n".repeat(10_000)];
    for (number, name) in names.iter().enumerate() {
        stage.engine.put(&Run::new(&format!("c{number}"), 8000).label("SERVICE_NAME", name));
    }
    stage
        .engine
        .put(&Run::new("web", 8080).env("SERVICE_TAGS=a").label("SERVICE_ATTR", &"x".repeat(100_000)));
    stage.start(&["-output", "json=/json", "-tags", "{{ .Name }},{{ index .Config.Env 0 }}"]).await;
    eventually("the good one", SOON, async || stage.keys().await.contains(&key("web"))).await;
    let all = stage.registry.keys("").await;
    assert!(
        all.iter()
            .all(|key| key.starts_with(PREFIX) || key.starts_with("/json/") || key.starts_with("quorate/")),
        "{all:?}"
    );
    // Four of the nine names lead nowhere; the attribute of 100 KB is too long for the output in JSON.
    assert_eq!(stage.keys().await.len(), 6);
    let log = stage.program().log();
    assert_eq!(log.matches("refused: ").count(), 2 * 4 + 1, "{log}");
    let json = stage.registry.value("/json/b/host1:c4:80").await.unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    // PATH and PASSWORD are gone before a template sees them: there is no first variable here.
    assert_eq!(json["tags"], json!([]));
    assert!(log.contains("out of range"), "{log}");
    stage.engine.silent.store(false, Ordering::Relaxed);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_may_come_from_another_server_if_that_is_allowed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/zone", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let said = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nzone-a";
            let _ = stream.write_all(said).await;
        }
    });
    let mut stage = Stage::set().await;
    let template = format!("{{{{ httpGet {url:?} }}}}");
    let mut refused = stage.spawn(&["-tags", &template], &[]);
    assert_eq!(refused.wait(SOON).code(), Some(1));
    assert!(refused.log().contains("-allow-http-get"), "{}", refused.log());
    stage.engine.run(&Run::new("web", 8080));
    stage.start(&["-allow-http-get", "-format=json", "-tags", &template]).await;
    stage.expect(&["web"]).await;
    let value = stage.registry.value(&key("web")).await.unwrap();
    assert!(value.contains(r#""tags":["zone-a"]"#), "{value}");
}
