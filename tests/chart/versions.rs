//! The version stands in Cargo.toml, and everything else agrees with it.

use quorate::yaml;
use serde_json::Value;

use crate::tree::{objects, only, read};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn chart_and_manifest_are_of_the_version_of_the_program() {
    let chart: Value = yaml::from_str(&read("charts/quorate/Chart.yaml")).unwrap();
    assert_eq!((chart["version"].as_str(), chart["appVersion"].as_str()), (Some(VERSION), Some(VERSION)));
    let values: Value = yaml::from_str(&read("charts/quorate/values.yaml")).unwrap();
    assert_eq!(values["image"]["tag"], "", "the image is that of the chart's version");
    for manifest in ["deploy/quorate.yaml", "deploy/base/operator.yaml"] {
        let all = objects(&read(manifest));
        let container = &only(&all, "Deployment")["spec"]["template"]["spec"]["containers"][0];
        let image = format!("quorate:{VERSION}");
        assert_eq!(container["image"], image, "{manifest}");
        // Members get their guard from the same image.
        let env = container["env"].as_array().unwrap().iter().find(|one| one["name"] == "QUORATE_IMAGE");
        assert_eq!(env.unwrap()["value"], image, "{manifest}");
    }
}
