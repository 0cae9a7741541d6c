//! Commands beside a running `up`, and after it.

use std::{
    fs,
    io::pipe,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use quorate::{api, pki::Certificate, plan::version::Minor, yaml};
use serde_json::Value;

use super::{
    common::{etcd::binary, up::Up},
    ends, etcdctl, says,
};

#[test]
fn commands_beside_a_running_up_and_after_it() {
    let mut up = Up::prepare(&binary(Minor::V3_6), 3);
    // Its spec does not speak of TLS: as a new cluster it is given certificates.
    up.write_spec(&format!("{{size: 3, version: {}}}", up.binary.version));
    up.run();
    up.wait_ready(3);
    the_status_has_the_fields_of_the_definition(&up);
    tables_are_plain_outside_a_terminal(&up);
    tables_tell_when_certificates_end(&up);
    etcdctl::lists_are_alike(&up);
    explained_flags_are_those_of_the_processes(&up);
    a_reader_that_goes_away_is_no_failure(&up, "");
    waiting_shows_progress_and_ends_in_time(&up);
    without_up_the_last_status_is_marked_as_such(&mut up);
}

fn the_status_has_the_fields_of_the_definition(up: &Up) {
    let json: Value = serde_json::from_str(&up.succeed(&["status", "-o", "json"])).unwrap();
    let as_yaml: Value = yaml::from_str(&up.succeed(&["status", "-o", "yaml"])).unwrap();
    assert_eq!(json["members"], as_yaml["members"]);
    assert_eq!(json["conditions"], as_yaml["conditions"]);
    let definition = serde_json::to_value(api::crds::definition().unwrap()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    let mut strange = Vec::new();
    compare("status", &json, schema, &mut strange);
    assert!(strange.is_empty(), "not in the definition: {strange:?}");
    let missing: Vec<_> =
        schema["properties"].as_object().unwrap().keys().filter(|name| json.get(name).is_none()).collect();
    assert_eq!(missing, ["operation"], "only what is not there is left out");
}

/// Lists what a value has beyond its schema.
fn compare(path: &str, value: &Value, schema: &Value, strange: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                match schema["properties"].get(name) {
                    Some(schema) => compare(&path, field, schema, strange),
                    None => strange.push(path),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| compare(path, item, &schema["items"], strange)),
        value => {
            let fits = match schema["type"].as_str() {
                Some("string") => value.is_string(),
                Some("integer") => value.is_i64(),
                Some("boolean") => value.is_boolean(),
                _ => false,
            };
            if !fits {
                strange.push(format!("{path} = {value}"));
            }
        }
    }
}

fn tables_are_plain_outside_a_terminal(up: &Up) {
    let status = up.status();
    for format in ["table", "wide"] {
        let text = up.succeed(&["status", "-o", format]);
        assert!(!text.contains('\u{1b}'), "{text:?}");
        says(&text, &[status.cluster_id.as_deref().unwrap(), "ready 3/3", "CONDITION", "AllMembersReady"]);
        for one in &status.members {
            let row = text.lines().find(|line| line.starts_with(&one.name)).unwrap();
            says(row, &[one.id.as_deref().unwrap(), &one.role, &one.client_url, &one.peer_url]);
        }
    }
}

fn tables_tell_when_certificates_end(up: &Up) {
    let read = |path: &Path| Certificate::read(&fs::read_to_string(path).unwrap()).unwrap();
    let table = up.succeed(&["status"]);
    let rows: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    for side in ["peer", "client"] {
        let leaves =
            up.names().into_iter().map(|name| up.member_dir(&name).join("tls").join(side).join("tls.crt"));
        let peoples = (side == "client").then(|| up.dir().join("tls/client.crt"));
        let first = leaves.chain(peoples).map(|path| read(&path).until).min().unwrap();
        let authorities = fs::read_dir(up.dir().join("tls/authorities").join(side)).unwrap();
        let paths = authorities.map(|entry| entry.unwrap().path());
        let authority =
            paths.filter(|path| path.extension().is_some_and(|kind| kind == "crt")).last().unwrap();
        let authority = read(&authority);
        let (expire, expires) = (format!("{first:.0}"), format!("{:.0}", authority.until));
        let row = [side, "Managed", &expire, &authority.id.0, &expires, "-"];
        assert!(rows.contains(&row.to_vec()), "{row:?} is not in\n{table}");
        assert!(first < authority.until);
    }
}

fn explained_flags_are_those_of_the_processes(up: &Up) {
    let text = up.succeed(&["explain"]);
    says(&text, &["cluster demo: everything is as wanted"]);
    let json: Value = serde_json::from_str(&up.succeed(&["explain", "-o", "json"])).unwrap();
    assert_eq!(
        (json["decision"].as_str(), json["steps"].as_array().map(Vec::len)),
        (Some("Settled"), Some(0))
    );
    let members = json["members"].as_array().unwrap();
    assert_eq!(members.len(), 3);
    for one in members {
        let name = one["name"].as_str().unwrap();
        let pid = up.member_pid(name).unwrap();
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        let running: Vec<_> = line.split('\0').skip(1).filter(|word| !word.is_empty()).collect();
        let told: Vec<_> =
            one["flags"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect();
        // The founders were started with `new`, which is never said again.
        let rest = |flags: &[&str]| -> Vec<String> {
            let flags = flags.iter().filter(|flag| !flag.starts_with("--initial-cluster-state="));
            flags.map(|flag| (*flag).to_owned()).collect()
        };
        assert_eq!(rest(&told), rest(&running), "{name}");
        assert!(told.contains(&"--initial-cluster-state=existing"));
        for flag in told {
            says(&text, &[flag]);
        }
    }
}

/// As `| head` does, only sooner.
fn a_reader_that_goes_away_is_no_failure(up: &Up, expected: &str) {
    for arguments in [&["status"][..], &["status", "-o", "json"], &["member", "list"], &["explain"], &["man"]]
    {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(arguments)
            .env("QUORATE_DIR", up.dir())
            .stdout(Stdio::from(writer.try_clone().unwrap()))
            .output()
            .unwrap();
        let said = ends(&output, 0);
        assert!(said.contains(expected) && !said.contains("panicked"), "{arguments:?}: {said}");
        // With nobody to hear a complaint either.
        let status = Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(arguments)
            .env("QUORATE_DIR", up.dir())
            .stdout(Stdio::from(writer.try_clone().unwrap()))
            .stderr(Stdio::from(writer))
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(0), "{arguments:?}");
    }
}

fn waiting_shows_progress_and_ends_in_time(up: &Up) {
    let late = up.command(&["scale", "5", "--wait", "--timeout", "0"]);
    says(&ends(&late, 5), &["not done after 0 s", "it goes on"]);
    let output = up.command(&["scale", "5", "--wait"]);
    assert_eq!(ends(&output, 0), "");
    let text = String::from_utf8(output.stdout).unwrap();
    says(&text, &["cluster demo: size 5 → 5\n", "done: 5 of 5 members are ready\n"]);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    up.succeed(&["scale", "3"]);
    // While clients leave a member, that is what is waited for; a look takes a moment, so it is tried a few times.
    let began = Instant::now();
    loop {
        let json: Value = serde_json::from_str(&up.succeed(&["explain", "-o", "json"])).unwrap();
        if json["decision"] == "Wait" && json["operation"] == "ScaleIn" {
            let reason = json["reason"].as_str().unwrap();
            assert!(reason.contains("clients are leaving it") || reason.contains("waiting for"), "{reason}");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{json:#}");
    }
    let output = up.command(&["scale", "3", "--wait"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines.len() >= 3 && lines.iter().any(|line| line.starts_with("ScaleIn: demo-")), "{text}");
    let mut distinct = lines.clone();
    distinct.dedup();
    assert_eq!(lines, distinct, "a reason is told once");
}

fn without_up_the_last_status_is_marked_as_such(up: &mut Up) {
    assert_eq!(up.interrupt(), Some(0));
    says(&up.log(), &["stopping the members", "all members are stopped"]);
    for arguments in [&["status"][..], &["status", "-o", "json"], &["member", "list", "-w", "json"]] {
        let output = up.command(arguments);
        says(&ends(&output, 0), &["`quorate up` does not run on", "the last status it wrote"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("does not run"), "programs read the output: {text}");
    }
    a_reader_that_goes_away_is_no_failure(up, "");
    let name = up.names().remove(0);
    for arguments in
        [&["scale", "5", "--wait"][..], &["restart", &name, "--wait"], &["replace", &name, "--wait"]]
    {
        says(
            &ends(&up.command(arguments), 4),
            &["`quorate up` does not run", "start it with `quorate up --dir"],
        );
    }
    let text = up.succeed(&["scale", "5"]);
    says(&text, &["size 3 → 5", "it acts on this when it is started"]);
    up.succeed(&["explain"]);
}
