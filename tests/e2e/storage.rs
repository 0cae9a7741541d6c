//! Volumes that are full, or on a node that does not come back. Made by the test, as a local provisioner does.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use crate::{common::SECONDS, place::Place, tell::unplanned};

/// Volumes of a storage class of the test's own, in folders of this machine, which is the only node.
pub struct Volumes<'a> {
    place: &'a Place,
    folder: PathBuf,
}

impl<'a> Volumes<'a> {
    /// Makes the class, which bears the name of the namespace.
    fn new(place: &'a Place) -> Self {
        Self::of_class(place, false)
    }

    /// The same with a class that says it expands volumes; nobody does.
    pub fn expandable(place: &'a Place) -> Self {
        Self::of_class(place, true)
    }

    fn of_class(place: &'a Place, expands: bool) -> Self {
        let name = place.kubectl.name();
        let class = format!(
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {{name: {name}}}\n\
             provisioner: kubernetes.io/no-provisioner\nvolumeBindingMode: WaitForFirstConsumer\n\
             allowVolumeExpansion: {expands}\n"
        );
        place.kubectl.must(&["apply", "--filename", "-"], &class);
        Self { place, folder: std::env::temp_dir().join(name) }
    }

    /// Makes a volume; `node` is the only one that has it, by its label `kubernetes.io/hostname`.
    pub fn add(&self, number: usize, node: Option<&str>) -> PathBuf {
        let folder = self.folder.join(number.to_string());
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let class = self.place.kubectl.name();
        let only = node.map(|node| {
            format!(
                "  nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: \
                 [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]}}]}}}}\n"
            )
        });
        let volume = format!(
            "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {class}-{number}}}\nspec:\n\
             \x20 storageClassName: {class}\n\x20 capacity: {{storage: 1Gi}}\n\x20 accessModes: [ReadWriteOnce]\n\
             \x20 persistentVolumeReclaimPolicy: Retain\n\x20 hostPath: {{path: {}}}\n{}",
            folder.display(),
            only.unwrap_or_default()
        );
        self.place.kubectl.must(&["apply", "--filename", "-"], &volume);
        folder
    }

    /// The spec of a cluster of three over this class.
    pub fn spec(&self) -> String {
        spec(self.place.kubectl.name(), "1Gi")
    }

    /// The member that has a volume.
    pub fn holder(&self, number: usize) -> String {
        let volume = format!("{}-{number}", self.place.kubectl.name());
        let claim = "--output=jsonpath={.spec.claimRef.name}";
        self.place.kubectl.must(&["get", "pv", &volume, claim], "")
    }
}

impl Drop for Volumes<'_> {
    fn drop(&mut self) {
        let class = self.place.kubectl.name();
        for number in 0..9 {
            let _ = Command::new("umount").arg(self.folder.join(number.to_string())).output();
            let volume = format!("{class}-{number}");
            self.place.kubectl.run(&["delete", "pv", &volume, "--ignore-not-found", "--wait=false"], "");
        }
        self.place.kubectl.run(&["delete", "storageclass", class, "--wait=false"], "");
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn spec(class: &str, size: &str) -> String {
    format!(
        "size: 3\nstorage:\n  volumeClaimTemplate:\n    spec:\n      storageClassName: {class}\n      \
         resources: {{requests: {{storage: {size}}}}}"
    )
}

#[test]
fn a_full_volume_is_named_and_its_member_kept() {
    let place = Place::new("quorate-full");
    let volumes = Volumes::new(&place);
    let folders: Vec<_> = (0..3).map(|number| volumes.add(number, None)).collect();
    let small = folders[0].to_str().unwrap();
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=192m,mode=777", "tmpfs", small]).status();
    if !mounted.is_ok_and(|status| status.success()) {
        println!("not checked: a full volume needs the right to mount one");
        return;
    }
    place.apply("demo", &volumes.spec());
    place.wait_ready("demo", 3);
    let (member, names) = (volumes.holder(0), place.names());
    let load = place.load(200);
    let ballast = folders[0].join("ballast");
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k", &format!("of={}", ballast.display())])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&filled.stderr).contains("No space left"), "{filled:?}");
    let told = place.wait("demo", "no space left on device, in a condition", SECONDS(30), |status| {
        let degraded = status.condition("Degraded");
        degraded.is_some_and(|one| {
            one.message.contains("no space left on device") && one.message.contains(&member)
        })
    });
    println!("a full volume: told after {:.1} s", told.as_secs_f64());
    assert!(place.status("demo").is("Available"));
    fs::remove_file(ballast).unwrap();
    let took = place.wait_ready("demo", 3);
    unplanned("a full volume, then room again", told + took, &load.finish());
    assert_eq!(place.names(), names, "nobody is replaced");
}

/// A Node without a kubelet, on which nothing can run.
fn ghost(name: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{kubernetes.io/hostname: {name}}}}}\n\
         spec: {{taints: [{{key: ghost, effect: NoSchedule}}]}}\n"
    )
}

/// What the only node is called by volumes.
fn call_node(place: &Place, name: &str) {
    let label = format!("kubernetes.io/hostname={name}");
    place.kubectl.must(&["label", "node", "node1", "--overwrite", &label], "");
}

#[test]
fn a_member_on_a_node_that_is_gone_for_good_is_replaced() {
    let place = Place::new("quorate-node");
    let node = format!("{}-node", place.kubectl.name());
    let volumes = Volumes::new(&place);
    // As long as the members start, the node bears the name of the one that will be lost.
    volumes.add(0, Some(&node));
    volumes.add(1, None);
    volumes.add(2, None);
    call_node(&place, &node);
    place.apply("demo", &volumes.spec());
    place.wait_ready("demo", 3);
    call_node(&place, "node1");
    place.kubectl.must(&["apply", "--filename", "-"], &ghost(&node));
    let (lost, names) = (volumes.holder(0), place.names());
    volumes.add(3, None);
    let load = place.load(100);
    place.delete_pod(&lost);
    place.wait("demo", "its Pod can't be scheduled", SECONDS(30), |status| {
        status.condition("Degraded").is_some_and(|one| one.message.contains("can't be scheduled"))
    });
    std::thread::sleep(SECONDS(10));
    assert_eq!(place.names(), names, "the node may come back, so its member is waited for");
    let taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
    place.kubectl.must(&["taint", "node", &node, taint], "");
    let took = place.wait("demo", "a new member", SECONDS(60), |status| {
        status.is("Ready") && status.ready_members == 3 && status.members.iter().all(|one| one.name != lost)
    });
    unplanned("a node taken out of service", took, &load.finish());
    place.kubectl.must(&["delete", "node", &node], "");

    // The next one is on a node that nobody ever sees again.
    let gone = format!("{}-gone", place.kubectl.name());
    call_node(&place, &gone);
    volumes.add(4, Some(&gone));
    let names = place.names();
    place
        .kubectl
        .must(&["annotate", "etcdmember", &place.follower(), "quorate.dev/replace-requested=now"], "");
    place.wait("demo", "a member on that node", SECONDS(60), |status| {
        status.is("Ready")
            && status.ready_members == 3
            && status.members.iter().any(|one| !names.contains(&one.name))
    });
    call_node(&place, "node1");
    volumes.add(5, None);
    replaced(&place, &volumes.holder(4), "a node that was deleted");
}

/// Waits until a member is replaced by another one after its Pod was deleted.
fn replaced(place: &Place, lost: &str, what: &str) {
    let load = place.load_beside(50);
    place.delete_pod(lost);
    let took = place.wait("demo", what, SECONDS(60), |status| {
        status.is("Ready") && status.ready_members == 3 && status.members.iter().all(|one| one.name != lost)
    });
    unplanned(what, took, &load.finish());
}

#[test]
fn a_member_whose_volume_was_deleted_is_replaced() {
    let place = Place::new("quorate-volume");
    let volumes = Volumes::new(&place);
    (0..4).for_each(|number| drop(volumes.add(number, None)));
    place.apply("demo", &volumes.spec());
    place.wait_ready("demo", 3);
    let taken = (0..4).find(|number| !volumes.holder(*number).is_empty()).unwrap();
    let (volume, lost) = (format!("{}-{taken}", place.kubectl.name()), volumes.holder(taken));
    // As after a disk that is thrown away: the claim keeps the name of a volume that is no more.
    place.kubectl.must(&["delete", "pv", &volume, "--wait=false"], "");
    let unprotected = r#"--patch={"metadata":{"finalizers":null}}"#;
    place.kubectl.must(&["patch", "pv", &volume, "--type=merge", unprotected], "");
    let phase = || place.kubectl.must(&["get", "pvc", &lost, "--output=jsonpath={.status.phase}"], "");
    let start = std::time::Instant::now();
    while phase() != "Lost" {
        assert!(start.elapsed() < SECONDS(30), "the claim is {}", phase());
        std::thread::sleep(SECONDS(1));
    }
    assert!(place.names().contains(&lost), "etcd runs on as long as its Pod does");
    replaced(&place, &lost, "a volume that was deleted");
}
