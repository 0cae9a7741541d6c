//! What the chart renders where a golden file would only repeat another file.

use std::path::Path;

use quorate::{api, yaml};
use serde_json::{Value, json};

use crate::tree::{Objects, objects, only, read, run, said, tool};

fn render(helm: &Path, values: &[&str]) -> Result<Objects, String> {
    let mut arguments = vec!["template", "quorate", "charts/quorate", "--namespace", "quorate-system"];
    for value in values {
        arguments.extend(["--set", value]);
    }
    said(&run(helm, &arguments)).map(|text| objects(&text))
}

#[test]
fn lint_has_nothing_to_say() {
    let Some(helm) = tool("helm") else { return };
    said(&run(&helm, &["lint", "--strict", "charts/quorate"])).unwrap();
}

#[test]
fn the_definitions_are_kept_and_otherwise_those_of_the_types() {
    let Some(helm) = tool("helm") else { return };
    let all = render(&helm, &[]).unwrap();
    for definition in api::crds::definitions().unwrap() {
        let name = definition.metadata.name.clone().unwrap();
        let mut wanted = serde_json::to_value(&definition).unwrap();
        wanted["metadata"]["annotations"] = json!({"helm.sh/resource-policy": "keep"});
        let key = ("CustomResourceDefinition".to_owned(), String::new(), name);
        assert!(all[&key] == wanted, "{}", key.2);
    }
}

#[test]
fn alerts_and_dashboard_are_the_files_to_the_letter() {
    let Some(helm) = tool("helm") else { return };
    let on = ["metrics.prometheusRule.enabled=true", "metrics.dashboard.enabled=true"];
    let all = render(&helm, &on).unwrap();
    let rules: Value = yaml::from_str(&read("charts/quorate/files/rules.yaml")).unwrap();
    let rule = only(&all, "PrometheusRule");
    assert!(rules["groups"].as_array().is_some_and(|groups| !groups.is_empty()));
    assert_eq!(rule["spec"], rules);
    let map = only(&all, "ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let shown: Value = serde_json::from_str(map["data"]["quorate.json"].as_str().unwrap()).unwrap();
    let file: Value = serde_json::from_str(&read("charts/quorate/files/dashboard.json")).unwrap();
    assert_eq!(shown, file);
}

#[test]
fn names_of_two_releases_do_not_meet_on_the_cluster() {
    let Some(helm) = tool("helm") else { return };
    let name = |arguments: &[&str]| {
        let text = said(&run(&helm, arguments)).unwrap();
        only_role(&objects(&text))
    };
    let template =
        ["template", "quorate", "charts/quorate", "--set", "crds.install=false,rbac.clusterReads=false"];
    let here = name(&[&template[..], &["--namespace", "quorate-system"]].concat());
    let there = name(&[&template[..], &["--namespace", "etcd"]].concat());
    assert_eq!((here.as_str(), there.as_str()), ("quorate", "etcd-quorate"));
}

fn only_role(objects: &Objects) -> String {
    only(objects, "ClusterRole")["metadata"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn the_notes_tell_the_next_steps() {
    let Some(helm) = tool("helm") else { return };
    let notes = |more: &[&str]| {
        let install = ["install", "demo", "charts/quorate", "--dry-run=client", "--namespace", "etcd"];
        said(&run(&helm, &[&install[..], more].concat())).unwrap()
    };
    let told = notes(&[]);
    for words in [
        "looks after EtcdClusters in all namespaces",
        "--namespace etcd rollout status deployment/demo-quorate",
        "helm test demo --namespace etcd",
        "kubectl get etcd --watch",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let told = notes(&["--set", "watchNamespaces={team-a},crds.keep=false"]);
    for words in ["in team-a.", "kubectl apply --namespace team-a", "deletes the definitions"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(!told.contains("helm test"), "{told}");
}

#[test]
fn values_that_do_not_fit_are_refused_with_their_name() {
    let Some(helm) = tool("helm") else { return };
    let refused = [
        ("replica=3", "replica"),
        ("image.repo=quorate", "repo"),
        ("replicas=-1", "replicas"),
        ("log.format=xml", "format"),
        ("image.digest=latest", "digest"),
        ("watchNamespaces={Team A}", "watchNamespaces"),
        ("metrics.serviceMonitor.interval=often", "interval"),
        ("networkPolicy.egress.apiServerPorts={https}", "apiServerPorts"),
        ("podLabels.a.b=1", "podLabels"),
        ("metrics.serviceMonitor.enabled=true,metrics.service.enabled=false", "metrics.service.enabled"),
    ];
    for (value, named) in refused {
        let complaint = render(&helm, &[value]).expect_err(value);
        assert!(complaint.contains(named), "{value}: {complaint}");
    }
}
