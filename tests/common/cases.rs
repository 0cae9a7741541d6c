//! One table of specs and changes with their verdicts, for the check without a server, for the CEL of the definition
//! and for a real API server.

/// One spec that is created, or one that takes the place of another.
pub struct Case {
    /// `metadata.name`.
    pub name: String,
    /// The spec that exists; nothing when the case is about creating.
    pub before: Option<String>,
    /// The spec that is asked for.
    pub after: String,
    /// What has to become of it.
    pub verdict: Verdict,
}

/// What has to become of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// A rule refuses it; its message has these words, whoever gives it.
    Refused(&'static str),
    /// The types refuse it; Quorate's own message has these words, and a server says it in its way.
    Malformed(&'static str),
    /// Quorate's reader refuses with these words what kubectl passes over in silence, dropping a part of it.
    Dropped(&'static str),
}

impl Case {
    /// The manifest of a spec of this case.
    pub fn manifest(&self, spec: &str) -> String {
        format!(
            "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {{name: {:?}}}\nspec: {spec}\n",
            self.name
        )
    }
}

/// A claim template of some size.
pub fn claim(size: &str) -> String {
    claim_with("", size)
}

fn claim_with(fields: &str, size: &str) -> String {
    format!("{{volumeClaimTemplate: {{spec: {{{fields}resources: {{requests: {{storage: {size}}}}}}}}}}}")
}

/// All cases.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    creating(&mut cases);
    options(&mut cases);
    storage(&mut cases);
    pods(&mut cases);
    tls(&mut cases);
    changing(&mut cases);
    names(&mut cases);
    cases
}

fn creating(cases: &mut Vec<Case>) {
    let mut create = |spec: &str, verdict| cases.push(case("demo", None, spec, verdict));
    for size in [3, 5, 7, 9] {
        create(&format!("{{size: {size}}}"), Accepted);
    }
    for size in [4, 6, 8] {
        create(&format!("{{size: {size}}}"), Refused("an even count survives no more failures"));
    }
    for size in ["-3", "0", "1", "2", "-9223372036854775808"] {
        create(
            &format!("{{size: {size}}}"),
            Refused("fewer than 3 members survive no failure; use 3, 5, 7 or 9"),
        );
    }
    for size in ["10", "11", "9223372036854775807"] {
        create(&format!("{{size: {size}}}"), Refused("beyond 9 members every write waits"));
    }
    create("{}", Malformed("spec.size: it is missing"));
    for size in ["three", "\"3\"", "3.5", "true", "null", "[3]", "{a: 3}"] {
        create(&format!("{{size: {size}}}"), Malformed("spec.size: "));
    }
    create("{size: 3, size: 5}", Dropped("size is there twice"));
    create("{size: 3, sise: 5}", Malformed("spec.sise is not a field"));
    create("{size: 3, etcd: {walDir: /x}}", Malformed("spec.etcd.walDir is not a field"));
    create("3", Malformed("spec: "));

    for version in ["3.5.0", "3.5.35", "3.6.16", "3.7.3", "3.7.100000"] {
        create(&format!("{{size: 3, version: {version}}}"), Accepted);
    }
    create("{size: 3, version: null}", Accepted);
    for version in ["v3.6.16", "\"3.6\"", "\"\"", "three", "3.6.x", "3.6.016"] {
        create(&format!("{{size: 3, version: {version}}}"), Refused("like 3.6.16, without a leading v"));
    }
    for version in ["3.4.30", "3.8.0", "2.3.8", "3.6.0-rc.1", "3.6.0+mine"] {
        create(&format!("{{size: 3, version: {version}}}"), Refused("3.5, 3.6 and 3.7"));
    }
    create("{size: 3, version: 3.6.1234567890123}", Malformed("a version has at most 16 characters"));
    create("{size: 3, version: 3.6}", Malformed("write it in quotes, \"3.6\""));

    for token in ["a", "prod-1", "A.b_c-9"] {
        create(&format!("{{size: 3, bootstrap: {{token: {token}}}}}"), Accepted);
    }
    create(&format!("{{size: 3, bootstrap: {{token: {}}}}}", "t".repeat(64)), Accepted);
    for token in ["\"\"", "a b", "a/b", "\"a\\n\"", "é"] {
        create(
            &format!("{{size: 3, bootstrap: {{token: {token}}}}}"),
            Refused("a token has 1 to 64 letters, digits"),
        );
    }
    create(
        &format!("{{size: 3, bootstrap: {{token: {}}}}}", "t".repeat(65)),
        Malformed("a token has 1 to 64 letters"),
    );
    create("{size: 3, bootstrap: {}}", Accepted);
    create("{size: 3, bootstrap: null, etcd: null, storage: null, paused: null}", Accepted);
    create("{size: 3, paused: true}", Accepted);
    create("{size: 3, paused: \"true\"}", Malformed("spec.paused: \"true\" is not true or false"));
}

fn options(cases: &mut Vec<Case>) {
    let mut etcd = |fields: &str, verdict| {
        cases.push(case("demo", None, &format!("{{size: 3, etcd: {{{fields}}}}}"), verdict));
    };
    etcd("", Accepted);
    for quota in ["-1", "0", "1", "8589934592"] {
        etcd(&format!("quotaBackendBytes: {quota}"), Accepted);
    }
    etcd("quotaBackendBytes: -2", Refused("0 for etcd's default or -1 for no limit"));
    etcd("quotaBackendBytes: 2Gi", Malformed("spec.etcd.quotaBackendBytes: \"2Gi\" is not a whole number"));

    let compaction = |mode: &str, retention: &str| {
        format!("autoCompactionMode: {mode}, autoCompactionRetention: {retention}")
    };
    for retention in ["\"1\"", "\"0\"", "1h", "5m30s", "24h", "999999h", "90s"] {
        etcd(&compaction("periodic", retention), Accepted);
    }
    for retention in ["1d", "1.5h", "-1h", "h", "\"\"", "1h5", "1000000h", "100ms", "\"1h\\n\""] {
        etcd(
            &compaction("periodic", retention),
            Refused("is a duration of whole hours, minutes and seconds"),
        );
    }
    etcd(&compaction("revision", "\"1000\""), Accepted);
    for retention in ["1h", "\"\"", "\"-5\"", "many"] {
        etcd(&compaction("revision", retention), Refused("is a number of revisions such as 1000"));
    }
    etcd(&compaction("periodic", "1"), Malformed("write it in quotes, \"1\""));
    etcd(&compaction("revision", "\"10000000000000000\""), Malformed("is a number of revisions"));
    etcd(&compaction("sometimes", "1h"), Refused("use periodic or revision"));
    etcd("autoCompactionMode: periodic", Refused("go together"));
    etcd("autoCompactionRetention: 1h", Refused("go together"));
    etcd("autoCompactionMode: null, autoCompactionRetention: 1h", Refused("go together"));

    etcd("snapshotCount: 1", Accepted);
    etcd("snapshotCount: 0", Refused("at least 1; etcd's default is 10000"));

    for bytes in ["65536", "1572864", "10485760", "104857600", "null"] {
        etcd(&format!("maxRequestBytes: {bytes}"), Accepted);
    }
    for bytes in ["65535", "0", "-1", "104857601", "9223372036854775807"] {
        etcd(&format!("maxRequestBytes: {bytes}"), Refused("use a number of bytes from 65536 to 104857600"));
    }
    etcd("maxRequestBytes: 10Mi", Malformed("spec.etcd.maxRequestBytes: \"10Mi\" is not a whole number"));
    for level in ["debug", "info", "warn", "error", "panic", "fatal", "null"] {
        etcd(&format!("logLevel: {level}"), Accepted);
    }
    for level in ["\"\"", "warning", "INFO", "dpanic", "trace"] {
        etcd(&format!("logLevel: {level}"), Refused("use one of debug, info, warn, error, panic, fatal"));
    }
    etcd("logLevel: 3", Malformed("spec.etcd.logLevel"));
    etcd("logLevel: somewhat-more-than-warn", Malformed("use one of debug, info"));
    for check in ["true", "false", "null"] {
        etcd(&format!("initialCorruptionCheck: {check}"), Accepted);
    }
    etcd("initialCorruptionCheck: \"no\"", Malformed("\"no\" is not true or false"));

    for times in ["heartbeatInterval: 200", "electionTimeout: 500", "electionTimeout: 50000"] {
        etcd(times, Accepted);
    }
    etcd("heartbeatInterval: 10000, electionTimeout: 50000", Accepted);
    etcd("heartbeatInterval: 101, electionTimeout: 505", Accepted);
    etcd("heartbeatInterval: 0", Refused("milliseconds of at least 1; etcd's default is 100"));
    etcd("electionTimeout: 50001", Refused("milliseconds of at most 50000"));
    etcd("electionTimeout: 0", Refused("milliseconds of at most 50000"));
    for times in [
        "heartbeatInterval: 201",
        "electionTimeout: 499",
        "heartbeatInterval: 101, electionTimeout: 504",
        "heartbeatInterval: 9223372036854775807",
        "heartbeatInterval: 10001, electionTimeout: 50000",
    ] {
        etcd(times, Refused("at least five times heartbeatInterval"));
    }

    etcd("extraArgs: {max-txn-ops: \"512\", v2-deprecation: \"\"}", Accepted);
    etcd("extraArgs: {}, extraEnv: {}", Accepted);
    etcd("extraArgs: null, extraEnv: null", Accepted);
    for refused in quorate::plan::options::REFUSED_FLAGS {
        for flag in refused.flags {
            etcd(&format!("extraArgs: {{{flag}: x}}"), Refused(refused.why));
        }
    }
    for (flag, field) in quorate::plan::options::TYPED_FLAGS {
        etcd(&format!("extraArgs: {{{flag}: x}}"), Refused(field));
    }
    etcd("extraArgs: {feature-gates: CompactHashCheck=true}", Accepted);
    for gates in ["InitialCorruptCheck=false", "\"CompactHashCheck=true, InitialCorruptCheck=true\""] {
        etcd(
            &format!("extraArgs: {{feature-gates: {gates}}}"),
            Refused("has a field of its own: use spec.etcd.initialCorruptionCheck"),
        );
    }
    for flag in ["--max-txn-ops", "-x", "\"\"", "a=b", "\"a b\"", "Name", "a_b", "é"] {
        etcd(&format!("extraArgs: {{{flag}: x}}"), Refused("like max-txn-ops"));
    }
    etcd(
        "extraArgs: {max-txn-ops: 512}",
        Malformed("extraArgs.max-txn-ops: a text is expected: write it in quotes"),
    );
    for truth in ["true", "yes", "off"] {
        etcd(
            &format!("extraEnv: {{A: {truth}}}"),
            Malformed("extraEnv.A: a text is expected: write it in quotes"),
        );
    }
    etcd(
        "extraArgs: {max-txn-ops: null}",
        Dropped("extraArgs.max-txn-ops: a text is expected, and there is no value"),
    );
    etcd("extraArgs: [max-txn-ops]", Malformed("spec.etcd.extraArgs: an object with fields is expected"));
    let many = |count: usize| (0..count).map(|n| format!("f{n}: x")).collect::<Vec<_>>().join(", ");
    etcd(&format!("extraArgs: {{{}}}", many(64)), Accepted);
    etcd(&format!("extraArgs: {{{}}}", many(65)), Malformed("65 entries are too many"));
    etcd(&format!("extraArgs: {{a: {}}}", "x".repeat(4097)), Malformed("use at most 4096 characters"));

    etcd("extraEnv: {GOGC: \"50\", _a.b-c: x}", Accepted);
    etcd("extraEnv: {ETCD_NAME: x}", Refused("shadow"));
    for name in ["1A", "A B", "\"\"", "A=B"] {
        etcd(&format!("extraEnv: {{{name}: x}}"), Refused("is not the name of an environment variable"));
    }
}

fn storage(cases: &mut Vec<Case>) {
    let mut storage = |storage: &str, verdict| {
        cases.push(case("demo", None, &format!("{{size: 3, storage: {storage}}}"), verdict));
    };
    for size in ["10Gi", "1.5G", "\"1e9\"", "1073741824", "500M"] {
        storage(&claim(size), Accepted);
    }
    for size in ["\"0\"", "0", "-1Gi", "ten", "10gi", "\"\"", "10GiB", "1.2.3"] {
        storage(&claim(size), Refused("is not a size: write a positive quantity such as 10Gi"));
    }
    storage(&claim("[1]"), Malformed("spec.storage.volumeClaimTemplate.spec.resources.requests.storage"));
    storage(&claim("1.5"), Malformed("spec.storage.volumeClaimTemplate.spec.resources.requests.storage"));
    storage(
        "{volumeClaimTemplate: {spec: {resources: {requests: {}}}}}",
        Malformed("requests.storage: it is missing"),
    );
    storage("{volumeClaimTemplate: {spec: {resources: {}}}}", Malformed("requests: it is missing"));
    storage("{volumeClaimTemplate: {spec: {}}}", Malformed("resources: it is missing"));
    storage("{volumeClaimTemplate: {}}", Malformed("volumeClaimTemplate.spec: it is missing"));
    storage(
        "{volumeClaimTemplate: {spec: {resources: {limits: {}, requests: {storage: 1Gi}}}}}",
        Malformed("limits is not a field"),
    );
    for fields in [
        "storageClassName: fast, ",
        "storageClassName: \"\", ",
        "storageClassName: a.b-c.d, ",
        "accessModes: [ReadWriteOnce], ",
        "accessModes: [ReadWriteOncePod], ",
        "accessModes: [ReadWriteMany, ReadWriteOnce], ",
        "accessModes: [], ",
        "accessModes: null, ",
    ] {
        storage(&claim_with(fields, "1Gi"), Accepted);
    }
    for class in ["Fast", "-a", "a-", "a..b", "a b", "."] {
        let fields = format!("storageClassName: {class:?}, ");
        storage(&claim_with(&fields, "1Gi"), Refused("is not the name of a storage class"));
    }
    storage(
        &claim_with("accessModes: [ReadOnlyMany], ", "1Gi"),
        Refused("a member has to write to its volume: use"),
    );
    storage(
        &claim_with("accessModes: [ReadWriteOnce, ReadWriteOnce, ReadWriteOnce, ReadWriteOnce], ", "1Gi"),
        Malformed("at most 3 access modes"),
    );
    for dir in
        ["{}", "{medium: Memory}", "{medium: \"\"}", "{sizeLimit: 1Gi}", "{medium: Memory, sizeLimit: 5}"]
    {
        storage(&format!("{{emptyDir: {dir}}}"), Accepted);
    }
    storage("{emptyDir: {medium: Disk}}", Refused("use Memory, or leave it out for the node's disk"));
    storage("{emptyDir: {sizeLimit: \"0\"}}", Refused("is not a size"));
    storage("{emptyDir: true}", Malformed("spec.storage.emptyDir"));
    for neither in ["{}", "{emptyDir: null}"] {
        storage(neither, Refused("exactly one of volumeClaimTemplate and emptyDir"));
    }
    for policy in ["Expand", "Replace", "null"] {
        storage(&claim("1Gi").replacen('{', &format!("{{resizePolicy: {policy}, "), 1), Accepted);
        storage(&format!("{{emptyDir: {{}}, resizePolicy: {policy}}}"), Accepted);
    }
    for policy in ["replace", "\"\"", "Recreate"] {
        storage(&format!("{{emptyDir: {{}}, resizePolicy: {policy}}}"), Refused("use Expand or Replace"));
    }
    storage("{emptyDir: {}, resizePolicy: WhicheverIsFaster}", Malformed("use Expand or Replace"));
    storage("{resizePolicy: Replace}", Refused("exactly one of volumeClaimTemplate and emptyDir"));
    let both = claim("1Gi").replacen('{', "{emptyDir: {}, ", 1);
    storage(&both, Refused("exactly one of volumeClaimTemplate and emptyDir"));
}

/// The fields that only mean something on Kubernetes.
fn tls(cases: &mut Vec<Case>) {
    let mut create = |fields: &str, verdict| {
        cases.push(case("demo", None, &format!("{{size: 3, tls: {fields}}}"), verdict));
    };
    for side in ["peer", "client"] {
        for mode in ["Managed", "Disabled", "null"] {
            create(&format!("{{{side}: {{mode: {mode}}}}}"), Accepted);
        }
        create(&format!("{{{side}: {{}}}}"), Accepted);
        let modes = "use Managed, Secret, CertManager or Disabled";
        for mode in ["managed", "\"\"", "Self"] {
            create(&format!("{{{side}: {{mode: {mode}}}}}"), Refused(modes));
        }
        create(&format!("{{{side}: {{mode: ManagedByTheOperator}}}}"), Malformed(modes));
        let (no_secret, no_issuer) = ("the mode Secret needs it", "the mode CertManager needs it");
        for (fields, verdict) in [
            ("mode: Secret, secretName: mine", Accepted),
            ("mode: Secret", Refused(no_secret)),
            ("secretName: mine", Refused(no_secret)),
            ("mode: Managed, secretName: mine", Refused(no_secret)),
            ("mode: Secret, secretName: \"\"", Refused("a name has 1 to 253 characters")),
            ("mode: CertManager, issuerRef: {name: ours}", Accepted),
            ("mode: CertManager, issuerRef: {name: ours, kind: ClusterIssuer, group: example.org}", Accepted),
            ("mode: CertManager", Refused(no_issuer)),
            ("issuerRef: {name: ours}", Refused(no_issuer)),
            ("mode: Secret, secretName: mine, issuerRef: {name: ours}", Refused(no_issuer)),
            ("mode: CertManager, issuerRef: {name: \"\"}", Refused("a name has 1 to 253 characters")),
            ("mode: CertManager, issuerRef: {kind: Issuer}", Malformed("name")),
        ] {
            create(&format!("{{{side}: {{{fields}}}}}"), verdict);
        }
        create(&format!("{{{side}: Managed}}"), Malformed("spec.tls"));
    }
    for accepted in ["mode: Managed, plaintext: true", "plaintext: true", "mode: Disabled, plaintext: false"]
    {
        create(&format!("{{client: {{{accepted}}}}}"), Accepted);
    }
    create("{client: {mode: Disabled, plaintext: null}}", Accepted);
    create("{client: {mode: Disabled, plaintext: true}}", Refused("there is none with the mode Disabled"));
    create("{client: {plaintext: \"true\"}}", Malformed("is not true or false"));
    create("{client: {mode: Secret, secretName: a, clientSecretName: b}}", Accepted);
    create("{client: {mode: Managed, clientSecretName: b}}", Refused("belongs to the mode Secret"));
    create(
        "{peer: {mode: Secret, secretName: a, clientSecretName: b}}",
        Malformed("clientSecretName is not a field"),
    );
    create("{peer: {plaintext: true}}", Malformed("spec.tls.peer.plaintext is not a field"));
}

fn pods(cases: &mut Vec<Case>) {
    let mut create = |fields: &str, verdict| {
        cases.push(case("demo", None, &format!("{{size: 3, {fields}}}"), verdict));
    };
    for image in
        ["etcd", "quay.io/coreos/etcd:v3.6.16", "a.b:5000/c/d@sha256:0123456789abcdef", "[::1]:5000/etcd"]
    {
        create(&format!("image: {image:?}"), Accepted);
    }
    create(&format!("image: {}", "i".repeat(512)), Accepted);
    for image in ["", " ", "etcd ", "e tcd", "etcd\\n", "\\tetcd", "é"] {
        create(&format!("image: \"{image}\""), Refused("is not an image: write one without spaces"));
    }
    create(&format!("image: {}", "i".repeat(513)), Malformed("of at most 512 characters"));
    create("image: [etcd]", Malformed("spec.image"));
    for policy in ["Always", "IfNotPresent", "Never", "null"] {
        create(&format!("imagePullPolicy: {policy}"), Accepted);
    }
    for policy in ["always", "\"\"", "Sometimes"] {
        create(&format!("imagePullPolicy: {policy}"), Refused("use Always, IfNotPresent or Never"));
    }
    create("imagePullPolicy: WheneverItIsNeeded", Malformed("use Always, IfNotPresent or Never"));
    for policy in ["Retain", "Delete", "null"] {
        create(&format!("deletionPolicy: {policy}"), Accepted);
    }
    for policy in ["delete", "\"\"", "Recycle"] {
        create(&format!("deletionPolicy: {policy}"), Refused("use Retain or Delete"));
    }
    create("bootstrap: {adopt: true}", Accepted);
    create("bootstrap: {adopt: null, token: a}", Accepted);
    create("bootstrap: {adopt: \"true\"}", Malformed("is not true or false"));

    for field in ["podTemplate", "services.client"] {
        let mut template = |template: &str, verdict| {
            let fields = match field {
                "podTemplate" => format!("podTemplate: {template}"),
                _ => format!("services: {{client: {template}}}"),
            };
            create(&fields, verdict);
        };
        for accepted in [
            "null",
            "{}",
            "{metadata: null, spec: null}",
            "{spec: {nodeSelector: {a: b}, affinity: null, inAVersionToCome: [1, {a: null}]}}",
            "{spec: {containers: [{name: etcd, resources: {limits: {memory: 1Gi, cpu: 2}}}]}}",
            "{metadata: {labels: {a: b, c: null}, annotations: {a.b/c: \"\"}}}",
            "{metadata: {labels: null, annotations: {}}}",
        ] {
            template(accepted, Accepted);
        }
        for (refused, words) in [
            ("{containers: []}", "containers: it is not a field here: use metadata and spec"),
            ("{kind: Pod, spec: {}}", "kind: it is not a field here: use metadata and spec"),
            ("{metadata: {name: x}}", "metadata.name: it is not a field here: use labels and annotations"),
            ("{metadata: [a]}", "metadata: an object with fields is expected"),
            ("{metadata: {labels: x}}", "metadata.labels: an object with fields is expected"),
            (
                "{metadata: {labels: {a: 1}}}",
                "metadata.labels.a: a text is expected: write it in quotes, \"1\"",
            ),
            ("{metadata: {annotations: {a: true}}}", "metadata.annotations.a: a text is expected"),
            ("{spec: []}", "spec: an object with fields is expected"),
            ("text", "an object with fields is expected"),
        ] {
            template(refused, Malformed(words));
        }
    }
    create("services: {}", Accepted);
    create("services: {peers: {}}", Malformed("spec.services.peers is not a field"));
}

fn changing(cases: &mut Vec<Case>) {
    let mut change = |before: &str, after: &str, verdict| {
        cases.push(case(
            "demo",
            Some(&format!("{{size: 3, {before}}}")),
            &format!("{{size: 5, {after}}}"),
            verdict,
        ));
    };
    let version = |version: &str| format!("version: {version}");
    for (from, to) in [
        ("3.5.35", "3.5.36"),
        ("3.5.35", "3.6.16"),
        ("3.6.16", "3.7.3"),
        ("3.6.16", "3.6.15"),
        ("3.7.3", "3.7.3"),
    ] {
        change(&version(from), &version(to), Accepted);
    }
    change(&version("3.5.35"), &version("3.7.3"), Refused("go through 3.6 first"));
    change(&version("3.7.3"), &version("3.5.35"), Refused("go through 3.6 first"));
    for (from, to) in [("3.5.31", "3.6.16"), ("3.5.9", "3.6.16"), ("3.6.16", "3.5.19")] {
        change(&version(from), &version(to), Refused("3.5.32"));
    }
    for (from, to) in [("3.6.10", "3.7.3"), ("3.6.0", "3.7.3"), ("3.7.3", "3.6.9")] {
        change(&version(from), &version(to), Refused("3.6.11"));
    }
    for (from, to) in [("3.5.32", "3.6.0"), ("3.6.11", "3.7.0"), ("3.6.16", "3.5.35"), ("3.7.3", "3.6.100")] {
        change(&version(from), &version(to), Accepted);
    }

    let token = |token: &str| format!("bootstrap: {{token: {token}}}");
    change(&token("a"), &token("a"), Accepted);
    change("bootstrap: {}", "", Accepted);
    change("", "bootstrap: null", Accepted);
    for (before, after) in [
        (token("a"), token("b")),
        (String::new(), token("a")),
        (token("a"), String::new()),
        (token("a"), "bootstrap: {}".into()),
    ] {
        change(&before, &after, Refused("cannot be changed, added or removed after creation"));
    }

    let storage = |storage: &str| format!("storage: {storage}");
    for (from, to) in [("1Gi", "1Gi"), ("1Gi", "2Gi"), ("1Gi", "1073741824"), ("1G", "1Gi"), ("1", "2")] {
        change(&storage(&claim(from)), &storage(&claim(to)), Accepted);
    }
    for (from, to) in [("1Gi", "1G"), ("10Gi", "9.9Gi"), ("1073741825", "1Gi"), ("2", "1")] {
        change(&storage(&claim(from)), &storage(&claim(to)), Refused("a volume can grow and never shrinks"));
    }
    change(&storage("{emptyDir: {sizeLimit: 2Gi}}"), &storage("{emptyDir: {sizeLimit: 1Gi}}"), Accepted);
    change(
        &storage("{emptyDir: {}}"),
        &storage(&claim("1Gi")),
        Refused("cannot be exchanged after creation"),
    );
    change(
        &storage(&claim("1Gi")),
        &storage("{emptyDir: {}}"),
        Refused("cannot be exchanged after creation"),
    );
    change("", &storage("{emptyDir: {}}"), Refused("cannot be "));
    change(&storage(&claim("1Gi")), "", Refused("after creation, since members have their data there"));
    change(&storage(&claim("1Gi")), "paused: true, storage: null", Refused("after creation"));
    change("paused: true", "etcd: {snapshotCount: 5}", Accepted);

    let secret = "mode: Secret, secretName: mine";
    let issuer = "mode: CertManager, issuerRef: {name: ours}";
    for side in ["peer", "client"] {
        let tls = |fields: &str| format!("tls: {{{side}: {{{fields}}}}}");
        for (from, to) in [
            (tls("mode: Managed"), tls("mode: Disabled")),
            (tls("mode: Disabled"), tls(secret)),
            (tls(issuer), tls("mode: Disabled")),
            (tls(secret), tls("mode: Secret, secretName: other")),
            (tls("mode: Managed"), String::new()),
            (String::new(), tls("mode: Disabled")),
            (tls("mode: Disabled"), String::new()),
        ] {
            change(&from, &to, Accepted);
        }
        for (from, to) in [
            (tls("mode: Managed"), tls(secret)),
            (tls(secret), tls(issuer)),
            (tls(issuer), tls("mode: Managed")),
            (String::new(), tls(secret)),
            (tls(secret), String::new()),
            (tls(issuer), "tls: {}".to_owned()),
        ] {
            change(&from, &to, Refused("at once, since members that trust different authorities"));
        }
    }

    for (before, after) in [
        ("bootstrap: {adopt: true}", "bootstrap: {adopt: false}"),
        ("bootstrap: {adopt: true}", ""),
        ("", "bootstrap: {adopt: true}"),
        ("image: a", "image: b"),
        ("image: a, imagePullPolicy: Never", ""),
        ("deletionPolicy: Retain", "deletionPolicy: Delete"),
        ("deletionPolicy: Delete", ""),
        ("podTemplate: {spec: {a: 1}}", "podTemplate: {spec: {a: [x]}}"),
        ("services: {client: {spec: {type: LoadBalancer}}}", "services: null"),
    ] {
        change(before, after, Accepted);
    }
}

fn names(cases: &mut Vec<Case>) {
    let mut named = |name: &str, verdict| cases.push(case(name, None, "{size: 3}", verdict));
    named("a", Accepted);
    named("my-cluster-2", Accepted);
    named(&"n".repeat(40), Accepted);
    named(&"n".repeat(41), Refused("at most 40"));
    for name in ["1a", "a.b"] {
        named(name, Refused("begin with a letter and end with a letter or digit"));
    }
}

use Verdict::{Accepted, Dropped, Malformed, Refused};

fn case(name: &str, before: Option<&str>, after: &str, verdict: Verdict) -> Case {
    Case { name: name.to_owned(), before: before.map(str::to_owned), after: after.to_owned(), verdict }
}
