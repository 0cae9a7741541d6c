//! Alerts and dashboard speak of metrics and labels that exist, and every alert has its page and its tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use quorate::yaml;
use serde_json::Value;

use crate::{
    common::etcd::binaries,
    dashboard,
    expressions::{Selected, grouped, selected},
    pages::{Page, ROOT},
    series::{self, Families},
};

/// Of features to come: absent today, so that their alerts can't fire. Their runbooks say so.
const TO_COME: [(&str, &str); 1] = [("quorate_backup_last_success_timestamp_seconds", "EtcdBackupTooOld")];
/// Labels that Prometheus or its configuration puts on.
const PUT_ON: [&str; 5] = ["instance", "job", "etcd_namespace", "etcd_cluster", "etcd_member"];

/// An alert of the rule file.
pub struct Alert {
    pub name: String,
    pub expression: String,
    pub severity: String,
    pub annotations: BTreeMap<String, String>,
}

/// All alerts of the rule file.
pub fn alerts() -> Vec<Alert> {
    let rules: Value = yaml::from_str(&file("charts/quorate/files/rules.yaml")).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    rules
        .map(|rule| Alert {
            name: text(&rule["alert"]),
            expression: text(&rule["expr"]),
            severity: text(&rule["labels"]["severity"]),
            annotations: rule["annotations"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        })
        .collect()
}

pub fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What is wrong with a selector, when these are the metrics there are.
fn fault(one: &Selected, known: &Families) -> Option<String> {
    let endings = ["", "_bucket", "_sum", "_count"];
    let base = endings.iter().filter_map(|ending| one.metric.strip_suffix(ending));
    let Some(family) = base.into_iter().find_map(|base| known.get(base)) else {
        return Some(format!("{} does not exist", one.metric));
    };
    let foreign = |label: &&String| !family.labels.contains(*label) && !PUT_ON.contains(&label.as_str());
    one.labels.iter().find(foreign).map(|label| format!("{} has no label {label}", one.metric))
}

#[test]
fn alerts_and_dashboard_speak_of_metrics_that_exist() {
    let mut known = series::of_the_operator();
    known.extend(series::of_the_registrator());
    // In all versions that Quorate runs.
    let members: Vec<Families> = binaries().iter().map(series::of_etcd).collect();
    assert!(
        members.len() >= 3,
        "only {} versions of etcd are here to ask: `make test` fetches them",
        members.len()
    );
    let asked =
        alerts().into_iter().map(|alert| (alert.name, alert.expression)).chain(dashboard::expressions());
    let mut wrong = Vec::new();
    for (place, expression) in asked {
        let all = selected(&expression);
        assert!(
            !all.is_empty() || expression.contains("label_values"),
            "{place}: {expression} has no metric"
        );
        for one in all {
            if TO_COME.contains(&(one.metric.as_str(), place.as_str())) {
                assert!(
                    !known.contains_key(&one.metric),
                    "{} is there now: take it out of TO_COME",
                    one.metric
                );
                continue;
            }
            let own = one.metric.starts_with("quorate_") || one.metric.starts_with("registrator_");
            let faults = if own {
                vec![fault(&one, &known)]
            } else {
                members.iter().map(|member| fault(&one, member)).collect()
            };
            wrong.extend(faults.into_iter().flatten().map(|fault| format!("{place}: {fault}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_metric_that_does_not_exist_is_found() {
    let known = series::of_the_operator();
    for wrong in ["quorate_nothing", "quorate_members{nothing=\"x\"}"] {
        assert!(fault(&selected(wrong)[0], &known).is_some(), "{wrong}");
    }
    assert_eq!(fault(&selected("quorate_members{state=\"ready\"}")[0], &known), None);
}

#[test]
fn every_alert_says_what_is_the_matter_and_has_a_page() {
    let all = alerts();
    let names: BTreeSet<_> = all.iter().map(|alert| alert.name.clone()).collect();
    assert!(names.len() == all.len() && all.len() >= 20, "{names:?}");
    for alert in &all {
        let name = &alert.name;
        assert!(
            ["critical", "warning", "info"].contains(&alert.severity.as_str()),
            "{name}: {}",
            alert.severity
        );
        for wanted in ["summary", "description", "runbook_url"] {
            assert!(
                alert.annotations.get(wanted).is_some_and(|text| text.len() > 10),
                "{name} has no {wanted}"
            );
        }
        let path = format!("docs/runbooks/{name}.md");
        assert_eq!(alert.annotations["runbook_url"], path);
        let page = Page::read(&path);
        let parts =
            ["what-it-means", "how-to-look", "what-quorate-does", "what-you-can-do", "when-it-is-urgent"];
        let anchors = page.anchors();
        for part in parts {
            assert!(anchors.iter().any(|one| one == part), "{path} has no part {part}, only {anchors:?}");
        }
        assert!(
            page.text.contains(&format!("`{}`", alert.severity)),
            "{path} does not say {}",
            alert.severity
        );
    }
    let pages = crate::pages::below("docs/runbooks");
    let orphans: Vec<_> = pages
        .iter()
        .filter_map(|page| page.path.file_stem())
        .map(|stem| stem.to_string_lossy().into_owned())
        .filter(|stem| stem != "README" && !names.contains(stem))
        .collect();
    assert!(orphans.is_empty(), "pages without an alert: {orphans:?}");
    for (metric, alert) in TO_COME {
        let page = Page::read(format!("docs/runbooks/{alert}.md"));
        assert!(
            page.text.contains(metric) && page.text.contains("can't fire"),
            "{alert} does not say that it can't fire"
        );
    }
}

#[test]
fn an_alert_speaks_of_labels_that_its_answer_has() {
    for alert in alerts() {
        let grouped = grouped(&alert.expression);
        for text in alert.annotations.values() {
            for label in text.split("$labels.").skip(1) {
                let label: String =
                    label.chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect();
                // The registrator's alerts keep all labels of a target.
                let target = alert.name.starts_with("Registrator") && label == "instance";
                assert!(grouped.contains(&label) || target, "{}: {label} is not in the answer", alert.name);
            }
        }
    }
}

#[test]
fn every_alert_is_tested_to_fire_and_to_stay_silent() {
    let (mut fires, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(Path::new(ROOT).join("tests/alerts")).unwrap().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        let tests: Value = yaml::from_str(&text).unwrap();
        for check in tests["tests"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|test| test["alert_rule_test"].as_array().unwrap())
        {
            let name = check["alertname"].as_str().unwrap().to_owned();
            match check["exp_alerts"].as_array().is_some_and(|all| !all.is_empty()) {
                true => fires.insert(name),
                false => silent.insert(name),
            };
        }
    }
    let names: BTreeSet<_> = alerts().into_iter().map(|alert| alert.name).collect();
    assert_eq!(fires, names);
    assert_eq!(silent, names);
}
