//! The rules of the resource without a server: Quorate's own check and the CEL of the definition agree on one table of
//! cases, and on random specs. `tests/e2e.rs` asks a real API server about the same table.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails as a test does"
)]

#[path = "common/cases.rs"]
mod cases;
#[path = "common/definition.rs"]
mod definition;
#[path = "common/schema.rs"]
mod schema;

use std::collections::BTreeSet;

use cases::{Case, Verdict};
use definition::Definition;
use proptest::{prelude::*, sample::select};
use quorate::{
    api::{manifest, validate},
    yaml,
};
use serde_json::Value;

/// What was refused, in words; empty when it was accepted.
type Complaints = Vec<String>;

#[test]
fn quorates_own_check_gives_every_verdict() {
    judge_all(own_verdict, |_| true);
}

#[test]
fn the_definition_gives_every_verdict() {
    let definition = Definition::new();
    judge_all(|case| definition.verdict(case), |verdict| matches!(verdict, Verdict::Refused(_)));
}

#[test]
fn every_rule_of_the_definition_refuses_some_case() {
    let definition = Definition::new();
    let heard: BTreeSet<String> = cases::all().iter().flat_map(|case| definition.verdict(case)).collect();
    let mut messages = BTreeSet::new();
    collect_messages(&definition.schema, &mut messages);
    // A rename is not among the cases, since a server knows objects by their names; it has a test of its own below.
    messages.retain(|message| !message.starts_with("metadata.name cannot be changed"));
    let silent: Vec<_> =
        messages.iter().filter(|message| !heard.iter().any(|one| one.contains(message.as_str()))).collect();
    assert!(silent.is_empty(), "no case is refused with: {silent:#?}");
}

#[test]
fn a_cluster_cannot_be_renamed() {
    let spec = manifest::read(&sample("one", "{size: 3}")).unwrap().spec;
    let problems = validate::check_update("one", &spec, "two", &spec);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].to_string().starts_with("metadata.name: one cannot be renamed to two"),
        "{}",
        problems[0]
    );
    let definition = Definition::new();
    let object = |name| yaml::from_str(&sample(name, "{size: 3}")).unwrap();
    let said = definition.judge(&object("two"), Some(&object("one")));
    assert!(said.iter().any(|message| message.contains("metadata.name cannot be changed")), "{said:?}");
}

#[test]
fn all_problems_are_found_at_once() {
    let text =
        sample("Demo", "{size: 4, version: v3, etcd: {snapshotCount: 0, extraArgs: {name: x, data-dir: z}}}");
    let manifest = manifest::read(&text).unwrap();
    let problems = validate::check(&manifest.name, &manifest.spec).unwrap_err();
    let fields: Vec<_> = problems.iter().map(|problem| problem.field.as_str()).collect();
    let expected = [
        "metadata.name",
        "spec.size",
        "spec.version",
        "spec.etcd.snapshotCount",
        "spec.etcd.extraArgs",
        "spec.etcd.extraArgs",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn what_is_accepted_comes_out_in_the_words_of_the_plan() {
    let spec = "{size: 5, version: 3.5.35, paused: true, bootstrap: {token: t}, etcd: {quotaBackendBytes: 0, \
                autoCompactionMode: revision, autoCompactionRetention: \"9\", snapshotCount: 7, heartbeatInterval: 50, \
                electionTimeout: 500, maxRequestBytes: 65536, logLevel: warn, initialCorruptionCheck: false, \
                extraArgs: {a: b}, extraEnv: {C: d}}}";
    let manifest = manifest::read(&sample("demo", spec)).unwrap();
    let desired = validate::check(&manifest.name, &manifest.spec).unwrap();
    assert_eq!((desired.size.get(), desired.version.to_string()), (5, "3.5.35".to_owned()));
    assert_eq!((desired.token.as_deref(), desired.paused), (Some("t"), true));
    assert!(desired.not_applied.is_empty());
    let options = serde_json::json!({
        "quotaBackendBytes": 0, "autoCompaction": {"mode": "revision", "retention": "9"}, "snapshotCount": 7,
        "heartbeatInterval": 50, "electionTimeout": 500, "maxRequestBytes": 65536, "logLevel": "warn",
        "noInitialCheck": true, "extraArgs": {"a": "b"}, "extraEnv": {"C": "d"},
    });
    assert_eq!(serde_json::to_value(desired.options).unwrap(), options);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_agree_on_random_changes(before in any_spec(), after in any_spec()) {
        let definition = Definition::shared();
        for (old, new) in [(None, &before), (None, &after), (Some(&before), &after)] {
            let case = Case {
                name: "demo".into(),
                before: old.cloned(),
                after: new.clone(),
                verdict: Verdict::Accepted,
            };
            // An update of what could not exist has no verdict.
            if let Some(old) = old && !own_verdict(&Case { before: None, after: old.clone(), ..sample_case() }).is_empty() {
                continue;
            }
            let (own, server) = (own_verdict(&case), definition.verdict(&case));
            prop_assert_eq!(own.is_empty(), server.is_empty(), "{:?} -> {}: {:?} {:?}", old, new, own, server);
        }
    }
}

/// A spec made of parts that are right and parts that are wrong.
fn any_spec() -> impl Strategy<Value = String> {
    let part = |options: &'static [&'static str]| select(options.to_vec());
    let claims = ["1Gi", "2Gi", "1G", "0", "x", "1500M", "1e9"]
        .map(|size| format!("storage: {}, ", cases::claim(size)));
    let storage = prop_oneof![
        2 => Just(String::new()),
        1 => part(&["storage: {emptyDir: {}}, ", "storage: {}, ", "storage: {emptyDir: {medium: x}}, "]).prop_map(str::to_owned),
        3 => select(claims.to_vec()),
    ];
    (
        part(&["3", "3", "5", "7", "9", "4", "1", "11", "-5"]),
        part(&[
            "",
            "",
            "version: 3.5.35, ",
            "version: 3.6.16, ",
            "version: 3.7.3, ",
            "version: v3, ",
            "version: 3.8.1, ",
        ]),
        storage,
        part(&[
            "",
            "",
            "bootstrap: {token: a}, ",
            "bootstrap: {token: b}, ",
            "bootstrap: {}, ",
            "bootstrap: {token: '!'}, ",
        ]),
        (
            prop_oneof![Just(None), (-2i64..60).prop_map(Some), (0i64..12_000).prop_map(Some)],
            prop_oneof![Just(None), (-2i64..1_200).prop_map(Some), (0i64..60_000).prop_map(Some)],
        ),
        part(&[
            "",
            "",
            "autoCompactionMode: periodic, ",
            "autoCompactionMode: revision, ",
            "autoCompactionMode: x, ",
        ]),
        part(&["", "", "1", "10", "1h", "1m30s", "1.5h", "h", "m", "1s1", "99999999"]),
        prop_oneof![
            Just(None),
            "[a-z=_ -]{0,4}".prop_map(Some),
            select(
                quorate::plan::options::REFUSED_FLAGS
                    .iter()
                    .flat_map(|one| one.flags)
                    .copied()
                    .collect::<Vec<_>>()
            )
            .prop_map(|flag: &str| Some(flag.to_owned()))
        ],
        prop_oneof![Just(None), "[A-Z0-9=_. -]{0,4}".prop_map(Some), Just(Some("ETCD_DATA_DIR".to_owned()))],
        part(&[
            "",
            "",
            "tls: {peer: {mode: Managed}}, ",
            "tls: {client: {mode: Disabled, plaintext: true}}, ",
            "tls: {client: {mode: Managed, plaintext: true}, peer: {mode: x}}, ",
        ]),
    )
        .prop_map(
            |(
                size,
                version,
                storage,
                bootstrap,
                (heartbeat, election),
                mode,
                retention,
                flag,
                variable,
                tls,
            )| {
                let mut etcd = mode.to_owned();
                if !retention.is_empty() {
                    etcd += &format!("autoCompactionRetention: {retention:?}, ");
                }
                for (field, value) in [("heartbeatInterval", heartbeat), ("electionTimeout", election)] {
                    if let Some(value) = value {
                        etcd += &format!("{field}: {value}, ");
                    }
                }
                for (field, key) in [("extraArgs", flag), ("extraEnv", variable)] {
                    if let Some(key) = key {
                        etcd += &format!("{field}: {{{key:?}: x}}, ");
                    }
                }
                format!("{{{version}{storage}{bootstrap}{tls}etcd: {{{etcd}}}, size: {size}}}")
            },
        )
}

/// Gives every case to a judge, and lists the verdicts that are not those of the table.
fn judge_all(judge: impl Fn(&Case) -> Complaints, has_words: impl Fn(Verdict) -> bool) {
    let mut wrong = Vec::new();
    for case in cases::all() {
        let said = judge(&case).join("\n");
        let right = match case.verdict {
            Verdict::Accepted => said.is_empty(),
            Verdict::Refused(words) | Verdict::Malformed(words) | Verdict::Dropped(words) => {
                !said.is_empty() && (said.contains(words) || !has_words(case.verdict))
            }
        };
        if !right {
            wrong.push(format!(
                "{} {:?} -> {}\n  {:?}\n  {said}",
                case.name, case.before, case.after, case.verdict
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong verdicts:\n{}", wrong.len(), wrong.join("\n"));
}

fn own_verdict(case: &Case) -> Complaints {
    let read = |spec: &str| manifest::read(&case.manifest(spec)).map_err(|error| error.to_string());
    let new = match read(&case.after) {
        Ok(new) => new,
        Err(error) => return vec![error],
    };
    let mut problems = validate::check(&new.name, &new.spec).err().unwrap_or_default();
    if let Some(before) = &case.before {
        let old = read(before).unwrap();
        assert_eq!(validate::check(&old.name, &old.spec).err(), None, "{before}");
        problems.extend(validate::check_update(&old.name, &old.spec, &new.name, &new.spec));
    }
    problems.iter().map(ToString::to_string).collect()
}

impl Definition {
    fn verdict(&self, case: &Case) -> Complaints {
        let object =
            |spec: &str| yaml::from_str::<Value>(&case.manifest(spec)).map_err(|error| error.to_string());
        match object(&case.after) {
            Ok(new) => self.judge(&new, case.before.as_ref().map(|spec| object(spec).unwrap()).as_ref()),
            Err(error) => vec![error],
        }
    }
}

fn collect_messages(schema: &Value, messages: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for rule in fields.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten()
            {
                messages.insert(rule["message"].as_str().unwrap().to_owned());
            }
            fields.values().for_each(|field| collect_messages(field, messages));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_messages(item, messages)),
        _ => {}
    }
}

fn sample_case() -> Case {
    Case { name: "demo".into(), before: None, after: String::new(), verdict: Verdict::Accepted }
}

fn sample(name: &str, spec: &str) -> String {
    Case { name: name.into(), ..sample_case() }.manifest(spec)
}
