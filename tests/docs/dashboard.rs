//! The dashboard is one that Grafana takes: shape, places of panels, and the data source as a variable.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::monitoring::file;

fn dashboard() -> Value {
    serde_json::from_str(&file("charts/quorate/files/dashboard.json")).unwrap()
}

/// The expressions of all panels and variables, with where they stand.
pub fn expressions() -> Vec<(String, String)> {
    let dashboard = dashboard();
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = format!("panel {}", panel["title"]);
            all.push((title, target["expr"].as_str().unwrap().replace("$__rate_interval", "5m")));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            all.push((format!("variable {}", variable["name"]), query.to_owned()));
        }
    }
    all
}

#[test]
fn panels_have_places_and_ask_the_chosen_source() {
    let dashboard = dashboard();
    let source = serde_json::json!({ "type": "prometheus", "uid": "${datasource}" });
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert!(variables.iter().any(|one| one["name"] == "datasource" && one["type"] == "datasource"));
    assert!(dashboard["schemaVersion"].as_i64().unwrap() >= 36 && dashboard["uid"] == "quorate");
    let (mut taken, mut ids, mut rows) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = &panel["title"];
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "the ID of {title} is taken");
        let side = |name: &str| panel["gridPos"][name].as_i64().unwrap();
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!((0..24).contains(&x) && taken.insert((x, y)), "{title} lies over another panel");
            }
        }
        if panel["type"] == "row" {
            rows.push(title.as_str().unwrap().to_owned());
            continue;
        }
        assert_eq!(panel["datasource"], source, "{title}");
        assert!(
            panel["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{title} says nothing of itself"
        );
        let targets = panel["targets"].as_array().unwrap();
        let letters: BTreeSet<_> = targets.iter().map(|one| one["refId"].as_str().unwrap()).collect();
        assert!(!targets.is_empty() && letters.len() == targets.len(), "{title}");
        assert!(targets.iter().all(|one| one["datasource"] == source), "{title}");
    }
    assert_eq!(rows, ["Operator", "Clusters", "Members", "Registrator"]);
}
