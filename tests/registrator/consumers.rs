//! Values read by those they are written for: a real CoreDNS, and the resolver of etcd's Go client.
//!
//! Where a program is missing, its part is not checked, and the test says so.

use std::{
    net::UdpSocket,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    common::ports::free_port,
    life::{PREFIX, SOON, Stage},
    stage::{
        engine::{Run, id_of},
        eventually,
    },
};

/// A program of the cache where `make test` and people keep them, or of PATH.
fn find(name: &str) -> Option<PathBuf> {
    let cached = std::env::home_dir().unwrap_or_default().join(".cache/quorate/bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::split_paths(&path).map(|folder| folder.join(name));
    std::iter::once(cached)
        .chain(named)
        .chain([PathBuf::from("/usr/local/go/bin").join(name)])
        .find(|path| path.is_file())
}

/// Ends a process with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const A: u16 = 1;
const SRV: u16 = 33;

/// The answers to a question, as their types and data; nothing while the server does not answer.
fn ask(port: u16, name: &str, kind: u16) -> Option<Vec<(u16, Vec<u8>)>> {
    let mut question = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, kind as u8, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    socket.send_to(&question, ("127.0.0.1", port)).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).ok()?;
    let answer = &buffer[..length];
    let count = u16::from_be_bytes([answer[6], answer[7]]);
    let mut at = question.len();
    let mut found = Vec::new();
    for _ in 0..count {
        // The name: labels up to a zero, or a pointer of two bytes.
        while answer[at] != 0 && answer[at] < 0xc0 {
            at += 1 + usize::from(answer[at]);
        }
        at += if answer[at] == 0 { 1 } else { 2 };
        let kind = u16::from_be_bytes([answer[at], answer[at + 1]]);
        let size = usize::from(u16::from_be_bytes([answer[at + 8], answer[at + 9]]));
        found.push((kind, answer[at + 10..at + 10 + size].to_vec()));
        at += 10 + size;
    }
    Some(found)
}

#[tokio::test(flavor = "multi_thread")]
async fn coredns_answers_with_addresses_and_ports() {
    let Some(coredns) = find("coredns") else {
        println!("not checked: there is no coredns here");
        return;
    };
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("web", 8080));
    stage.engine.put(&Run::new("web2", 8081).env("SERVICE_NAME=Team/Shop_Front"));
    // Plain keys beside the records: they must not stand where CoreDNS looks.
    stage.start(&["-output", "skydns=/skydns/local/cluster"]).await;
    let port = free_port();
    let file = stage.etcd.folder.path().join("Corefile");
    let url = &stage.etcd.members[0].client_url;
    let text = format!(
        "cluster.local:{port} {{\n  bind 127.0.0.1\n  etcd {{\n    path /skydns\n    endpoint {url}\n  }}\n  errors\n}}\n"
    );
    std::fs::write(&file, text).unwrap();
    let child = Command::new(coredns)
        .arg("-conf")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _coredns = Ended(child);
    let asked = async |name: &'static str, kind: u16| {
        tokio::task::spawn_blocking(move || ask(port, name, kind).unwrap_or_default()).await.unwrap()
    };
    let there = async || asked("web.cluster.local", A).await == [(A, vec![10, 9, 17, 201])];
    eventually("an address", SOON, there).await;
    let srv = asked("web.cluster.local", SRV).await;
    assert_eq!(srv.len(), 1, "{srv:?}");
    let (kind, data) = &srv[0];
    // Priority 10, weight 100, port 8080.
    assert_eq!((*kind, &data[..6]), (SRV, [0, 10, 0, 100, 0x1f, 0x90].as_slice()));
    assert!(data[6..].windows(12).any(|part| part == b"host1-web-80"), "{data:?}");
    let srv = asked("team-shop-front.cluster.local", SRV).await;
    assert_eq!(srv[0].1[4..6], 8081_u16.to_be_bytes());
    stage.engine.die(&id_of("web"), 0);
    eventually("no address", SOON, async || asked("web.cluster.local", A).await.is_empty()).await;
    assert_eq!(stage.keys().await.len(), 1, "{PREFIX}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_resolver_of_etcds_go_client_finds_all_instances() {
    let Some(go) = find("go") else {
        println!("not checked: there is no go here");
        return;
    };
    let mut stage = Stage::set().await;
    stage.engine.put(&Run::new("a", 8080));
    stage.engine.put(&Run::new("b", 8081).env("SERVICE_REGION=eu"));
    stage.start(&["-output", "grpc=grpc"]).await;
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/registrator/resolver");
    let program = stage.etcd.folder.path().join("resolver");
    let mut build = Command::new(go);
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(source);
    let built = tokio::task::spawn_blocking(move || build.output().unwrap()).await.unwrap();
    if !built.status.success() {
        // Its modules may be neither in the cache nor to be had.
        println!("not checked: the resolver can't be compiled: {}", String::from_utf8_lossy(&built.stderr));
        return;
    }
    let mut ask = Command::new(program);
    ask.args([&stage.etcd.members[0].client_url, "etcd:///grpc/web", "2"]);
    let found = tokio::task::spawn_blocking(move || ask.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&found.stdout);
    let wanted = "10.9.17.201:8080\n10.9.17.201:8081\n\
                  grpc/web/host1:a:80 10.9.17.201:8080 <nil>\n\
                  grpc/web/host1:b:80 10.9.17.201:8081 map[region:eu]\n";
    assert_eq!(text, wanted, "{}", String::from_utf8_lossy(&found.stderr));
}
