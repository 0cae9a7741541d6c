//! Volumes that are lost with their nodes, and claims that grow: beside an API server that expands volumes as the driver of
//! a storage class does.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, patch},
};
use kube::{Client, Config};
use serde_json::Value;

use super::*;
use crate::{
    api::{EtcdCluster, EtcdMember},
    kubernetes::{slim::PersistentVolumeClaim, watch::Stores},
};

/// What the acted API server holds, and what it was asked.
#[derive(Default)]
struct Held {
    claims: BTreeMap<String, Value>,
    classes_read: usize,
    changes: usize,
    /// Which claims were tied to their cluster, or let go.
    tied: Vec<(String, bool)>,
    /// It does not let the operator read storage classes.
    forbids_classes: bool,
}

type Server = Arc<Mutex<Held>>;

async fn class(State(server): State<Server>, Path(name): Path<String>) -> (StatusCode, String) {
    let mut held = server.lock().unwrap();
    held.classes_read += 1;
    let refused = |code: StatusCode, reason: &str| {
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "code": code.as_u16(), "reason": reason, "message": format!("storageclasses {name:?}: {reason}") });
        (code, status.to_string())
    };
    match name.as_str() {
        _ if held.forbids_classes => refused(StatusCode::FORBIDDEN, "Forbidden"),
        "elastic" | "fixed" => {
            let class = json!({ "metadata": { "name": name }, "allowVolumeExpansion": name == "elastic" });
            (StatusCode::OK, class.to_string())
        }
        _ => refused(StatusCode::NOT_FOUND, "NotFound"),
    }
}

/// Merges what is asked for; the volume has its size until [`expand`].
async fn change(State(server): State<Server>, Path(name): Path<String>, change: String) -> String {
    let change: Value = serde_json::from_str(&change).unwrap();
    let mut held = server.lock().unwrap();
    if let Some(owner) = change["metadata"]["ownerReferences"].get(0) {
        assert_eq!(owner["uid"], "uid-of-demo");
        held.tied.push((name.clone(), owner["$patch"] != "delete"));
        let claim = held.claims.get_mut(&name).unwrap();
        claim["metadata"]["ownerReferences"] = match owner["$patch"] == "delete" {
            true => json!([]),
            false => json!([owner]),
        };
        return claim.to_string();
    }
    held.changes += 1;
    let claim = held.claims.get_mut(&name).unwrap();
    assert_eq!(
        change["metadata"]["uid"], claim["metadata"]["uid"],
        "another claim of that name may not grow"
    );
    claim["spec"]["resources"]["requests"] = change["spec"]["resources"]["requests"].clone();
    claim.to_string()
}

/// What the driver does some time after the request grew.
fn expand(server: &Server) {
    for claim in server.lock().unwrap().claims.values_mut() {
        claim["status"]["capacity"] = claim["spec"]["resources"]["requests"].clone();
    }
}

/// A server with three claims of 1 GiB of a class, and hands that talk to it.
async fn server(class_name: &str) -> (Server, Hands) {
    let claim = |name: &str| {
        let claim = json!({
            "metadata": { "name": name, "namespace": "a", "uid": format!("uid-of-{name}") },
            "spec": { "storageClassName": class_name, "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "1Gi" } } },
            "status": { "phase": "Bound", "capacity": { "storage": "1Gi" } },
        });
        (name.to_owned(), claim)
    };
    let held = Held { claims: NAMES.map(claim).into(), ..Held::default() };
    let server = Arc::new(Mutex::new(held));
    let routes = Router::new()
        .route("/apis/storage.k8s.io/v1/storageclasses/{name}", get(class))
        .route("/api/v1/namespaces/a/persistentvolumeclaims/{name}", patch(change))
        .with_state(Arc::clone(&server));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let client = Client::try_from(Config::new(address.parse().unwrap())).unwrap();
    (server, Hands::new(client, Arc::new(Stores::default())))
}

const NAMES: [&str; 3] = ["demo-a", "demo-b", "demo-c"];

fn cluster(size: &str, paused: bool) -> EtcdCluster {
    serde_json::from_value(
        json!({ "metadata": { "name": "demo" }, "spec": { "size": 3, "paused": paused, "storage": {
        "volumeClaimTemplate": { "spec": { "resources": { "requests": { "storage": size } } } } } } }),
    )
    .unwrap()
}

async fn settle(volumes: &Volumes, server: &Server, hands: &Hands, size: &str) -> Settled {
    settle_as(volumes, server, hands, &cluster(size, false)).await
}

async fn settle_as(volumes: &Volumes, server: &Server, hands: &Hands, wanted: &EtcdCluster) -> Settled {
    let member = |name: &&str| {
        let spec = json!({ "cluster": "demo", "clusterUid": "c", "serial": 1, "version": "3.6.16", "image": "etcd" });
        MemberView::of(EtcdMember::new(name, serde_json::from_value(spec).unwrap())).into()
    };
    let members: Vec<_> = NAMES.iter().map(member).collect();
    let claims: Vec<_> = {
        let held = server.lock().unwrap();
        let view = |claim: &Value| {
            ClaimView::of(serde_json::from_value::<PersistentVolumeClaim>(claim.clone()).unwrap()).into()
        };
        held.claims.values().map(view).collect()
    };
    volumes.settle(hands, wanted, &members, &claims).await
}

#[tokio::test]
async fn claims_grow_where_their_class_can_and_are_watched_until_they_have() {
    let (server, hands) = server("elastic").await;
    let volumes = Volumes::default();
    assert_eq!(settle(&volumes, &server, &hands, "1Gi").await, Settled::default());
    assert_eq!(server.lock().unwrap().classes_read, 0, "nothing is asked while nothing differs");
    assert_eq!(settle(&volumes, &server, &hands, "2Gi").await, Settled::default());
    assert_eq!(server.lock().unwrap().changes, 3);
    let growing = settle(&volumes, &server, &hands, "2Gi").await;
    assert!(growing.misplaced.is_empty(), "{growing:?}");
    assert!(
        growing
            .refused
            .iter()
            .any(|one| one.contains("claim demo-b asks for 2Gi and its volume still has 1Gi"))
    );
    expand(&server);
    assert_eq!(settle(&volumes, &server, &hands, "2Gi").await, Settled::default());
    let held = server.lock().unwrap();
    assert_eq!((held.changes, held.classes_read), (3, 1), "each was changed once, and the class read once");
}

#[tokio::test]
async fn claims_that_can_not_grow_are_named_with_class_and_sizes() {
    for (class, words) in [
        ("fixed", "its volume has 1Gi, 2Gi is wanted, and storage class \"fixed\" can't expand volumes"),
        ("gone", "storage class \"gone\", which does not exist, can't expand volumes"),
    ] {
        let (server, hands) = server(class).await;
        let settled = settle(&Volumes::default(), &server, &hands, "2Gi").await;
        assert_eq!(settled.misplaced.keys().collect::<Vec<_>>(), NAMES);
        assert!(settled.misplaced.values().all(|why| why.contains(words)), "{settled:?}");
        assert!(settled.refused.is_empty() && server.lock().unwrap().changes == 0);
    }
}

#[tokio::test]
async fn claims_go_with_the_cluster_or_stay_as_the_spec_says_now() {
    let (server, hands) = server("elastic").await;
    let wanted = |policy: &str, paused| {
        let mut wanted = cluster("1Gi", paused);
        wanted.metadata.uid = Some("uid-of-demo".into());
        wanted.spec.deletion_policy = Some(policy.into());
        wanted
    };
    let volumes = Volumes::default();
    for (policy, paused, tied) in [
        ("Retain", false, None),
        ("Delete", true, None),
        ("Delete", false, Some(true)),
        ("Delete", false, None),
        ("Retain", false, Some(false)),
    ] {
        assert_eq!(settle_as(&volumes, &server, &hands, &wanted(policy, paused)).await, Settled::default());
        let done = std::mem::take(&mut server.lock().unwrap().tied);
        let expected: Vec<_> =
            tied.iter().flat_map(|tied| NAMES.map(|name| (name.to_owned(), *tied))).collect();
        assert_eq!(done, expected, "{policy}");
    }
}

#[tokio::test]
async fn a_paused_cluster_is_told_and_not_touched() {
    let (server, hands) = server("elastic").await;
    let settled = settle_as(&Volumes::default(), &server, &hands, &cluster("2Gi", true)).await;
    assert!(settled.refused.contains("demo-a keeps its volume of 1Gi: the cluster is paused"), "{settled:?}");
    let held = server.lock().unwrap();
    assert_eq!((held.changes, held.classes_read), (0, 0));
}

#[tokio::test]
async fn nobody_is_misplaced_for_a_class_that_can_not_be_read() {
    let (server, hands) = server("elastic").await;
    server.lock().unwrap().forbids_classes = true;
    let volumes = Volumes::default();
    let settled = settle(&volumes, &server, &hands, "2Gi").await;
    assert!(settled.misplaced.is_empty(), "{settled:?}");
    assert!(settled.refused.iter().any(|one| one.contains("demo-c keeps its volume of 1Gi")), "{settled:?}");
    server.lock().unwrap().forbids_classes = false;
    assert_eq!(
        settle(&volumes, &server, &hands, "2Gi").await,
        Settled::default(),
        "an answer is believed, silence is not"
    );
}
