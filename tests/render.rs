//! What the operator makes of its resources on Kubernetes, as values: one whole Pod, and tables of what may change in it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails as a test does"
)]

use k8s_openapi::api::core::v1::Pod;
use quorate::{
    api::{EtcdCluster, EtcdMember, manifest, validate},
    kubernetes::{
        labels,
        render::{self, RenderError, Surroundings, Template},
    },
    member::guard::{self, words::Assignment},
    plan::{
        MemberName, PeerDomain, Recipe, Scheme, Sides, Transport,
        transport::{AuthorityId, Channel, Listen},
    },
    yaml,
};
use serde_json::{Value, json};

/// An EtcdCluster as an API server would hand it out.
fn cluster(spec: &str) -> EtcdCluster {
    let text = format!(
        "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\n\
         metadata: {{name: demo, namespace: tests, uid: 6d1c0f2e-0000-4000-8000-000000000001}}\nspec: {spec}\n"
    );
    yaml::from_str(&text).unwrap()
}

fn member(spec: &str) -> EtcdMember {
    let cluster = cluster(spec);
    let text = format!(
        "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {{name: demo}}\nspec: {spec}\n"
    );
    let read = manifest::read(&text).unwrap();
    let desired = validate::check(&read.name, &read.spec).unwrap();
    let name = MemberName("demo-x4k2p".into());
    let recipe =
        Recipe { version: desired.version, options: desired.options, transport: Transport::default() };
    let mut member = render::member_spec(&cluster, &name, 3, &recipe, None);
    member.metadata.uid = Some("6d1c0f2e-0000-4000-8000-000000000002".into());
    member
}

fn around() -> Surroundings {
    Surroundings {
        namespace: "tests".into(),
        cluster_domain: "cluster.local".into(),
        member_image: "quorate:dev".into(),
        member_image_pull_policy: None,
    }
}

fn pod(spec: &str) -> Value {
    serde_json::to_value(render::pod(&member(spec), false, &around()).unwrap()).unwrap()
}

fn with_template(template: &Value) -> Value {
    let mut member = member("{size: 3}");
    member.spec.pod_template = Some(template.clone());
    serde_json::to_value(render::pod(&member, false, &around()).unwrap()).unwrap()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|item| item["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn the_whole_pod_of_the_demo() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/pod.yaml");
    let rendered = yaml::to_string(&pod("{size: 3}")).unwrap();
    let written = concat!(env!("CARGO_TARGET_TMPDIR"), "/pod.yaml");
    std::fs::write(written, &rendered).unwrap();
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    assert!(golden == rendered, "{path} is not what is made now; if it should be, copy {written} there");
    // What is there says nothing of fields that the type does not have.
    yaml::from_str::<Pod>(&rendered).unwrap();
}

#[test]
fn the_guard_is_told_who_it_is() {
    let spec = "{size: 3, version: 3.5.35, etcd: {snapshotCount: 7, extraArgs: {max-txn-ops: $(POD_IP)}, extraEnv: {A: $b}}}";
    let pod = render::pod(&member(spec), true, &around()).unwrap();
    let env = pod.spec.unwrap().containers[0].env.clone().unwrap();
    let names: Vec<_> = env.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["QUORATE_MEMBER", "POD_IP", "A"]);
    assert_eq!(env[2].value.as_deref(), Some("$$b"));
    // As Kubernetes does, which reads two of them as one.
    let text = env[0].value.as_ref().unwrap().replace("$$", "$");
    let told: Assignment = serde_json::from_str(&text).unwrap();
    let domain = render::peer_domain("demo", "tests", "cluster.local");
    assert_eq!(domain, "demo-peers.tests.svc.cluster.local");
    assert_eq!(told.peer_url, PeerDomain(domain.clone()).peer_url(&told.name, Scheme::Http));
    assert_eq!(told.client_url, format!("http://demo-x4k2p.{domain}:2379"));
    assert_eq!((told.peers, told.uid.as_str()), (domain, "6d1c0f2e-0000-4000-8000-000000000002"));
    assert_eq!((told.version.to_string(), told.started), ("3.5.35".into(), true));
    assert_eq!(told.options.extra_args["max-txn-ops"], "$(POD_IP)");
}

#[test]
fn a_template_adds_and_changes() {
    let made = with_template(&json!({
        "metadata": {"labels": {"team": "a"}, "annotations": {"scrape": "yes"}},
        "spec": {
            "serviceAccountName": "etcd",
            "priorityClassName": "high",
            "terminationGracePeriodSeconds": 60,
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "etcd", "operator": "Exists"}],
            "affinity": null,
            "topologySpreadConstraints": [{"topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}],
            "securityContext": {"runAsUser": null, "fsGroup": 1},
            "readinessGates": [{"conditionType": "example.org/balanced"}],
            "imagePullSecrets": [{"name": "pull"}],
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
            "volumes": [{"name": "certificates", "secret": {"secretName": "etcd"}}],
            "initContainers": [
                {"name": "guard", "resources": {"limits": {"memory": "32Mi"}}},
                {"name": "tune", "image": "busybox"},
            ],
            "containers": [
                {"name": "backup", "image": "backup"},
                {
                    "name": "etcd",
                    "resources": {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}},
                    "env": [{"name": "GOGC", "value": "50"}],
                    "ports": [{"containerPort": 2379, "hostPort": 32379}],
                    "volumeMounts": [{"name": "certificates", "mountPath": "/certificates"}],
                    "livenessProbe": {"failureThreshold": 60},
                },
            ],
        },
    }));
    let (meta, spec) = (&made["metadata"], &made["spec"]);
    assert_eq!((&meta["labels"]["team"], &meta["annotations"]["scrape"]), (&json!("a"), &json!("yes")));
    assert_eq!(meta["labels"][labels::MEMBER], "demo-x4k2p");
    for (field, value) in [
        ("serviceAccountName", json!("etcd")),
        ("priorityClassName", json!("high")),
        ("terminationGracePeriodSeconds", json!(60)),
        ("nodeSelector", json!({"disk": "fast"})),
        ("affinity", Value::Null),
        ("tolerations", json!([{"key": "etcd", "operator": "Exists"}])),
        (
            "readinessGates",
            json!([{"conditionType": labels::IN_SERVICE}, {"conditionType": "example.org/balanced"}]),
        ),
        ("imagePullSecrets", json!([{"name": "pull"}])),
        ("hostAliases", json!([{"ip": "10.0.0.1", "hostnames": ["a"]}])),
    ] {
        assert_eq!(spec[field], value, "{field}");
    }
    let spread: Vec<_> = spec["topologySpreadConstraints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["whenUnsatisfiable"])
        .collect();
    assert_eq!(spread, ["ScheduleAnyway", "DoNotSchedule"]);
    assert_eq!(
        (&spec["securityContext"]["fsGroup"], &spec["securityContext"]["runAsUser"]),
        (&json!(1), &Value::Null)
    );
    assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
    let names =
        |list: &Value| list.as_array().unwrap().iter().map(|one| one["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&spec["initContainers"]), ["guard", "tune"]);
    assert_eq!(names(&spec["containers"]), ["etcd", "backup"]);
    assert_eq!(names(&spec["volumes"]), ["data", "quorate", "certificates"]);
    let etcd = named(&spec["containers"], "etcd");
    assert_eq!(
        etcd["resources"],
        json!({"requests": {"cpu": "2", "memory": "64Mi"}, "limits": {"memory": "8Gi"}})
    );
    assert_eq!(names(&etcd["env"]), ["QUORATE_MEMBER", "POD_IP", "GOGC"]);
    assert_eq!(named(&etcd["ports"], "client")["hostPort"], 32379);
    assert_eq!(etcd["volumeMounts"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&etcd["livenessProbe"]["failureThreshold"], &etcd["livenessProbe"]["httpGet"]["port"]),
        (&json!(60), &json!(2382))
    );
    assert_eq!(spec["initContainers"][0]["image"], "quorate:dev");
    assert_eq!(spec["initContainers"][0]["resources"]["limits"]["memory"], "32Mi");
}

/// What may not be changed: the template, and the places that are reported.
fn own_parts() -> Vec<(Value, &'static [&'static str])> {
    let etcd = |fields: Value| {
        let mut container = fields;
        container["name"] = "etcd".into();
        json!({"spec": {"containers": [container]}})
    };
    vec![
        (
            json!({"metadata": {"labels": {"quorate.dev/cluster": "x", "app.kubernetes.io/name": "x"}}}),
            &["labels.app.kubernetes.io/name", "labels.quorate.dev/cluster"],
        ),
        (
            json!({"metadata": {"name": "x", "annotations": {"quorate.dev/fingerprint": "x"}}}),
            &["metadata.name", "annotations.quorate.dev/fingerprint"],
        ),
        (json!({"metadata": null, "spec": null}), &["metadata: null", "spec: null"]),
        (
            json!({"spec": {"containers": null, "volumes": null, "initContainers": null, "readinessGates": null}}),
            &["readinessGates: null", "volumes: null", "initContainers: null", "containers: null"],
        ),
        (
            json!({"spec": {"hostname": "x", "subdomain": "y", "restartPolicy": "Never"}}),
            &["spec.hostname", "spec.subdomain", "spec.restartPolicy"],
        ),
        (
            json!({"spec": {"automountServiceAccountToken": true, "activeDeadlineSeconds": 5}}),
            &["automountServiceAccountToken", "activeDeadlineSeconds"],
        ),
        (
            json!({"spec": {"volumes": [{"name": "data", "emptyDir": {}}, {"name": "quorate", "emptyDir": {}}]}}),
            &["volumes[data]", "volumes[quorate]"],
        ),
        (
            json!({"spec": {"initContainers": [{"name": "guard", "image": "x"}]}}),
            &["initContainers[guard].image"],
        ),
        (
            etcd(json!({"image": "x", "imagePullPolicy": "Never"})),
            &[
                "image is not applied: use spec.image",
                "imagePullPolicy is not applied: use spec.imagePullPolicy",
            ],
        ),
        (
            etcd(json!({"command": ["x"], "args": ["y"]})),
            &["containers[etcd].command", "containers[etcd].args"],
        ),
        (etcd(json!({"readinessProbe": {"periodSeconds": 9}})), &["readinessProbe"]),
        (
            etcd(
                json!({"env": [{"name": "ETCD_NAME", "value": "x"}, {"name": "POD_IP", "value": "x"}, {"name": "QUORATE_MEMBER"}]}),
            ),
            &["env[ETCD_NAME]", "env[POD_IP]", "env[QUORATE_MEMBER]"],
        ),
        (
            etcd(json!({"ports": [{"containerPort": 2380, "name": "x", "protocol": "UDP"}]})),
            &["ports[x].name", "ports[x].protocol"],
        ),
        (
            etcd(
                json!({"volumeMounts": [{"mountPath": "/var/lib/etcd/", "name": "x"}, {"mountPath": "/quorate", "name": "y"}]}),
            ),
            &["volumeMounts[x]", "volumeMounts[y]"],
        ),
        (
            etcd(
                json!({"volumeMounts": [{"mountPath": "/var/lib/etcd/data", "name": "x"}, {"mountPath": "/etc/quorate/tls", "name": "y"}]}),
            ),
            &[
                "volumeMounts[x] is not applied: /var/lib/etcd is",
                "volumeMounts[y] is not applied: /etc/quorate is",
            ],
        ),
        (
            etcd(json!({"env": null, "volumeMounts": null, "ports": null})),
            &["env: null", "ports: null", "volumeMounts: null"],
        ),
    ]
}

#[test]
fn what_is_the_operators_own_stays_and_is_reported() {
    let plain = pod("{size: 3}");
    for (template, places) in own_parts() {
        let ignored = render::ignored(&template);
        assert_eq!(ignored.len(), places.len(), "{template}: {ignored:?}");
        for (said, place) in ignored.iter().zip(places) {
            assert!(said.starts_with("spec.podTemplate.") && said.contains(place), "{said} lacks {place}");
        }
        let mut made = with_template(&template);
        made["metadata"]["annotations"] = plain["metadata"]["annotations"].clone();
        assert_eq!(made, plain, "{template}");
        let spec = cluster(&format!("{{size: 3, podTemplate: {template}}}")).spec;
        assert_eq!(render::not_applied(&spec), ignored);
    }
}

#[test]
fn a_mount_beside_the_operators_own_is_taken() {
    let mounts = json!([{"mountPath": "/var/lib/etcd-certificates", "name": "x"}]);
    let template = json!({"spec": {
        "volumes": [{"name": "x", "emptyDir": {}}],
        "containers": [{"name": "etcd", "volumeMounts": mounts}],
    }});
    assert!(render::ignored(&template).is_empty(), "{:?}", render::ignored(&template));
    let made = with_template(&template);
    let mount = named(&made["spec"]["containers"][0]["volumeMounts"], "x");
    assert_eq!(mount["mountPath"], "/var/lib/etcd-certificates");
}

#[test]
fn variables_that_the_guard_is_told_by_stay_and_are_reported() {
    let spec = "{size: 3, etcd: {extraEnv: {POD_IP: a, QUORATE_MEMBER: b, GOGC: c}}}";
    let said = render::not_applied(&cluster(spec).spec);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("spec.etcd.extraEnv.POD_IP is not applied: "), "{said:?}");
    let made = pod(spec);
    let names: Vec<_> =
        made["spec"]["containers"][0]["env"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["QUORATE_MEMBER", "POD_IP", "GOGC"]);
}

#[test]
fn a_template_that_is_none_says_where() {
    for (template, words) in [
        (json!([]), "it is not an object with metadata and spec"),
        (
            json!({"spec": {"nodeselector": {}, "containers": [{"name": "a", "imagee": "b"}]}}),
            "spec.containers[0].imagee, spec.nodeselector are not fields that Kubernetes knows",
        ),
        (json!({"spec": {"nodeName": ["a"]}}), "spec.nodeName: invalid type"),
        (
            json!({"spec": {"containers": [{"name": "etcd", "resources": {"limits": {"memory": [1]}}}]}}),
            "spec.containers[0].resources.limits.memory: ",
        ),
        (json!({"spec": {"containers": {"name": "etcd"}}}), "spec.containers: invalid type"),
        (json!({"spec": {"containers": [{"image": "x"}]}}), "spec.containers[0] has no name"),
        (json!({"spec": {"volumes": [{"emptyDir": {}}]}}), "spec.volumes[0] has no name"),
        (json!({"$patch": "delete"}), "$patch is not a field"),
    ] {
        let said = render::check(&template).unwrap_err();
        assert!(said.contains(words), "{template}: {said}");
        let mut member = member("{size: 3}");
        member.spec.pod_template = Some(template);
        let error = render::pod(&member, false, &around()).unwrap_err();
        assert!(matches!(&error, RenderError::Template { template: Template::Pod, .. }));
        assert!(
            error.to_string().starts_with("spec.podTemplate does not do for Pod demo-x4k2p: "),
            "{error}"
        );
    }
    for good in
        [json!({}), json!({"spec": null}), json!({"spec": {"affinity": null, "nodeSelector": {"a": null}}})]
    {
        assert_eq!(render::check(&good), Ok(()), "{good}");
    }
}

#[test]
fn a_claim_is_nobodys_unless_the_spec_says_so() {
    let claim = render::claim(&member("{size: 3}")).unwrap();
    let spec = serde_json::to_value(claim.spec.unwrap()).unwrap();
    assert_eq!(
        spec,
        json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}})
    );
    assert_eq!((claim.metadata.name.as_deref(), claim.metadata.owner_references), (Some("demo-x4k2p"), None));
    assert_eq!(
        claim.metadata.annotations.unwrap(),
        [("quorate.dev/serial".into(), "3".into()), ("quorate.dev/version".into(), "3.6.16".into())].into()
    );
    assert_eq!(claim.metadata.labels.unwrap()[labels::MEMBER], "demo-x4k2p");

    let chosen = "{size: 3, deletionPolicy: Delete, storage: {volumeClaimTemplate: {spec: {storageClassName: fast, \
                  accessModes: [ReadWriteOncePod], resources: {requests: {storage: 1Gi}}}}}}";
    let claim = render::claim(&member(chosen)).unwrap();
    let spec = serde_json::to_value(claim.spec.unwrap()).unwrap();
    assert_eq!(
        spec,
        json!({"accessModes": ["ReadWriteOncePod"], "storageClassName": "fast", "resources": {"requests": {"storage": "1Gi"}}})
    );
    let owner = &claim.metadata.owner_references.unwrap()[0];
    assert_eq!(
        (&*owner.kind, &*owner.name, &*owner.uid),
        ("EtcdCluster", "demo", "6d1c0f2e-0000-4000-8000-000000000001")
    );

    let memory = "{size: 3, storage: {emptyDir: {medium: Memory, sizeLimit: 1Gi}}}";
    assert_eq!(render::claim(&member(memory)), None);
    assert_eq!(
        named(&pod(memory)["spec"]["volumes"], "data")["emptyDir"],
        json!({"medium": "Memory", "sizeLimit": "1Gi"})
    );
    assert_eq!(
        named(&pod("{size: 3, storage: {emptyDir: {}}}")["spec"]["volumes"], "data")["emptyDir"],
        json!({})
    );
}

#[test]
fn services_and_budget_select_the_members() {
    let demo = cluster("{size: 3}");
    let peers = serde_json::to_value(render::peer_service(&demo)).unwrap();
    assert_eq!(
        (&peers["metadata"]["name"], &peers["spec"]["clusterIP"]),
        (&json!("demo-peers"), &json!("None"))
    );
    assert_eq!(peers["spec"]["publishNotReadyAddresses"], true);
    let clients = serde_json::to_value(render::client_service(&demo, &[]).unwrap()).unwrap();
    assert_eq!(clients["metadata"]["name"], "demo");
    for service in [&peers, &clients] {
        assert_eq!(service["spec"]["selector"], json!({"quorate.dev/cluster": "demo"}));
        assert_eq!(named(&service["spec"]["ports"], "client")["port"], 2379);
        assert_eq!(service["metadata"]["ownerReferences"][0]["kind"], "EtcdCluster");
    }
    for (size, voters, least) in [(3, 0, 2), (3, 3, 2), (3, 5, 3), (5, 3, 3), (9, 9, 5), (5, 4, 3), (3, 4, 3)]
    {
        let budget = render::budget(&cluster(&format!("{{size: {size}}}")), voters);
        let spec = serde_json::to_value(budget.spec.unwrap()).unwrap();
        let expected =
            json!({"minAvailable": least, "selector": {"matchLabels": {"quorate.dev/cluster": "demo"}}});
        assert_eq!(spec, expected, "{size} wanted, {voters} there");
    }
}

#[test]
fn the_client_service_ends_where_every_member_listens() {
    use Listen::{Both, Plain, Tls};
    let demo = cluster("{size: 3}");
    for (listens, usual, second) in [
        (&[][..], "client", false),
        (&[Plain, Plain, Plain], "client", false),
        (&[Plain, Both, Plain], "client", false),
        (&[Both, Both, Both], "client", true),
        (&[Tls, Both, Both], "client-tls", true),
        (&[Tls, Tls, Tls], "client-tls", true),
    ] {
        let service = serde_json::to_value(render::client_service(&demo, listens).unwrap()).unwrap();
        let ports = service["spec"]["ports"].as_array().unwrap();
        assert_eq!(
            (&ports[0]["port"], &ports[0]["targetPort"]),
            (&json!(2379), &json!(usual)),
            "{listens:?}"
        );
        assert_eq!(ports.len() == 2, second, "{listens:?}");
        if second {
            assert_eq!(
                (&ports[1]["port"], &ports[1]["targetPort"]),
                (&json!(2384), &json!("client-tls")),
                "{listens:?}"
            );
        }
    }
}

#[test]
fn a_pod_under_tls_has_its_certificates_and_the_ports_of_its_schemes() {
    let spec = "{size: 3, podTemplate: {spec: {volumes: [{name: quorate-tls, emptyDir: {}}], containers: [{name: etcd, \
                volumeMounts: [{name: x, mountPath: /etc/quorate}]}]}}}";
    let with = |listen| {
        let mut one = member(spec);
        let trust = std::collections::BTreeSet::from([AuthorityId("1a2b".into())]);
        one.spec.transport =
            Sides { peer: Channel { listen, trust: trust.clone() }, client: Channel { listen, trust } };
        one
    };
    let (plain, secure) = (member(spec), with(Listen::Tls));
    assert_ne!(render::pod_fingerprint(&plain), render::pod_fingerprint(&secure));
    let pod = |one: &EtcdMember| serde_json::to_value(render::pod(one, false, &around()).unwrap()).unwrap();
    let ports = |pod: &Value| -> Vec<u64> {
        let ports = pod["spec"]["containers"][0]["ports"].as_array().unwrap();
        ports.iter().map(|port| port["containerPort"].as_u64().unwrap()).collect()
    };
    assert_eq!(ports(&pod(&plain)), [2379, 2380, 2381, 2382]);
    assert_eq!(ports(&pod(&with(Listen::Both))), [2379, 2384, 2380, 2383, 2381, 2382]);
    let pod = pod(&secure);
    assert_eq!(ports(&pod), [2384, 2383, 2381, 2382]);
    let source = json!({"secretName": "demo-x4k2p-tls", "defaultMode": 0o440});
    assert_eq!(named(&pod["spec"]["volumes"], "quorate-tls")["secret"], source);
    let mount = named(&pod["spec"]["containers"][0]["volumeMounts"], "quorate-tls");
    assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!("/etc/quorate"), &json!(true)));
    let variables = &pod["spec"]["containers"][0]["env"];
    let told: Assignment =
        serde_json::from_str(named(variables, "QUORATE_MEMBER")["value"].as_str().unwrap()).unwrap();
    assert_eq!(told.peer_url, "https://demo-x4k2p.demo-peers.tests.svc.cluster.local:2383");
    assert_eq!(told.client_url, "https://demo-x4k2p.demo-peers.tests.svc.cluster.local:2384");
    assert_eq!(told.transport, secure.spec.transport);
    let flags =
        guard::flags(&told, None, &guard::addresses(&told, None), "/d".as_ref(), "/c".as_ref(), true, false);
    for flag in [
        "--listen-peer-urls=https://0.0.0.0:2383",
        "--listen-client-urls=https://0.0.0.0:2384",
        "--listen-metrics-urls=http://0.0.0.0:2381",
        "--initial-advertise-peer-urls=https://demo-x4k2p.demo-peers.tests.svc.cluster.local:2383",
        "--peer-cert-file=/c/peer.crt",
        "--peer-trusted-ca-file=/c/peer-ca.crt",
        "--cert-file=/c/server.crt",
        "--trusted-ca-file=/c/client-ca.crt",
        "--client-cert-auth=true",
    ] {
        assert!(flags.iter().any(|one| one == flag), "{flag}: {flags:#?}");
    }
}

#[test]
fn etcdctl_needs_no_words_in_a_container_whatever_its_member_listens_under() {
    let with = |spec: &str, listen| {
        let mut one = member(spec);
        let trust = std::collections::BTreeSet::from([AuthorityId("1a2b".into())]);
        one.spec.transport.client = Channel { listen, trust };
        let pod = render::pod(&one, false, &around()).unwrap();
        let env = pod.spec.unwrap().containers[0].env.clone().unwrap();
        let told = env.into_iter().filter(|one| one.name.starts_with("ETCDCTL_"));
        told.map(|one| format!("{}={}", one.name, one.value.unwrap_or_default())).collect::<Vec<_>>()
    };
    for listen in [Listen::Plain, Listen::Both] {
        assert!(with("{size: 3}", listen).is_empty(), "its default reaches a listener in plain text");
    }
    let files = [
        "ETCDCTL_CACERT=/etc/quorate/client-ca.crt",
        "ETCDCTL_CERT=/etc/quorate/server.crt",
        "ETCDCTL_KEY=/etc/quorate/server.key",
    ];
    let made = with("{size: 3}", Listen::Tls);
    assert_eq!(made[0], "ETCDCTL_ENDPOINTS=https://127.0.0.1:2384");
    assert_eq!(made[1..], files);
    // They are there for people, who may want others.
    let other = "ETCDCTL_ENDPOINTS=https://demo:2384";
    for spec in [
        "{size: 3, etcd: {extraEnv: {ETCDCTL_ENDPOINTS: 'https://demo:2384'}}}",
        "{size: 3, podTemplate: {spec: {containers: [{name: etcd, env: [{name: ETCDCTL_ENDPOINTS, value: 'https://demo:2384'}]}]}}}",
    ] {
        let made = with(spec, Listen::Tls);
        assert_eq!(made.len(), 4, "{made:?}");
        assert!(
            made.iter().any(|one| one == other)
                && files.iter().all(|file| made.iter().any(|one| one == file)),
            "{made:?}"
        );
        assert!(render::not_applied(&cluster(spec).spec).is_empty());
    }
}

#[test]
fn the_client_service_takes_a_template() {
    let spec = "{size: 3, services: {client: {metadata: {annotations: {lb: internal}, labels: {quorate.dev/cluster: x}}, spec: {\
                type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.0/8], selector: {a: b}, \
                ports: [{port: 2379, nodePort: 32379, name: x}, {port: 2381, name: metrics}]}}}}";
    let balanced = cluster(spec);
    let service = serde_json::to_value(render::client_service(&balanced, &[]).unwrap()).unwrap();
    assert_eq!(
        (&service["spec"]["type"], &service["metadata"]["annotations"]["lb"]),
        (&json!("LoadBalancer"), &json!("internal"))
    );
    assert_eq!(service["spec"]["selector"], json!({"quorate.dev/cluster": "demo"}));
    let client =
        json!({"name": "client", "port": 2379, "nodePort": 32379, "protocol": "TCP", "targetPort": "client"});
    assert_eq!(named(&service["spec"]["ports"], "client"), &client);
    assert_eq!(named(&service["spec"]["ports"], "metrics")["port"], 2381);
    let ignored = render::not_applied(&balanced.spec);
    let places = [
        "client.metadata.labels.quorate.dev/cluster is",
        "client.spec.selector is",
        "client.spec.ports[x].name is",
    ];
    assert_eq!(ignored.len(), places.len(), "{ignored:?}");
    assert!(ignored.iter().zip(places).all(|(said, place)| said.contains(place)), "{ignored:?}");
    let away =
        cluster("{size: 3, services: {client: {spec: {type: ExternalName, externalName: x, typ: y}}}}");
    let error = render::client_service(&away, &[]).unwrap_err().to_string();
    assert_eq!(
        error,
        "spec.services.client does not do for Service demo: spec.typ is not a field that Kubernetes knows; correct it in the EtcdCluster"
    );
}

#[test]
fn a_difference_is_what_would_be_made_otherwise() {
    let made = member("{size: 3, podTemplate: {spec: {priorityClassName: a, nodeSelector: {b: c}}}}");
    for (spec, expected) in [
        ("{size: 5, paused: true, podTemplate: {spec: {nodeSelector: {b: c}, priorityClassName: a}}}", None),
        (
            "{size: 3, version: 3.7.3, etcd: {snapshotCount: 5}, deletionPolicy: Delete, podTemplate: {spec: {priorityClassName: a, nodeSelector: {b: c}}}}",
            None,
        ),
        (
            "{size: 3, image: e:1, podTemplate: {spec: {priorityClassName: a, nodeSelector: {b: c}}}}",
            Some("image: quay.io/coreos/etcd:v3.6.16 → e:1"),
        ),
        (
            "{size: 3, imagePullPolicy: Never, podTemplate: {spec: {priorityClassName: b, nodeSelector: {b: c}}}}",
            Some("imagePullPolicy: Kubernetes' default → Never, podTemplate.spec.priorityClassName: a → b"),
        ),
        ("{size: 3}", Some("podTemplate")),
        (
            "{size: 3, podTemplate: {spec: {tolerations: [], nodeSelector: {b: c}, priorityClassName: a}}}",
            Some("podTemplate.spec.tolerations"),
        ),
    ] {
        assert_eq!(render::difference(&made, &cluster(spec)).as_deref(), expected, "{spec}");
    }
}

#[test]
fn the_mark_of_a_pod_follows_what_it_is_made_from() {
    let mark = |member: &EtcdMember| render::pod_fingerprint(member);
    let first = member("{size: 3}");
    let mut told = first.clone();
    told.spec.draining = Some("2026-11-22T15:00:00Z".into());
    told.spec.deletion_policy = Some("Delete".into());
    assert_eq!(mark(&first), mark(&told));
    for other in [
        "{size: 3, image: x}",
        "{size: 3, etcd: {snapshotCount: 5}}",
        "{size: 3, podTemplate: {spec: {nodeName: a}}}",
        "{size: 3, version: 3.7.3}",
    ] {
        assert_ne!(mark(&first), mark(&member(other)), "{other}");
    }
    let pod = render::pod(&first, true, &around()).unwrap();
    assert_eq!(pod.metadata.annotations.unwrap()[labels::FINGERPRINT], mark(&first));
}
