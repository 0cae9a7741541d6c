//! The Pod of a member: the guard, etcd beside it, and what a person's template adds.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use serde_json::{Map, Value, json};

use super::{
    RenderError, Surroundings, Template, merge, meta, own, peer_domain, probes,
    secret::client_urls,
    soft::{Soft, hard},
    template,
};
use crate::{
    api::{EmptyDir, EtcdMember},
    kubernetes::labels,
    member::guard::words::{
        ASSIGNMENT, Assignment, CERTIFICATES, CLIENT_PORT, CLIENT_TLS_PORT, GUARD_PORT, METRICS_PORT,
        PEER_PORT, PEER_TLS_PORT, POD_FOLDER, VOLUME, authorities_file, certificate_file, key_file,
    },
    plan::{
        MemberName, PeerDomain, Scheme, Side, Sides,
        transport::{Channel, Listen},
    },
};

/// The volume with the member's data.
pub(super) const DATA: &str = "data";
/// The volume with the guard's program.
pub(super) const PROGRAM: &str = "quorate";
/// The volume with the member's certificates.
pub(super) const CERTIFICATES_VOLUME: &str = "quorate-tls";
/// The mode of its files: of the group that the processes belong to, since the owner of a mounted file is root.
const CERTIFICATES_MODE: i32 = 0o440;
/// Where the init container sees the folder of the program: its image has a file in the place of the other one.
const PROGRAM_FOLDER: &str = "/program";
/// The variable with the address of the Pod.
const POD_IP: &str = "POD_IP";
/// The ports of a member. Those of the schemes under which it does not listen are not in its Pod.
pub(super) const PORTS: [(&str, u16); 6] = [
    (CLIENT, CLIENT_PORT),
    (CLIENT_TLS, CLIENT_TLS_PORT),
    (PEER, PEER_PORT),
    (PEER_TLS, PEER_TLS_PORT),
    ("metrics", METRICS_PORT),
    ("guard", GUARD_PORT),
];
/// The names of its listeners.
pub(super) const CLIENT: &str = "client";
pub(super) const CLIENT_TLS: &str = "client-tls";
const PEER: &str = "peer";
const PEER_TLS: &str = "peer-tls";

/// Who the processes are: nobody that owns anything else.
const USER: i64 = 65532;

/// The Pod of a member. `started` says whether etcd was ever started on its volume.
///
/// # Errors
/// When its podTemplate is not the template of a Pod.
pub fn pod(member: &EtcdMember, started: bool, around: &Surroundings) -> Result<Pod, RenderError> {
    let object = format!("Pod {}", member.name_any());
    let unwritable =
        |error: serde_json::Error| RenderError::Unwritable { object: object.clone(), why: error.to_string() };
    let mut pod = own_part(member, started, around).map_err(unwritable)?;
    if let Some(wanted) = &member.spec.pod_template {
        let unfit = |why| RenderError::Template { template: Template::Pod, object: object.clone(), why };
        template::check(wanted).map_err(unfit)?;
        merge::merge(&mut pod, &own::strip_pod(wanted).0);
    }
    let mut pod: Pod = serde_json::from_value(pod).map_err(|error| RenderError::Template {
        template: Template::Pod,
        object: object.clone(),
        why: error.to_string(),
    })?;
    pod.metadata.owner_references = Some(vec![meta::owner(member)]);
    meta::mark(&mut pod.metadata, pod_fingerprint(member));
    if let Some(soft) = Soft::of(member.spec.pod_template.as_ref()).written() {
        pod.metadata.annotations.get_or_insert_default().insert(labels::SOFT.to_owned(), soft);
    }
    Ok(pod)
}

/// The mark of a Pod that is made from a member as it is now. What only the guard is told does not count: it changes
/// while the member stays what it is; neither does what can be changed in place. Nothing of the operator itself counts
/// either, such as its image: a newer operator must not find every Pod out of date.
pub fn pod_fingerprint(member: &EtcdMember) -> String {
    let spec = &member.spec;
    let mut value = json!({
        "version": spec.version,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "options": spec.options,
        "storage": spec.storage.as_ref().map(|storage| &storage.empty_dir),
        "podTemplate": hard(spec.pod_template.as_ref()),
    });
    // Not before there is something to say: members of plain text keep their Pods.
    if let Some(fields) = value.as_object_mut().filter(|_| !spec.transport.is_default()) {
        fields.insert("transport".to_owned(), json!(spec.transport));
    }
    meta::fingerprint(&value)
}

/// The Pod as it is without a template.
fn own_part(member: &EtcdMember, started: bool, around: &Surroundings) -> Result<Value, serde_json::Error> {
    let name = member.name_any();
    let cluster = &member.spec.cluster;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": around.namespace,
            "labels": meta::member_labels(member),
        },
        "spec": {
            "hostname": name,
            "subdomain": labels::peer_service(cluster),
            "restartPolicy": "Always",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 30,
            "readinessGates": [{"conditionType": labels::IN_SERVICE}],
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": USER,
                "runAsGroup": USER,
                "fsGroup": USER,
                // A volume with many files is not walked through at every start.
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "affinity": affinity(cluster),
            "topologySpreadConstraints": spread(cluster),
            "initContainers": [guard(around)],
            "containers": [etcd(member, started, around)?],
            "volumes": volumes(member),
        },
    }))
}

/// Copies the guard to where the container of etcd finds it.
fn guard(around: &Surroundings) -> Value {
    let mut container = json!({
        "name": labels::INIT_CONTAINER,
        "image": around.member_image,
        "args": ["member", "install", "--to", PROGRAM_FOLDER],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        "securityContext": confined(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": PROGRAM, "mountPath": PROGRAM_FOLDER}],
    });
    pull(&mut container, around.member_image_pull_policy.as_ref());
    container
}

fn etcd(member: &EtcdMember, started: bool, around: &Surroundings) -> Result<Value, serde_json::Error> {
    let peers = peer_domain(&member.spec.cluster, &around.namespace, &around.cluster_domain);
    let Sides { peer: Channel { listen: peer, .. }, client: Channel { listen: client, .. } } =
        &member.spec.transport;
    let listens = |name: &str| match name {
        CLIENT => client.has(Scheme::Http),
        CLIENT_TLS => client.has(Scheme::Https),
        PEER => peer.has(Scheme::Http),
        PEER_TLS => peer.has(Scheme::Https),
        _ => true,
    };
    let ports: Vec<_> = PORTS
        .into_iter()
        .filter(|(name, _)| listens(name))
        .map(|(name, port)| json!({"name": name, "containerPort": port, "protocol": "TCP"}))
        .collect();
    let mut container = json!({
        "name": labels::CONTAINER,
        "image": member.spec.image,
        "command": [format!("{POD_FOLDER}/quorate"), "member", "run"],
        "env": variables(member, &assignment(member, started, peers))?,
        "ports": ports,
        // Little enough for many small clusters on one node; real ones say what they need in the template.
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": confined(),
        "startupProbe": probes::startup(),
        "livenessProbe": probes::liveness(),
        "readinessProbe": probes::readiness(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts(member),
    });
    pull(&mut container, member.spec.image_pull_policy.as_ref());
    Ok(container)
}

fn pull(container: &mut Value, policy: Option<&String>) {
    if let (Some(fields), Some(policy)) = (container.as_object_mut(), policy) {
        fields.insert("imagePullPolicy".into(), policy.as_str().into());
    }
}

fn variables(member: &EtcdMember, assignment: &Assignment) -> Result<Vec<Value>, serde_json::Error> {
    let mut all = vec![
        json!({"name": ASSIGNMENT, "value": literal(&serde_json::to_string(assignment)?)}),
        json!({"name": POD_IP, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}),
    ];
    let extra = &member.spec.options.extra_env;
    let etcdctl = etcdctl(member.spec.transport.client.listen);
    let missing = etcdctl.into_iter().filter(|(name, _)| !extra.contains_key(*name));
    all.extend(missing.map(|(name, value)| json!({"name": name, "value": value})));
    let others = extra.iter().filter(|(name, _)| !is_own(name));
    all.extend(others.map(|(name, value)| json!({"name": name, "value": literal(value)})));
    Ok(all)
}

/// What etcdctl has to be told in the container of a member that listens for clients under TLS only: the member's own
/// certificate is one for clients too. They say nothing to the member, so a person's variables of these names win.
fn etcdctl(listen: Listen) -> Vec<(&'static str, String)> {
    let file = |name: &str| format!("{CERTIFICATES}/{name}");
    match listen {
        Listen::Plain | Listen::Both => Vec::new(),
        Listen::Tls => vec![
            ("ETCDCTL_ENDPOINTS", format!("https://127.0.0.1:{CLIENT_TLS_PORT}")),
            ("ETCDCTL_CACERT", file(authorities_file(Side::Client))),
            ("ETCDCTL_CERT", file(certificate_file(Side::Client))),
            ("ETCDCTL_KEY", file(key_file(Side::Client))),
        ],
    }
}

/// Whether a variable is one that the operator sets itself.
pub(super) fn is_own(name: &str) -> bool {
    [ASSIGNMENT, POD_IP].contains(&name)
}

/// A value as it reaches the process: Kubernetes would put other variables in the place of `$(NAME)`, which no other
/// platform does.
fn literal(value: &str) -> String {
    value.replace('$', "$$")
}

/// What the guard of a member is told. `peers` is the domain of the cluster's members, see [`super::peer_domain`].
pub fn assignment(member: &EtcdMember, started: bool, peers: String) -> Assignment {
    let name = MemberName(member.name_any());
    let transport = member.spec.transport.clone();
    let (peer_url, second_peer_url) = PeerDomain(peers.clone()).peer_urls(&name, transport.peer.listen);
    Assignment {
        uid: meta::uid(member),
        version: member.spec.version,
        options: member.spec.options.clone(),
        peer_url,
        second_peer_url,
        client_url: client_urls(&name.0, &peers, transport.client.listen).join(","),
        transport,
        admission: member.spec.admission.clone(),
        name,
        peers,
        started,
        alone: member.annotations().contains_key(labels::ALONE),
    }
}

fn volumes(member: &EtcdMember) -> Vec<Value> {
    let mut all = vec![data_volume(member), json!({"name": PROGRAM, "emptyDir": {"sizeLimit": "64Mi"}})];
    if !member.spec.transport.is_default() {
        let secret = labels::member_secret(&member.name_any());
        let source = json!({"secretName": secret, "defaultMode": CERTIFICATES_MODE});
        all.push(json!({"name": CERTIFICATES_VOLUME, "secret": source}));
    }
    all
}

fn mounts(member: &EtcdMember) -> Vec<Value> {
    let mut all =
        vec![json!({"name": DATA, "mountPath": VOLUME}), json!({"name": PROGRAM, "mountPath": POD_FOLDER})];
    if !member.spec.transport.is_default() {
        all.push(json!({"name": CERTIFICATES_VOLUME, "mountPath": CERTIFICATES, "readOnly": true}));
    }
    all
}

fn data_volume(member: &EtcdMember) -> Value {
    let dir = member.spec.storage.as_ref().and_then(|storage| storage.empty_dir.as_ref());
    match dir {
        None => json!({"name": DATA, "persistentVolumeClaim": {"claimName": member.name_any()}}),
        Some(EmptyDir { medium, size_limit }) => {
            let medium =
                medium.as_ref().filter(|medium| !medium.is_empty()).map(|medium| ("medium", json!(medium)));
            let limit = size_limit.as_ref().map(|limit| ("sizeLimit", json!(limit.0)));
            let fields = [medium, limit].into_iter().flatten();
            let dir: Map<_, _> = fields.map(|(name, value)| (name.to_owned(), value)).collect();
            json!({"name": DATA, "emptyDir": dir})
        }
    }
}

/// What Pod Security *restricted* asks of a container, and a root file system that nobody writes to.
fn confined() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
    })
}

/// Members of a cluster rather on different nodes. Not strictly: a member beside another is better than none.
fn affinity(cluster: &str) -> Value {
    let term = json!({
        "labelSelector": {"matchLabels": meta::selector(cluster)},
        "topologyKey": "kubernetes.io/hostname",
    });
    json!({"podAntiAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term}],
    }})
}

/// Members of a cluster evenly over zones and nodes, as far as it goes.
fn spread(cluster: &str) -> [Value; 2] {
    ["topology.kubernetes.io/zone", "kubernetes.io/hostname"].map(|key| {
        json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": meta::selector(cluster)},
        })
    })
}
