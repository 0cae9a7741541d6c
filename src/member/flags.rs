//! The flags an etcd process is started with, by the version of that member.
//!
//! Flags, and neither a configuration file nor environment variables: etcd ignores what it doesn't know in a file, and
//! ignores all flags beside one.

use crate::plan::{
    Admission, ClusterState, EtcdOptions, EtcdVersion, MemberName, Sides,
    options::{FEATURE_GATES, INITIAL_CHECK_GATE},
    version::Minor,
};

/// Where a member listens, and where it says that it is reached. Two URLs of one kind are separated by a comma, as in
/// etcd's flags: under both schemes, each on a port of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// Where it listens for clients. etcd listens on IP addresses only.
    pub listen_client_url: String,
    /// Where it listens for its peers.
    pub listen_peer_url: String,
    /// Where it listens for health and metrics, also while the client URL does not answer yet; none means no port of
    /// its own.
    pub listen_metrics_url: Option<String>,
    /// Where clients reach it.
    pub advertise_client_url: String,
    /// Where its peers reach it.
    pub advertise_peer_url: String,
}

impl Addresses {
    /// Those of a member that is reached just where it listens.
    pub fn same(client_url: String, peer_url: String, metrics_url: Option<String>) -> Self {
        Self {
            listen_client_url: client_url.clone(),
            listen_peer_url: peer_url.clone(),
            listen_metrics_url: metrics_url,
            advertise_client_url: client_url,
            advertise_peer_url: peer_url,
        }
    }
}

/// Where the certificates of one side lie. etcd reads certificate and key again at every connection, and the authorities
/// only when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The member's certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// The certificates of the authorities it trusts.
    pub authorities: String,
}

/// All that a member's flags are made from.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// Its name.
    pub name: &'a MemberName,
    /// The version of its binary.
    pub version: EtcdVersion,
    /// What the spec says about etcd.
    pub options: &'a EtcdOptions,
    /// How it enters the cluster.
    pub admission: &'a Admission,
    /// Where it listens and is reached.
    pub addresses: &'a Addresses,
    /// Its certificates, of each side that has a listener under TLS. Plain listeners beside those ask for none.
    pub certificates: &'a Sides<Option<CertificateFiles>>,
    /// Where its data lies.
    pub data_dir: &'a str,
    /// The absolute path of its log, which etcd then rotates itself; none means standard error.
    pub log_file: Option<&'a str>,
    /// Whether it has never been started. Only then may it form a cluster.
    pub first_start: bool,
    /// Whether it can compare its data with its peers' before it serves; it does unless the spec says otherwise.
    pub initial_check: bool,
}

/// How etcd rotates its log: three files of 16 MB at the most.
const LOG_ROTATION: &str = r#"{"maxsize":16,"maxage":0,"maxbackups":2,"localtime":false,"compress":false}"#;

/// The flags of an etcd process, each as `--name=value`: Quorate's own, the typed options, then the further flags of the
/// spec in alphabetical order, as they are written there.
pub fn render(launch: &Launch<'_>) -> Vec<String> {
    let Launch { version, options, .. } = launch;
    let check = launch.initial_check && !options.no_initial_check;
    let gates = options.extra_args.get(FEATURE_GATES).filter(|gates| !gates.is_empty());
    let mut flags = own(launch);
    flags.extend(typed(options));
    flags.extend(check.then(|| initial_check(*version, gates.map(String::as_str))));
    let merged = |name: &str| check && version.minor() != Minor::V3_5 && name == FEATURE_GATES;
    let extra = options.extra_args.iter().filter(|(name, _)| !merged(name));
    flags.extend(extra.map(|(name, value)| flag(name, value)));
    flags
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// The flags that decide which cluster the member belongs to and where it is reached.
fn own(launch: &Launch<'_>) -> Vec<String> {
    let Launch { name, admission, addresses, data_dir, log_file, first_start, .. } = launch;
    // `new` on an emptied folder can split the data of the cluster in silence, so it is said once only.
    let state = match admission.state {
        ClusterState::New if *first_start => "new",
        ClusterState::New | ClusterState::Existing => "existing",
    };
    let peers: Vec<_> =
        admission.initial_cluster.iter().map(|peer| [&*peer.name, &*peer.url].join("=")).collect();
    let mut flags = vec![
        flag("name", name),
        flag("data-dir", data_dir),
        flag("listen-peer-urls", &addresses.listen_peer_url),
        flag("initial-advertise-peer-urls", &addresses.advertise_peer_url),
        flag("listen-client-urls", &addresses.listen_client_url),
        flag("advertise-client-urls", &addresses.advertise_client_url),
    ];
    flags.extend(addresses.listen_metrics_url.iter().map(|url| flag("listen-metrics-urls", url)));
    flags.extend(certificates("", launch.certificates.client.as_ref()));
    flags.extend(certificates("peer-", launch.certificates.peer.as_ref()));
    flags.extend([
        flag("initial-cluster", peers.join(",")),
        flag("initial-cluster-state", state),
        flag("initial-cluster-token", &admission.token),
        flag("logger", "zap"),
    ]);
    if let Some(path) = log_file {
        flags.push(flag("log-outputs", path));
        flags.push(flag("enable-log-rotation", true));
        flags.push(flag("log-rotation-config-json", LOG_ROTATION));
    }
    flags
}

/// Who shows no certificate of a trusted authority is not let in. etcd's Go has TLS 1.2 as the lowest version of a server.
fn certificates(prefix: &str, files: Option<&CertificateFiles>) -> Vec<String> {
    let Some(CertificateFiles { certificate, key, authorities }) = files else { return Vec::new() };
    vec![
        flag(&format!("{prefix}cert-file"), certificate),
        flag(&format!("{prefix}key-file"), key),
        flag(&format!("{prefix}trusted-ca-file"), authorities),
        flag(&format!("{prefix}client-cert-auth"), true),
    ]
}

/// The options with a field of their own.
fn typed(options: &EtcdOptions) -> Vec<String> {
    let EtcdOptions {
        quota_backend_bytes,
        auto_compaction,
        snapshot_count,
        heartbeat_interval,
        election_timeout,
        max_request_bytes,
        log_level,
        no_initial_check: _,
        extra_args: _,
        extra_env: _,
    } = options;
    let numbers = [
        ("quota-backend-bytes", quota_backend_bytes),
        ("snapshot-count", snapshot_count),
        ("heartbeat-interval", heartbeat_interval),
        ("election-timeout", election_timeout),
        ("max-request-bytes", max_request_bytes),
    ];
    let mut flags: Vec<_> =
        numbers.iter().filter_map(|(name, value)| value.map(|value| flag(name, value))).collect();
    if let Some(compaction) = auto_compaction {
        flags.push(flag("auto-compaction-mode", &compaction.mode));
        flags.push(flag("auto-compaction-retention", &compaction.retention));
    }
    flags.extend(log_level.iter().map(|level| flag("log-level", level)));
    flags
}

/// A member compares its data with its peers' before it serves. From 3.6 on that is one of the features, whose flag
/// can be given once.
fn initial_check(version: EtcdVersion, gates: Option<&str>) -> String {
    match (version.minor(), gates) {
        (Minor::V3_5, _) => flag("experimental-initial-corrupt-check", true),
        (_, Some(gates)) => flag(FEATURE_GATES, format!("{INITIAL_CHECK_GATE}=true,{gates}")),
        (_, None) => flag(FEATURE_GATES, format!("{INITIAL_CHECK_GATE}=true")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Peer, options::AutoCompaction};

    /// Among the extra flags: the spec wants no initial check.
    const UNCHECKED: (&str, &str) = ("max-learners", "2");

    fn rendered(
        version: &str,
        state: ClusterState,
        first_start: bool,
        extra: &[(&str, &str)],
    ) -> Vec<String> {
        let peer = |name: &str, url: &str| Peer { name: name.into(), url: url.into() };
        let options = EtcdOptions {
            quota_backend_bytes: Some(1 << 30),
            auto_compaction: Some(AutoCompaction { mode: "periodic".into(), retention: "1h".into() }),
            max_request_bytes: Some(10 << 20),
            log_level: Some("warn".into()),
            no_initial_check: extra.contains(&UNCHECKED),
            extra_args: extra.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            ..EtcdOptions::default()
        };
        render(&Launch {
            name: &MemberName("demo-b".into()),
            version: version.parse().unwrap(),
            options: &options,
            admission: &Admission {
                state,
                initial_cluster: vec![peer("demo-a", "http://h:1"), peer("demo-b", "http://h:2")],
                token: "demo-uid".into(),
                id: None,
            },
            addresses: &Addresses {
                listen_client_url: "http://0.0.0.0:3".into(),
                listen_peer_url: "http://0.0.0.0:2".into(),
                listen_metrics_url: Some("http://0.0.0.0:4".into()),
                advertise_client_url: "http://h:3".into(),
                advertise_peer_url: "http://h:2".into(),
            },
            certificates: &Sides {
                peer: None,
                client: Some(CertificateFiles {
                    certificate: "/t/server.crt".into(),
                    key: "/t/server.key".into(),
                    authorities: "/t/ca.crt".into(),
                }),
            },
            data_dir: "/d/data",
            log_file: Some("/d/log"),
            first_start,
            initial_check: true,
        })
    }

    #[test]
    fn the_whole_command_line_of_a_member() {
        let extra = [("max-txn-ops", "256"), ("bcrypt-cost", "9")];
        let flags = rendered("3.5.35", ClusterState::Existing, true, &extra);
        let expected = [
            "--name=demo-b",
            "--data-dir=/d/data",
            "--listen-peer-urls=http://0.0.0.0:2",
            "--initial-advertise-peer-urls=http://h:2",
            "--listen-client-urls=http://0.0.0.0:3",
            "--advertise-client-urls=http://h:3",
            "--listen-metrics-urls=http://0.0.0.0:4",
            "--cert-file=/t/server.crt",
            "--key-file=/t/server.key",
            "--trusted-ca-file=/t/ca.crt",
            "--client-cert-auth=true",
            "--initial-cluster=demo-a=http://h:1,demo-b=http://h:2",
            "--initial-cluster-state=existing",
            "--initial-cluster-token=demo-uid",
            "--logger=zap",
            "--log-outputs=/d/log",
            "--enable-log-rotation=true",
            "--log-rotation-config-json={\"maxsize\":16,\"maxage\":0,\"maxbackups\":2,\"localtime\":false,\"compress\":false}",
            "--quota-backend-bytes=1073741824",
            "--max-request-bytes=10485760",
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=1h",
            "--log-level=warn",
            "--experimental-initial-corrupt-check=true",
            "--bcrypt-cost=9",
            "--max-txn-ops=256",
        ];
        assert_eq!(flags, expected);
    }

    #[test]
    fn new_is_said_at_the_first_start_of_a_founder_only() {
        for (state, first, expected) in [
            (ClusterState::New, true, "new"),
            (ClusterState::New, false, "existing"),
            (ClusterState::Existing, true, "existing"),
            (ClusterState::Existing, false, "existing"),
        ] {
            let flags = rendered("3.6.16", state, first, &[]);
            assert!(flags.contains(&format!("--initial-cluster-state={expected}")), "{state:?} {first}");
        }
    }

    #[test]
    fn the_initial_check_is_spelled_for_the_version_and_stands_beside_other_features() {
        let old = "--experimental-initial-corrupt-check=true";
        let new = "--feature-gates=InitialCorruptCheck=true";
        let other = (FEATURE_GATES, "CompactHashCheck=true");
        for (version, extra, expected) in [
            ("3.5.35", &[][..], Some(old)),
            ("3.6.16", &[], Some(new)),
            ("3.7.3", &[], Some(new)),
            ("3.7.3", &[(FEATURE_GATES, "")], Some(new)),
            ("3.7.3", &[other], Some("--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true")),
            ("3.5.35", &[UNCHECKED], None),
            ("3.6.16", &[UNCHECKED], None),
            ("3.7.3", &[UNCHECKED, other], Some("--feature-gates=CompactHashCheck=true")),
        ] {
            let flags = rendered(version, ClusterState::New, true, extra);
            let found: Vec<_> =
                flags.iter().filter(|one| one.contains("orrupt") || one.contains("gates")).collect();
            assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{version} {extra:?}");
        }
    }
}
