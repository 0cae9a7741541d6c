//! `deploy/`: the manifest, and the overlays over the same objects.

use quorate::api;
use serde_json::{Value, json};

use crate::tree::{Objects, objects, only, path, read, run, said};

#[test]
fn the_manifest_installs_the_definitions_of_the_types_and_the_operator() {
    let all = objects(&read("deploy/quorate.yaml"));
    for definition in api::crds::definitions().unwrap() {
        let name = definition.metadata.name.clone().unwrap();
        let key = ("CustomResourceDefinition".to_owned(), String::new(), name);
        // Through text, since the definitions leave out what is empty.
        let wanted: Value = serde_json::from_str(&serde_json::to_string(&definition).unwrap()).unwrap();
        assert!(all[&key] == wanted, "{} is out of date: run make crds, then make deploy", key.2);
    }
    let mut kinds: Vec<_> = all.keys().map(|(kind, ..)| kind.as_str()).collect();
    kinds.dedup();
    let expected = [
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Deployment",
        "Namespace",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn the_base_is_the_manifest_without_the_definitions() {
    let mut all = objects(&read("deploy/quorate.yaml"));
    all.retain(|(kind, ..), _| kind != "CustomResourceDefinition");
    assert!(objects(&read("deploy/base/operator.yaml")) == all, "run make deploy");
}

/// What an overlay makes; `None`, with a word about it, where there is no kubectl.
fn overlay(name: &str) -> Option<Objects> {
    let cached = std::env::home_dir().unwrap_or_default().join(".cache/quorate/bin/kubectl");
    let programs = ["kubectl".into(), cached];
    let found = programs.iter().find(|program| {
        std::process::Command::new(program).arg("help").output().is_ok_and(|output| output.status.success())
    });
    let Some(kubectl) = found else {
        println!("not checked: there is no kubectl here, whose kustomize makes {name}");
        return None;
    };
    let folder = path(&format!("deploy/overlays/{name}"));
    Some(objects(&said(&run(kubectl, &["kustomize", folder.to_str().unwrap()])).unwrap()))
}

#[test]
fn the_default_overlay_makes_the_manifest() {
    let Some(made) = overlay("default") else { return };
    let manifest = objects(&read("deploy/quorate.yaml"));
    assert_eq!(made.keys().collect::<Vec<_>>(), manifest.keys().collect::<Vec<_>>());
    for (key, object) in &manifest {
        assert!(made[key] == *object, "{key:?} differs:\n{}\n{object}", made[key]);
    }
}

#[test]
fn the_namespaced_overlay_binds_the_rights_in_one_namespace() {
    let Some(made) = overlay("namespaced") else { return };
    let bindings: Vec<_> = made.keys().filter(|(kind, ..)| kind.ends_with("Binding")).collect();
    let wanted = [
        ("ClusterRoleBinding", "", "quorate-reads"),
        ("RoleBinding", "default", "quorate"),
        ("RoleBinding", "quorate-system", "quorate"),
    ];
    let bindings: Vec<_> =
        bindings.iter().map(|(kind, space, name)| (kind.as_str(), space.as_str(), name.as_str())).collect();
    assert_eq!(bindings, wanted);
    let container = &only(&made, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let names = container["env"].as_array().unwrap().iter().find(|one| one["name"] == "QUORATE_NAMESPACES");
    assert_eq!(names.unwrap()["value"], "default");
    let own = only(&made, "Role")["rules"].as_array().unwrap();
    assert_eq!(
        own[1],
        json!({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]})
    );
}

#[test]
fn the_high_availability_overlay_keeps_replicas_apart() {
    let Some(made) = overlay("high-availability") else { return };
    let spec = &only(&made, "Deployment")["spec"];
    assert_eq!(spec["replicas"], 3);
    let pod = &spec["template"]["spec"];
    let required = &pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    // A selector that fits no Pod would keep nothing apart.
    for selector in [required, &pod["topologySpreadConstraints"][0]] {
        assert_eq!(selector["labelSelector"]["matchLabels"], spec["selector"]["matchLabels"]);
    }
    assert_eq!(only(&made, "PodDisruptionBudget")["spec"]["minAvailable"], 1);
}
