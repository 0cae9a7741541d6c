//! Edits of the manifest of a cluster that runs: what can't be has no effect but its message.

use std::fs;

use quorate::plan::version::Minor;

use super::{
    SOON,
    common::{etcd::binary, up::Up},
    ends, lives, manifest_of, says, wait_for,
};

const REST: &str = "storage: {volumeClaimTemplate: {spec: {resources: {requests: {storage: 2Gi}}}}}, bootstrap: {token: prod-1}, \
     tls: {peer: {mode: Disabled}, client: {mode: Disabled}}";

#[test]
fn an_edit_that_cannot_be_changes_nothing_and_says_why() {
    let old = binary(Minor::V3_5);
    let mut up = Up::prepare(&old, 3);
    let version = old.version;
    let good = format!("{{size: 3, version: {version}, {REST}}}");
    up.write_manifest(&good);
    up.run();
    // The spec has a storage, which is not applied on one machine, and that is said.
    let before = wait_for(&up, "SpecApplied", "False", &["spec.storage is not applied on one machine"]);
    up.wait("3 ready members", SOON, |status| status.ready_members == 3 && status.is("Available"));
    let was = lives(&up);

    let spec = |text: &str| manifest_of("demo", text);
    let smaller = REST.replace("2Gi", "1Gi");
    let cases: &[(String, &[&str])] = &[
        (
            spec(&format!("{{size: 3, version: 3.7.3, {REST}}}")),
            &["cannot become 3.7.3", "go through 3.6 first"],
        ),
        (spec(&format!("{{size: 4, version: {version}, {REST}}}")), &["spec.size: 4", "use 3 or 5"]),
        (spec(&format!("{{sise: 3, size: 3, version: {version}, {REST}}}")), &["cluster.yaml", "spec.sise"]),
        (spec("{size: 3"), &["cluster.yaml: line 4"]),
        (spec(&format!("{{size: 3, version: {version}, {smaller}}}")), &["never shrinks", "keep 2Gi"]),
        (
            spec(&format!("{{size: 3, version: {version}, {}}}", REST.replace("prod-1", "prod-2"))),
            &["token cannot be changed", "prod-1"],
        ),
        (manifest_of("other", &good), &["demo cannot be renamed to other", "make a new cluster"]),
        (String::new(), &["cluster.yaml", "there is no document"]),
    ];
    let manifest = up.dir().join("cluster.yaml");
    for (text, words) in cases {
        fs::write(&manifest, text).unwrap();
        let now = wait_for(&up, "SpecApplied", "False", words);
        assert!(!now.is("Ready") && now.is("Available"));
        assert_eq!(now.observed_generation, before.observed_generation, "it was not accepted");
    }
    let given = good.replace("peer: {mode: Disabled}", "peer: {mode: Secret, secretName: mine}");
    fs::write(&manifest, spec(&given)).unwrap();
    wait_for(&up, "SpecApplied", "False", &["spec.tls.peer.mode is not applied", "use Managed or Disabled"]);
    fs::remove_file(&manifest).unwrap();
    wait_for(&up, "SpecApplied", "False", &["cluster.yaml is gone"]);
    up.write_manifest(&good);
    up.wait("the edit to be taken back", SOON, |status| {
        status
            .condition("SpecApplied")
            .is_some_and(|one| one.message.starts_with("spec.storage is not applied"))
    });
    assert_eq!(lives(&up), was, "nobody was touched");

    // Sizes on the command line.
    let text = fs::read_to_string(&manifest).unwrap();
    says(&ends(&up.command(&["scale", "4"]), 3), &["spec.size: 4", "use 3 or 5"]);
    says(&ends(&up.command(&["scale", "--", "-3"]), 3), &["spec.size: -3", "use 3, 5, 7 or 9"]);
    says(&ends(&up.command(&["scale", "three"]), 2), &["three", "not a whole number; use 3, 5, 7 or 9"]);
    assert_eq!(fs::read_to_string(&manifest).unwrap(), text);

    // The same at the next start.
    up.kill();
    let file = up.dir().with_file_name("wanted.yaml");
    for (text, words) in cases.iter().filter(|(text, _)| !text.contains("name: other")) {
        fs::write(&file, text).unwrap();
        let said = ends(&up.command(&["up", "-f", &file.display().to_string()]), 3);
        let words: Vec<_> = words.iter().filter(|word| !word.starts_with("cluster.yaml")).copied().collect();
        says(&said, &words);
    }
    fs::write(&file, manifest_of("other", &good)).unwrap();
    let said = ends(&up.command(&["up", "-f", &file.display().to_string()]), 3);
    says(&said, &["belongs to cluster demo", "the manifest is of other", "--dir"]);
    assert_eq!(lives(&up), was, "the members run on without `up`");
}
