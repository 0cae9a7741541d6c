//! The command line of a member's etcd in a Pod: what the guard starts, and what `quorate explain` shows of it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use super::words::{Assignment, CLIENT_PORT, METRICS_PORT, PEER_PORT};
use crate::{
    member::{Addresses, Launch, render},
    plan::{Admission, ClusterState, Peer, Sides},
};

/// All addresses of the family of a Pod's own address; those of IPv4 while it has none.
pub fn everywhere(pod_ip: Option<IpAddr>) -> IpAddr {
    match pod_ip {
        Some(IpAddr::V6(_)) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    }
}

/// Where the etcd of a member listens in its Pod, and where it is reached.
pub fn addresses(assignment: &Assignment, pod_ip: Option<IpAddr>) -> Addresses {
    let url = |port| format!("http://{}", SocketAddr::new(everywhere(pod_ip), port));
    Addresses {
        listen_client_url: url(CLIENT_PORT),
        listen_peer_url: url(PEER_PORT),
        listen_metrics_url: Some(url(METRICS_PORT)),
        advertise_client_url: assignment.client_url.clone(),
        advertise_peer_url: assignment.peer_url.clone(),
    }
}

/// The flags of a member's etcd. `admission` is how it enters the cluster, as far as that is known.
pub fn flags(
    assignment: &Assignment,
    admission: Option<Admission>,
    addresses: &Addresses,
    data: &Path,
    first_start: bool,
    initial_check: bool,
) -> Vec<String> {
    // etcd reads none of it once it has data.
    let unknown = || Admission {
        state: ClusterState::Existing,
        initial_cluster: vec![Peer { name: assignment.name.0.clone(), url: assignment.peer_url.clone() }],
        token: String::new(),
        id: None,
    };
    render(&Launch {
        name: &assignment.name,
        version: assignment.version,
        options: &assignment.options,
        admission: &admission.unwrap_or_else(unknown),
        addresses,
        certificates: &Sides::default(),
        data_dir: &data.display().to_string(),
        log_file: None,
        first_start,
        initial_check,
    })
}
