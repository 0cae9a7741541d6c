//! What metrics there are: from the registries of the programs, each counted into once, and from real members.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::Duration,
};

use quorate::{
    etcd::{Call, Class},
    plan::{
        ClusterSize, Desired, EtcdOptions,
        status::{CertificatesStatus, ClusterStatus, Condition, MemberStatus, SideStatus},
    },
    registrator, telemetry,
};

use crate::common::etcd::{Binary, Cluster};

/// A metric as its page describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    /// `counter`, `gauge`, `histogram`, `info`.
    pub kind: String,
    /// What the page says about it.
    pub help: String,
    /// The names of all labels of its samples.
    pub labels: BTreeSet<String>,
}

/// All metrics by the names of their samples, without `_bucket`, `_sum` and `_count` of histograms.
pub type Families = BTreeMap<String, Family>;

/// Reads a page of metrics. `openmetrics` adds the endings that samples have there and families have not.
pub fn read(page: &str) -> Families {
    let mut described: BTreeMap<&str, Family> = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("# ")) {
        let mut words = line.splitn(4, ' ').skip(1);
        let (Some(keyword), Some(name)) = (words.next(), words.next()) else { continue };
        let rest = words.next().unwrap_or_default().to_owned();
        let family = described.entry(name).or_default();
        match keyword {
            "TYPE" => family.kind = rest,
            "HELP" => family.help = rest.trim_end_matches('.').to_owned(),
            _ => {}
        }
    }
    let mut families = Families::new();
    for line in page.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let name = line.split(['{', ' ']).next().unwrap();
        let (base, ending) = ["", "_bucket", "_sum", "_count", "_total", "_info"]
            .iter()
            .find_map(|ending| {
                let base = name.strip_suffix(ending)?;
                described.contains_key(base).then_some((base, *ending))
            })
            .unwrap_or_else(|| panic!("no TYPE for {line}"));
        let told = match ending {
            "_total" | "_info" => name,
            _ => base,
        };
        let family = families.entry(told.to_owned()).or_insert_with(|| described[base].clone());
        if let Some((_, rest)) = line.split_once('{') {
            let labels = rest.rsplit_once('}').unwrap().0;
            let names = labels.split("\",").filter_map(|one| one.split('=').next());
            family.labels.extend(
                names
                    .map(|one| one.trim_matches(',').to_owned())
                    .filter(|one| one != "le" && !one.is_empty()),
            );
        }
    }
    families
}

/// A status with one member and one condition of which all is known.
fn status(leader: &str) -> ClusterStatus {
    let condition = Condition {
        kind: "Ready".into(),
        status: "True".into(),
        reason: String::new(),
        message: String::new(),
        last_transition_time: String::new(),
        observed_generation: None,
    };
    let member = MemberStatus {
        name: leader.into(),
        role: "leader".into(),
        db_size: Some(1),
        db_size_in_use: Some(1),
        ..MemberStatus::default()
    };
    let side = SideStatus {
        expires: Some("2027-01-01T00:00:00Z".into()),
        authority_expires: Some("2036-01-01T00:00:00Z".into()),
        ..SideStatus::default()
    };
    ClusterStatus {
        leader: Some(leader.into()),
        members: vec![member],
        certificates: Some(CertificatesStatus { peer: Some(side.clone()), client: Some(side) }),
        conditions: vec![condition],
        ..ClusterStatus::default()
    }
}

/// Makes one of everything appear that is told of one cluster.
fn count_into(metrics: &Arc<telemetry::metrics::Metrics>) {
    let desired = Desired {
        size: ClusterSize::new(3).unwrap(),
        version: "3.6.16".parse().unwrap(),
        options: EtcdOptions::default(),
        tls: Default::default(),
        client_plaintext: false,
        rotate: None,
        token: None,
        adopt: false,
        replaces_misplaced: false,
        paused: false,
        not_applied: Vec::new(),
        unfit: Vec::new(),
    };
    metrics.step("Start", "done");
    metrics.pass(Duration::ZERO, &desired, &status("a"));
    metrics.failed_pass();
    let observe = Arc::clone(metrics).call_observer();
    observe(Call::Status, Duration::ZERO, Some(&Class::Refused));
}

/// The metrics of `quorate up`.
pub fn of_one_machine() -> Families {
    let metrics = telemetry::metrics::Metrics::default().of_cluster("", "demo");
    count_into(&metrics);
    read(&metrics.render().unwrap())
}

/// The metrics of `quorate operator`.
pub fn of_the_operator() -> Families {
    let metrics = telemetry::metrics::Metrics::of_operator();
    let cluster = metrics.of_cluster("default", "demo");
    count_into(&cluster);
    let operator = metrics.operator();
    operator.leader(true);
    operator.reconciled("clusters", "done");
    drop(operator.waiting("clusters"));
    operator.called("get", "pods".into(), "200".into(), Duration::ZERO);
    operator.event("sent");
    read(&metrics.render().unwrap())
}

/// The metrics of `quorate-registrator`.
pub fn of_the_registrator() -> Families {
    let metrics = registrator::metrics::Metrics::new();
    metrics.decided(1, 0, 0);
    metrics.written(1, 0);
    metrics.heard();
    metrics.listening(true);
    metrics.pass_begins();
    metrics.passed(true);
    metrics.wrote(1, 0);
    metrics.docker_error();
    metrics.etcd_error(registrator::etcd::Kind::Away);
    read(&metrics.render().unwrap())
}

/// The metrics of a real member that has peers.
pub fn of_etcd(binary: &Binary) -> Families {
    let cluster = Cluster::start(binary, 3, &[]);
    let address = cluster.members[0].metrics_url.strip_prefix("http://").unwrap().to_owned();
    let mut page = String::new();
    // Round trips to peers are measured once the links are there.
    crate::common::etcd::wait_until("round trips are measured", Duration::from_secs(60), || {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        page.clear();
        stream.read_to_string(&mut page).unwrap();
        page.contains("\netcd_network_peer_round_trip_time_seconds_bucket{")
    });
    read(page.split_once("\r\n\r\n").unwrap().1)
}
