//! Which ports of a container others reach, and at which address.
//!
//! Pure. Published ports are at the host; a port that is only exposed is reached where the container's network is the
//! outside world itself: the host's (`--net=host`), a network of the LAN (macvlan, ipvlan), or, with `-internal`, any.

use core::net::IpAddr;

use super::{
    container::{Binding, Container, Network, Owner, Port},
    service::{Host, Rules},
};

/// How one port is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    /// Where.
    pub place: Place,
    /// The port there, as text.
    pub port: String,
}

/// Where a port is reached, before `-ip` and labels are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At an address of the host; empty, `0.0.0.0` and `::` mean all of them.
    Host(String),
    /// At an address of the container, which neither `-ip` nor the host's address replaces.
    Own(String),
    /// At the address of the container whose network it uses: no label replaces it either, as in the original.
    Owner(String),
}

/// The ports of a container that others reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reachable {
    /// Those to register, and how they are reached.
    pub ports: Vec<(Port, Reach)>,
    /// Exposed, but not published.
    pub unpublished: Vec<Port>,
    /// Published where nobody else reaches them, in words.
    pub refused: Vec<String>,
    /// Whether there are several, so that names need a suffix.
    pub group: bool,
}

/// Networks of Swarm that carry no traffic of clients to one container.
const PLUMBING: [&str; 2] = ["ingress", "docker_gwbridge"];

/// The ports of a container that others reach.
pub(super) fn reachable(container: &Container, owner: Owner<'_>, rules: &Rules, host: &Host) -> Reachable {
    let mut found = Reachable::default();
    let mut all: Vec<&Port> = container.exposed.iter().chain(container.ports.keys()).collect();
    all.sort();
    all.dedup();
    for port in all {
        match reach(container, port, owner, rules, host) {
            Outcome::At(reach) => found.ports.push((port.clone(), reach)),
            Outcome::Unpublished => found.unpublished.push(port.clone()),
            Outcome::Refused(why) => found.refused.push(why),
        }
    }
    found.group = found.ports.len() > 1;
    found
}

enum Outcome {
    At(Reach),
    Unpublished,
    Refused(String),
}

fn reach(container: &Container, port: &Port, owner: Owner<'_>, rules: &Rules, host: &Host) -> Outcome {
    let at = |place, port: &str| Outcome::At(Reach { place, port: port.to_owned() });
    if let Some(name) = container.network_owner() {
        let Owner::Known(owner) = owner else {
            let short = name.get(..12).unwrap_or(name);
            return Outcome::Refused(format!(
                "port {}: the container {short}, whose network it uses, can't be inspected",
                port.number
            ));
        };
        return through(owner, port, rules, host);
    }
    if rules.internal {
        return at(Place::Own(inside(container, rules)), &port.number);
    }
    match container.ports.get(port) {
        Some(bindings) => published(bindings, port, rules, host),
        None => match container.network_mode.as_str() {
            "host" => at(Place::Host(String::new()), &port.number),
            // With a bridge of its own a port that is missing is one that is not published (yet).
            "" | "default" | "bridge" | "none" => Outcome::Unpublished,
            // macvlan and ipvlan: the container is in the LAN itself.
            network => match container.networks.get(network).map(any_address) {
                Some(ip) if !ip.is_empty() => at(Place::Own(ip), &port.number),
                _ => Outcome::Unpublished,
            },
        },
    }
}

/// A port of a container that uses the network of another.
fn through(owner: &Container, port: &Port, rules: &Rules, host: &Host) -> Outcome {
    let at = |place, port: &str| Outcome::At(Reach { place, port: port.to_owned() });
    if !rules.internal {
        match owner.ports.get(port).map(|bindings| published(bindings, port, rules, host)) {
            None | Some(Outcome::Unpublished) => {}
            Some(outcome) => return outcome,
        }
    }
    if owner.network_mode == "host" {
        return at(Place::Host(String::new()), &port.number);
    }
    match inside(owner, rules) {
        ip if ip.is_empty() => Outcome::Unpublished,
        ip => at(Place::Owner(ip), &port.number),
    }
}

fn published(bindings: &[Binding], port: &Port, rules: &Rules, host: &Host) -> Outcome {
    let usable: Vec<&Binding> = bindings.iter().filter(|binding| !binding.port.is_empty()).collect();
    let v4 = match &rules.ip {
        Some(ip) => !ip.contains(':'),
        None => host.ip4.is_some() || host.ip6.is_none(),
    };
    // The engine may give another port for each family, so the one that fits the address is looked for first.
    let fits = |binding: &&&Binding| binding.ip.contains(':') != v4;
    let Some(binding) = usable.iter().find(fits).or(usable.first()) else { return Outcome::Unpublished };
    let loopback = binding.ip.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if loopback && rules.ip.is_some() {
        let words = "is published on the loopback address only, where -ip does not lead";
        return Outcome::Refused(format!("port {} {words}", port.number));
    }
    let place = Place::Host(binding.ip.clone());
    Outcome::At(Reach { place, port: binding.port.clone() })
}

/// The address clients use for a port, if there is one.
pub(super) fn at(container: &Container, reach: &Reach, rules: &Rules, host: &Host) -> Option<String> {
    if let Place::Owner(ip) = &reach.place {
        return Some(ip.clone());
    }
    let label = rules.ip_label.as_ref().and_then(|label| container.labels.get(label));
    if let Some(value) = label {
        // A value such as 10.50.0.7/24 is cut at its last slash.
        let ip = value.rsplit_once('/').map_or(value.as_str(), |(ip, _)| ip);
        // What is no address would make a value that no client can read.
        return ip.parse::<IpAddr>().ok().map(|_| ip.to_owned());
    }
    let ip = match &reach.place {
        Place::Own(ip) | Place::Owner(ip) => Some(ip.clone()),
        Place::Host(bound) => match (&rules.ip, bound.as_str()) {
            (Some(ip), _) => Some(ip.clone()),
            (None, "" | "0.0.0.0") => host.ip4.clone().or_else(|| host.ip6.clone()),
            (None, "::") => host.ip6.clone(),
            (None, bound) => Some(bound.to_owned()),
        },
    };
    ip.filter(|ip| !ip.is_empty())
}

/// The address of a container in its own network, or empty.
///
/// Which network: the one asked for, the one it was started in, then the one that leads out, then by name.
fn inside(container: &Container, rules: &Rules) -> String {
    if let Some(name) = &rules.network {
        return container.networks.get(name).map(any_address).unwrap_or_default();
    }
    if !container.network_ip.is_empty() {
        return container.network_ip.clone();
    }
    let started_in = match container.network_mode.as_str() {
        "" | "default" => "bridge",
        mode => mode,
    };
    let mut candidates: Vec<(&String, &Network)> = container
        .networks
        .iter()
        .filter(|(name, network)| !PLUMBING.contains(&name.as_str()) && !any_address(network).is_empty())
        .collect();
    candidates.sort_by_key(|(name, network)| (*name != started_in, -network.gateway_priority, *name));
    candidates.first().map(|(_, network)| any_address(network)).unwrap_or_default()
}

fn any_address(network: &Network) -> String {
    if network.ip.is_empty() { network.ip6.clone() } else { network.ip.clone() }
}
