//! What plays scheduler, kubelet and provisioner: every Pod gets an address of its own on loopback and runs at once,
//! every claim is bound.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use quorate::{
    kubernetes::labels,
    member::guard::words::{ASSIGNMENT, Assignment},
};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    NAMESPACE,
    pods::Pods,
    seen::{Seen, uid},
    serve,
};

/// The addresses that Pods get: all of 127.0.0.0/8 is this machine, and who else uses these is unlikely.
const NETWORK: [u8; 2] = [127, 77];

/// A Pod that runs.
struct Runs {
    address: Ipv4Addr,
    ready: bool,
    _serving: JoinSet<()>,
}

/// Follows the events for ever.
pub async fn run(client: Client, mut events: mpsc::UnboundedReceiver<Seen>) {
    let acted = Arc::new(Pods::default());
    let (pods, claims) = (api::<Pod>(&client), api::<PersistentVolumeClaim>(&client));
    let mut running: HashMap<String, Runs> = HashMap::new();
    let mut given_out: u16 = 0;
    let mut writes = JoinSet::new();
    while let Some(seen) = events.recv().await {
        while writes.try_join_next().is_some() {}
        let (name, uid) = (seen.object.name_any(), uid(&seen.object).to_owned());
        match (seen.kind(), seen.gone) {
            ("Pod", true) => {
                if let Some(pod) = running.remove(&uid) {
                    acted.end(pod.address);
                }
            }
            ("Pod", false) => match running.get_mut(&uid) {
                None => {
                    given_out += 1;
                    let [high, low] = given_out.to_be_bytes();
                    let address = Ipv4Addr::new(NETWORK[0], NETWORK[1], high, low);
                    let (cluster, assignment) = assignment(&seen);
                    let serving = serve::pod(&acted, address).await;
                    acted.begin(address, &cluster, assignment);
                    running.insert(uid, Runs { address, ready: false, _serving: serving });
                    writes.spawn(status(pods.clone(), name, runs(address)));
                }
                // It counts as ready once its gate is open, which may be before it is known to run.
                Some(pod)
                    if !pod.ready
                        && seen.is(labels::IN_SERVICE)
                        && seen.field("/status/phase").is_some_and(|phase| phase == "Running") =>
                {
                    pod.ready = true;
                    writes.spawn(status(
                        pods.clone(),
                        name,
                        json!({ "conditions": [condition("Ready", true)] }),
                    ));
                }
                Some(_) => {}
            },
            ("PersistentVolumeClaim", true) => acted.wipe(&name),
            ("PersistentVolumeClaim", false)
                if seen.field("/status/phase").is_none_or(|phase| phase != "Bound") =>
            {
                let size = seen.field("/spec/resources/requests/storage").cloned().unwrap_or_default();
                let bound = json!({
                    "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": { "storage": size },
                });
                writes.spawn(status(claims.clone(), name, bound));
            }
            _ => {}
        }
    }
}

fn api<K>(client: &Client) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    Api::namespaced(client.clone(), NAMESPACE)
}

/// What the operator told the guard in a Pod, and the cluster it is of.
fn assignment(seen: &Seen) -> (String, Assignment) {
    let environment = seen.field("/spec/containers/0/env").and_then(Value::as_array).into_iter().flatten();
    let told = environment.filter(|one| one["name"] == ASSIGNMENT).find_map(|one| one["value"].as_str());
    let assignment =
        serde_json::from_str(told.expect("a Pod tells its guard")).expect("words of this version");
    (seen.object.labels()[labels::CLUSTER].clone(), assignment)
}

/// The status of a Pod whose container runs and whose gate is not open yet.
fn runs(address: Ipv4Addr) -> Value {
    let now = format!("{:.0}", Timestamp::now());
    let conditions =
        [("PodScheduled", true), ("Initialized", true), ("ContainersReady", true), ("Ready", false)];
    json!({
        "phase": "Running",
        "podIP": address.to_string(),
        "podIPs": [{ "ip": address.to_string() }],
        "startTime": now,
        "conditions": conditions.map(|(kind, holds)| condition(kind, holds)),
        "containerStatuses": [{
            "name": labels::CONTAINER,
            "image": "etcd",
            "imageID": "etcd",
            "ready": true,
            "started": true,
            "restartCount": 0,
            "state": { "running": { "startedAt": now } },
        }],
    })
}

fn condition(kind: &str, holds: bool) -> Value {
    json!({ "type": kind, "status": if holds { "True" } else { "False" } })
}

/// Writes a status. An object that went meanwhile needs none.
async fn status<K>(api: Api<K>, name: String, status: Value)
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let patch = Patch::Strategic(json!({ "status": status }));
    if let Err(error) = api.patch_status(&name, &PatchParams::default(), &patch).await
        && !matches!(&error, kube::Error::Api(status) if status.is_not_found())
    {
        eprintln!("the status of {name} can't be written: {error}");
    }
}
