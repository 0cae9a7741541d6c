//! Options that etcd does not know: it ends at once, and says so.

use std::time::Duration;

use quorate::plan::version::Minor;

use super::{
    common::{etcd::binary, up::Up},
    wait_for,
};

const ETCDS_WORDS: &str = "flag provided but not defined: -no-such-flag";

#[test]
fn a_flag_that_etcd_does_not_know_is_told_in_its_words_and_heals_with_an_edit() {
    let mut up = Up::prepare(&binary(Minor::V3_6), 3);
    let version = up.binary.version;
    let good = format!("{{size: 3, version: {version}}}");
    let bad = format!("{{size: 3, version: {version}, etcd: {{extraArgs: {{no-such-flag: 'yes'}}}}}}");

    // A cluster that can't form is not thrown away again and again: no name is given out twice.
    up.write_manifest(&bad);
    up.run();
    let forming = wait_for(&up, "Degraded", "True", &[ETCDS_WORDS]);
    let names: Vec<_> = forming.members.iter().map(|one| one.name.clone()).collect();
    std::thread::sleep(Duration::from_secs(5));
    wait_for(&up, "Ready", "False", &[]);
    up.write_manifest(&good);
    up.wait_ready(3);
    assert_eq!(up.names(), names, "the members that could not start formed the cluster");

    // On a cluster that runs, it reaches one member, and stops there.
    let before = up.status();
    up.write_manifest(&bad);
    let stopped = wait_for(&up, "Progressing", "False", &["the roll stopped at", ETCDS_WORDS]);
    let victim = stopped.members.iter().find(|one| !one.ready).unwrap().name.clone();
    let degraded = wait_for(&up, "Degraded", "True", &[&victim, "times in a row", ETCDS_WORDS]);
    assert!(degraded.is("Available"));
    // A restart on request is held back, and brings nobody onto the bad spec.
    let bystander = up.leader();
    let pid = up.member_pid(&bystander);
    up.succeed(&["restart", &bystander]);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(up.member_pid(&bystander), pid);
    up.write_manifest(&good);
    up.wait("the member to come back", Duration::from_secs(120), |status| status.is("Ready"));
    let ids = |status: &quorate::plan::status::ClusterStatus| -> Vec<_> {
        status.members.iter().map(|one| one.id.clone()).collect()
    };
    assert_eq!(ids(&up.status()), ids(&before), "nobody was replaced");

    // One that another version would know is told before anybody is restarted.
    up.write_manifest(&format!(
        "{{size: 3, version: {version}, etcd: {{extraArgs: {{enable-v2: 'true'}}}}}}"
    ));
    wait_for(&up, "SpecApplied", "False", &["etcd 3.6 does not know --enable-v2", "remove it"]);
    up.write_manifest(&good);
    up.wait_ready(3);
}
