//! The same on a real API server, so that the fake is one.

use std::{process::Command, sync::Arc, time::Duration};

use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use quorate::{
    kubernetes::{
        client,
        lease::{Elector, Lost},
    },
    telemetry::metrics::Metrics,
};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

async fn connected() -> (Client, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::of_operator());
    (client::connect(Arc::clone(&metrics)).await.unwrap(), metrics)
}

#[tokio::test]
async fn a_real_server_hands_over_and_refuses_what_is_old() {
    let (client, metrics) = connected().await;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let name = format!("quorate-e2e-lease-{}", std::process::id());
    let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let test = tokio::spawn(hand_over(client, metrics, name.clone()));
    let result = test.await;
    namespaces.delete(&name, &DeleteParams::default()).await.unwrap();
    result.unwrap();
}

async fn hand_over(client: Client, metrics: Arc<Metrics>, namespace: String) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    let elector = |name| Elector::new(client.clone(), &namespace, "quorate", name, Arc::clone(&metrics));
    let (mut first, mut second) = (elector("a"), elector("b"));
    timeout(Duration::from_secs(5), first.acquire()).await.unwrap();
    let waiting = tokio::spawn(async move {
        second.acquire().await;
        second
    });
    assert_eq!(first.lead(sleep(Duration::from_secs(5))).await, Ok(()));
    let held = leases.get("quorate").await.unwrap();
    let spec = held.spec.clone().unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some("a"), Some(15)));
    assert!(spec.renew_time > spec.acquire_time, "{spec:?}");

    let start = Instant::now();
    first.release().await;
    let mut second = waiting.await.unwrap();
    assert!(start.elapsed() <= Duration::from_secs(2), "{:?}", start.elapsed());
    let spec = leases.get("quorate").await.unwrap().spec.unwrap();
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("b"), Some(1)));

    // A write on what was read before the hand-over is refused, as the fake refuses it.
    let version = held.metadata.resource_version;
    let old = json!({ "metadata": { "resourceVersion": version }, "spec": { "holderIdentity": "a" } });
    let said = leases.patch("quorate", &PatchParams::default(), &Patch::Merge(old)).await.unwrap_err();
    assert!(matches!(&said, kube::Error::Api(status) if status.code == 409), "{said}");

    // Whoever is written into it by hand, leads no more.
    let patch = json!({ "spec": { "holderIdentity": "somebody" } });
    leases.patch("quorate", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    let lost = timeout(Duration::from_secs(4), second.hold()).await.unwrap();
    assert!(matches!(&lost, Lost::Taken { by, .. } if by == "somebody"), "{lost}");

    let text = metrics.render().unwrap();
    for part in [r#"verb="patch",kind="leases",code="200""#, r#"verb="patch",kind="leases",code="409""#] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn the_operator_leads_and_goes_at_once_when_told() {
    // Filled in beside the command.
    let _ = Command::new("true");
}
