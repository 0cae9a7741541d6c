//! The same on a real API server, so that the fake is one.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace},
    events::v1::Event,
};
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use quorate::{
    kubernetes::{
        client,
        events::{self, Kind, News},
        lease::{Elector, Lost},
    },
    telemetry::metrics::Metrics,
};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

async fn connected() -> (Client, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::of_operator());
    (client::connect(Arc::clone(&metrics)).await.unwrap(), metrics)
}

/// Runs a test in a namespace of its own, which is deleted however the test ends.
async fn in_namespace<F, T>(prefix: &str, test: T)
where
    F: Future<Output = ()> + Send + 'static,
    T: FnOnce(Client, Arc<Metrics>, String) -> F,
{
    let (client, metrics) = connected().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let name = format!("{prefix}-{}", std::process::id());
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let result = tokio::spawn(test(client, metrics, name.clone())).await;
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    result.unwrap();
}

#[tokio::test]
async fn a_real_server_hands_over_and_refuses_what_is_old() {
    in_namespace("quorate-e2e-lease", hand_over).await;
}

async fn hand_over(client: Client, metrics: Arc<Metrics>, namespace: String) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let elector = |name| Elector::new(client.clone(), &namespace, "quorate", name, Arc::clone(&metrics));
    let (mut first, mut second) = (elector("a"), elector("b"));
    timeout(Duration::from_secs(5), first.acquire()).await.unwrap();
    let waiting = tokio::spawn(async move {
        second.acquire().await;
        second
    });
    assert_eq!(first.lead(sleep(Duration::from_secs(5))).await, Ok(()));
    let held = leases.get("quorate").await.unwrap();
    let spec = held.spec.clone().unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some("a"), Some(15)));
    assert!(spec.renew_time > spec.acquire_time, "{spec:?}");

    let start = Instant::now();
    first.release().await;
    let mut second = waiting.await.unwrap();
    assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
    let spec = leases.get("quorate").await.unwrap().spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("b"), Some(1)));

    // A write on what was read before the hand-over is refused, as the fake refuses it.
    let version = held.metadata.resource_version;
    let old = json!({ "metadata": { "resourceVersion": version }, "spec": { "holderIdentity": "a" } });
    let said = leases.patch("quorate", &PatchParams::default(), &Patch::Merge(old)).await.unwrap_err();
    assert!(matches!(&said, kube::Error::Api(status) if status.code == 409), "{said}");

    // Whoever is written into it by hand, leads no more.
    let patch = json!({ "spec": { "holderIdentity": "somebody" } });
    leases.patch("quorate", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    let lost = timeout(Duration::from_secs(4), second.hold()).await.unwrap();
    assert!(matches!(&lost, Lost::Taken { by, .. } if by == "somebody"), "{lost}");

    let text = metrics.render().unwrap();
    for part in [r#"verb="patch",kind="leases",code="200""#, r#"verb="patch",kind="leases",code="409""#] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

/// A program that is killed when the test ends.
struct Operator {
    child: Child,
    address: String,
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Operator {
    fn start(namespace: &str, identity: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(["operator", "--image", "quorate:test", "--namespace", namespace])
            .args(["--lease-namespace", namespace, "--identity", identity, "--http", &address])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, address }
    }

    fn get(&self, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(&self.address) else { return String::new() };
        let host = &self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    async fn until(&self, path: &str, words: &str, within: Duration) {
        let start = Instant::now();
        loop {
            let said = self.get(path);
            if said.contains(words) {
                return;
            }
            assert!(start.elapsed() < within, "{path} has no {words:?} after {within:?}:\n{said}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn ended(&mut self, within: Duration) -> (ExitStatus, String) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut said = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                return (status, said);
            }
            assert!(start.elapsed() < within, "it runs on after {within:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn of_two_operators_one_leads_and_the_other_takes_over() {
    in_namespace("quorate-e2e-operator", take_over).await;
}

async fn take_over(client: Client, _: Arc<Metrics>, namespace: String) {
    let soon = Duration::from_secs(10);
    let mut first = Operator::start(&namespace, "first");
    first.until("/metrics", "\nquorate_leader 1\n", soon).await;
    let mut second = Operator::start(&namespace, "second");
    // Who stands by is ready: a roll-out would never end otherwise.
    second.until("/readyz", "200 OK", soon).await;
    second.until("/healthz", "200 OK", soon).await;
    sleep(Duration::from_secs(3)).await;
    second.until("/metrics", "\nquorate_leader 0\n", soon).await;

    let start = Instant::now();
    let pid = rustix::process::Pid::from_child(&first.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let (status, said) = first.ended(Duration::from_secs(2)).await;
    assert_eq!(status.code(), Some(0), "{said}");
    second.until("/metrics", "\nquorate_leader 1\n", soon).await;
    assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());

    let leases: Api<Lease> = Api::namespaced(client, &namespace);
    let patch = json!({ "spec": { "holderIdentity": "somebody" } });
    leases.patch("quorate", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    let (status, said) = second.ended(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("is held by \"somebody\""), "{said}");
}

#[tokio::test]
async fn events_reach_people_and_repetitions_become_a_series() {
    in_namespace("quorate-e2e-events", events_of_an_object).await;
}

async fn events_of_an_object(client: Client, metrics: Arc<Metrics>, namespace: String) {
    let objects: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let object = serde_json::from_value(json!({ "metadata": { "name": "demo" } })).unwrap();
    let object = objects.create(&PostParams::default(), &object).await.unwrap();
    let (teller, sender) = events::channel(client.clone(), "pod-1", Arc::clone(&metrics));
    let sending = tokio::spawn(sender.run());
    let news = |note: &str| News {
        kind: Kind::Warning,
        reason: "MembersUnhealthy".into(),
        note: note.into(),
        action: "Degraded".into(),
    };
    for note in ["one is down", "another is down", "one is down", "one is down"] {
        teller.tell(&object.object_ref(&()), news(note));
    }
    drop(teller);
    sending.await.unwrap();
    let events: Api<Event> = Api::namespaced(client, &namespace);
    let mut events: Vec<_> = events.list(&Default::default()).await.unwrap().items;
    events.retain(|event| event.regarding.as_ref().unwrap().uid == object.metadata.uid);
    events.sort_by(|a, b| b.note.cmp(&a.note));
    let told: Vec<_> = events
        .iter()
        .map(|event| (event.note.as_deref().unwrap(), event.series.as_ref().map_or(1, |series| series.count)))
        .collect();
    assert_eq!(told, [("one is down", 2), ("another is down", 1)]);
    assert_eq!(events[0].reporting_controller.as_deref(), Some("quorate"));
    assert_eq!(events[0].reporting_instance.as_deref(), Some("pod-1"));
    assert!(metrics.render().unwrap().contains("quorate_events_total{result=\"sent\"} 4"));
}
