//! Files that are spoilt, and certificates that ended while nobody looked.

use std::fs;

use jiff::Timestamp;
use quorate::{
    pki::{Certificate, Request, SecretKey},
    plan::{status::ClusterStatus, version::Minor},
};

use super::{
    DAY, SECONDS, SECURED, authority, authority_files, common::up::Up, processes_below, read, start,
};

#[test]
fn a_spoilt_file_is_told_restarts_nobody_and_heals() {
    let up = start(Minor::V3_6, SECURED);
    let pids = processes_below(&up.dir());
    // What a member shows is made anew by itself.
    let leaf = up.member_dir(&up.names()[0]).join("tls/client");
    for (name, text) in [("tls.crt", Some("garbage")), ("tls.key", None)] {
        let path = leaf.join(name);
        fs::remove_file(&path).unwrap();
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        }
        up.wait("a new certificate", SECONDS(30), |_| {
            let pair = (fs::read_to_string(leaf.join("tls.crt")), fs::read_to_string(leaf.join("tls.key")));
            matches!(pair, (Ok(crt), Ok(key)) if Certificate::read(&crt).is_ok_and(|one| one.fits(&SecretKey::new(key.as_str()))))
        });
    }
    // What signs is a person's matter.
    let key = authority_files(&up, "client")[0].with_extension("key");
    let kept = read(&key);
    fs::remove_file(&key).unwrap();
    let problem = |status: &ClusterStatus| {
        let found = status.conditions.iter().find(|one| one.kind == "CertificatesReady").cloned();
        found.filter(|one| one.status == "False").map(|one| one.message)
    };
    up.wait("the condition", SECONDS(30), |status| problem(status).is_some());
    let message = problem(&up.status()).unwrap();
    assert!(message.contains(&key.display().to_string()), "{message}");
    assert!(up.status().is("Available"));
    fs::write(&key, kept).unwrap();
    up.wait("it heals", SECONDS(30), |status| problem(status).is_none() && status.is("Ready"));
    assert_eq!(processes_below(&up.dir()), pids, "nobody was restarted");
    certificates_that_ran_out_while_nobody_looked_are_renewed_before_the_start(up);
}

fn certificates_that_ran_out_while_nobody_looked_are_renewed_before_the_start(mut up: Up) {
    up.interrupt();
    for name in up.names() {
        for side in ["peer", "client"] {
            let folder = up.member_dir(&name).join("tls").join(side);
            let past = Timestamp::now() - DAY * 3;
            let request =
                Request { common_name: name.clone(), names: vec!["127.0.0.1".into(), "localhost".into()] };
            let old = authority(&up, side).issue(&request, past, DAY).unwrap();
            for (file, text) in [("tls.crt", &*old.certificate), ("tls.key", old.key.reveal())] {
                fs::remove_file(folder.join(file)).unwrap();
                fs::write(folder.join(file), text).unwrap();
            }
        }
    }
    up.run();
    up.wait_ready(3);
}
