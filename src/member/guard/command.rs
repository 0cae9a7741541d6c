//! The command line of a member's etcd in a Pod: what the guard starts, and what `quorate explain` shows of it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use super::words::{
    Assignment, CLIENT_PORT, CLIENT_TLS_PORT, METRICS_PORT, PEER_PORT, PEER_TLS_PORT, authorities_file,
    certificate_file, key_file,
};
use crate::{
    member::{Addresses, CertificateFiles, Launch, render},
    plan::{
        Admission, ClusterState, Peer, Scheme, Side, Sides,
        transport::{Channel, Listen},
    },
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
    let url =
        |scheme: Scheme, port| format!("{}://{}", scheme.name(), SocketAddr::new(everywhere(pod_ip), port));
    let urls = |channel: &Channel, plain, secure| {
        let ports = [(Scheme::Http, plain), (Scheme::Https, secure)];
        let listens = ports.into_iter().filter(|(scheme, _)| channel.listen.has(*scheme));
        listens.map(|(scheme, port)| url(scheme, port)).collect::<Vec<_>>().join(",")
    };
    let transport = &assignment.transport;
    Addresses {
        listen_client_url: urls(&transport.client, CLIENT_PORT, CLIENT_TLS_PORT),
        listen_peer_url: urls(&transport.peer, PEER_PORT, PEER_TLS_PORT),
        listen_metrics_url: Some(url(Scheme::Http, METRICS_PORT)),
        advertise_client_url: assignment.client_url.clone(),
        advertise_peer_url: assignment.peer_url.clone(),
    }
}

/// Where the certificates of a member lie in a folder, for the sides that have a listener under TLS.
pub fn certificates(assignment: &Assignment, folder: &Path) -> Sides<Option<CertificateFiles>> {
    let path = |name: &str| folder.join(name).display().to_string();
    let files = |side| {
        let listens = assignment.transport.get(side).listen != Listen::Plain;
        listens.then(|| CertificateFiles {
            certificate: path(certificate_file(side)),
            key: path(key_file(side)),
            authorities: path(authorities_file(side)),
        })
    };
    Sides { peer: files(Side::Peer), client: files(Side::Client) }
}

/// The flags of a member's etcd. `admission` is how it enters the cluster, as far as that is known; `data` is its data
/// folder, and `folder` that of its certificates.
pub fn flags(
    assignment: &Assignment,
    admission: Option<Admission>,
    addresses: &Addresses,
    data: &Path,
    folder: &Path,
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
    let admission = admission.unwrap_or_else(unknown);
    // At its first start etcd wants to be reached where the cluster was told that it is.
    let own = admission.initial_cluster.iter().find(|peer| peer.name == assignment.name.0);
    let told = own.filter(|peer| assignment.is_at(&peer.url)).map(|peer| peer.url.clone());
    let advertised = told.unwrap_or_else(|| addresses.advertise_peer_url.clone());
    let addresses = Addresses { advertise_peer_url: advertised, ..addresses.clone() };
    render(&Launch {
        name: &assignment.name,
        version: assignment.version,
        options: &assignment.options,
        admission: &admission,
        addresses: &addresses,
        certificates: &certificates(assignment, folder),
        data_dir: &data.display().to_string(),
        log_file: None,
        first_start,
        initial_check,
    })
}
