//! The real engine: 24 containers that are started, restarted, killed and stopped at once.
//!
//! Where no engine answers, nothing is checked, and the test says so.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use quorate::plan::version::Minor;

use crate::{
    common::etcd::{Cluster, binary},
    stage::{eventually, program::Program, registry::Registry},
};

const SOON: Duration = Duration::from_secs(60);
const COUNT: usize = 24;

fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

async fn docker_all(verb: &[&str], names: &[String]) {
    let arguments: Vec<String> =
        verb.iter().map(|&one| one.to_owned()).chain(names.iter().cloned()).collect();
    let run = move || docker(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    tokio::task::spawn_blocking(run).await.unwrap().unwrap();
}

/// An image with one static program that waits: etcd, as a gateway to nowhere.
fn image(etcd: &Path) -> String {
    let name = format!("quorate-test:{}", std::process::id());
    let folder = etcd.parent().unwrap();
    let mut pack = Command::new("tar")
        .args(["c", "-C", folder.to_str().unwrap(), "etcd"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let import = Command::new("docker")
        .args(["import", "-c", "EXPOSE 80", "-", &name])
        .stdin(pack.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(import.status.success() && pack.wait().unwrap().success(), "{import:?}");
    name
}

/// The containers of the test; they go with it.
struct Containers {
    names: Vec<String>,
    image: String,
}

impl Containers {
    fn run(&self, name: &str, more: &[&str], command: &[&str]) -> Result<String, String> {
        let mut arguments = vec!["run", "-p", "80", "--stop-timeout=1", "--name", name];
        arguments.extend_from_slice(more);
        arguments.push(&self.image);
        arguments.extend_from_slice(command);
        docker(&arguments)
    }
}

const WAIT: [&str; 5] = ["/etcd", "gateway", "start", "--listen-addr=0.0.0.0:80", "--endpoints=127.0.0.1:1"];

impl Drop for Containers {
    fn drop(&mut self) {
        let mut arguments = vec!["rm", "--force"];
        arguments.extend(self.names.iter().map(String::as_str));
        let _ = docker(&arguments);
        let _ = docker(&["rmi", &self.image]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_engine_loses_and_leaves_nothing() {
    if let Err(error) = docker(&["version", "--format", "{{.Server.Version}}"]) {
        println!("not checked: there is no Docker engine here: {error}");
        return;
    }
    let etcd = Cluster::start(&binary(Minor::V3_6), 1, &[]);
    let url = etcd.members[0].client_url.clone();
    let registry = Registry::connect(&url).await;
    let prefix = format!("quorate-test-{}-", std::process::id());
    let names = (0..COUNT).map(|number| format!("{prefix}{number}")).collect();
    let all = Containers { names, image: image(&etcd.binary.path) };
    let uri = format!("etcd://{}/registrator", url.trim_start_matches("http://"));
    let socket = "unix:///var/run/docker.sock";
    let binary = env!("CARGO_BIN_EXE_quorate-registrator");
    let mut program = Program::start(binary, etcd.folder.path(), socket, &[&uri], &[]);
    let watcher = registry.watch("/registrator/").await;
    // Other containers may run on this engine.
    let ours = async || {
        let all = registry.all("/registrator/").await;
        all.into_iter().filter(|(key, _)| key.contains(&prefix)).collect::<Vec<_>>()
    };
    let expect = async |what: &str, count: usize| {
        let took = eventually(what, SOON, async || ours().await.len() == count).await;
        println!("{what}: right after {} ms", took.as_millis());
    };

    let mut times = Vec::new();
    for name in &all.names {
        all.run(name, &["--detach"], &WAIT).unwrap();
        let began = Instant::now();
        eventually("its key", SOON, async || {
            ours().await.iter().any(|(key, _)| key.ends_with(&format!(":{name}:80")))
        })
        .await;
        times.push(began.elapsed());
    }
    times.sort();
    println!("docker run has returned → key read: p50 {:?}, most {:?}", times[COUNT / 2], times[COUNT - 1]);
    docker_all(&["restart", "--time=1"], &all.names).await;
    expect("docker restart of 24 in one command", COUNT).await;
    // Every port is the one the engine gives now.
    for (key, value) in ours().await {
        let name = key.split(':').nth(1).unwrap();
        let port = docker(&["port", name, "80/tcp"]).unwrap();
        let port = port.lines().next().and_then(|line| line.rsplit_once(':')).unwrap().1.to_owned();
        assert_eq!(value, format!("10.9.17.201:{port}"), "{key}");
    }
    docker_all(&["kill"], &all.names).await;
    expect("docker kill of 24 in one command", 0).await;
    docker_all(&["start"], &all.names).await;
    expect("docker start of 24 in one command", COUNT).await;
    docker_all(&["rename", &all.names[0]], &[format!("{prefix}renamed")]).await;
    eventually("the new name", SOON, async || ours().await.iter().any(|(key, _)| key.contains("renamed")))
        .await;
    docker_all(&["rename", &format!("{prefix}renamed")], &all.names[..1]).await;
    docker_all(&["stop", "--time=1"], &all.names).await;
    expect("docker stop of 24 in one command", 0).await;
    // Programs that end at once may show for a moment, and never stay.
    for number in 0..4 {
        let name = format!("{prefix}short{number}");
        let _ = all.run(&name, &["--rm"], &["/etcd", "--version"]);
    }
    let host = format!("{prefix}host");
    docker(&[
        "run",
        "--detach",
        "--net=host",
        "--name",
        &host,
        &all.image,
        "/etcd",
        "gateway",
        "start",
        "--listen-addr=127.0.0.1:0",
        "--endpoints=127.0.0.1:1",
    ])
    .unwrap();
    expect("one on the network of the host", 1).await;
    let (_, value) = ours().await.remove(0);
    docker(&["rm", "--force", &host]).unwrap();
    assert_eq!(value, "10.9.17.201:80");
    expect("nothing is left", 0).await;
    assert!(program.is_running());
    assert!(!watcher.changes().is_empty());
    println!("memory: {} KiB at most", program.memory("VmHWM"));
}
