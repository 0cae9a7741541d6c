//! Container to services: which ports of a container are registered, under which name and ID.
//!
//! Pure. The rules are those of gliderlabs/registrator (`bridge/bridge.go`), told in docs/registrator.md; where they
//! lead to a key that no client can use, the rule that can be used stands here, with its reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    address::{self, Reach},
    container::{Container, Health, Owner, Port},
    metadata::Metadata,
    tags,
};

/// One registered port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its ID, alike on no other host: `HOST:CONTAINER:PORT` unless the container gives another.
    pub id: String,
    /// The address clients reach it at.
    pub ip: String,
    /// The port clients reach it at.
    pub port: u16,
    /// The port inside the container.
    pub exposed_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Its tags, in the order of the original.
    pub tags: Vec<String>,
    /// What else the container says of it.
    pub attributes: BTreeMap<String, String>,
    /// The container.
    pub container_id: String,
    /// The container's name.
    pub container_name: String,
}

/// What a person asked for, as far as it decides about services.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// `-ip`: the address of every published port.
    pub ip: Option<String>,
    /// `-internal`: exposed ports at the container's own address.
    pub internal: bool,
    /// `-explicit`: only ports with a name of their own.
    pub explicit: bool,
    /// `-useIpFromLabel`: the label whose value is the address.
    pub ip_label: Option<String>,
    /// `-network`: whose address `-internal` takes.
    pub network: Option<String>,
    /// `-health`: only while the health check passes.
    pub healthy_only: bool,
    /// `-pause=remove`: not while the container is paused.
    pub unless_paused: bool,
}

/// The host, as it is known to others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name, the first part of IDs.
    pub name: String,
    /// The IPv4 address that others reach it at, if there is one.
    pub ip4: Option<String>,
    /// The IPv6 address that others reach it at, if there is one.
    pub ip6: Option<String>,
}

/// A port, or a whole container, that is not registered, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// What, in the words of the original: `no published ports`, `port 80 not published on host`, ….
    pub what: String,
    /// Whether a person should hear of it: what they asked for can't be done.
    pub warn: bool,
}

/// All services of a container, and what of it is not registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// To be registered.
    pub services: Vec<Service>,
    /// Not to be registered.
    pub ignored: Vec<Ignored>,
}

impl Services {
    fn ignore(&mut self, what: impl Into<String>) {
        self.ignored.push(Ignored { what: what.into(), warn: false });
    }

    fn refuse(&mut self, what: impl Into<String>) {
        self.ignored.push(Ignored { what: what.into(), warn: true });
    }
}

/// The services of a container.
pub fn services(container: &Container, owner: Owner<'_>, rules: &Rules, host: &Host) -> Services {
    let mut found = Services::default();
    if !container.state.running {
        // What has ended serves nobody, whatever ports its image declares.
        found.ignore("container is not running");
        return found;
    }
    if rules.unless_paused && container.state.paused {
        found.ignore("container is paused");
        return found;
    }
    if rules.healthy_only && !matches!(container.state.health, None | Some(Health::Healthy)) {
        found.ignore("container is not healthy");
        return found;
    }
    let reachable = address::reachable(container, owner, rules, host);
    if reachable.ports.is_empty() && reachable.unpublished.is_empty() && reachable.refused.is_empty() {
        found.ignore("no published ports");
    }
    for port in &reachable.unpublished {
        found.ignore(format!("port {} not published on host", port.number));
    }
    for why in reachable.refused {
        found.refuse(why);
    }
    let group = reachable.group;
    for (port, reach) in &reachable.ports {
        match service(container, port, reach, group, rules, host) {
            Ok(service) => found.services.push(service),
            Err(why) => found.ignored.push(why),
        }
    }
    separate(&mut found);
    found
}

fn service(
    container: &Container,
    port: &Port,
    reach: &Reach,
    group: bool,
    rules: &Rules,
    host: &Host,
) -> Result<Service, Ignored> {
    let quiet = |what: String| Ignored { what, warn: false };
    let loud = |what: String| Ignored { what, warn: true };
    let metadata = Metadata::of(container, &port.number);
    // Any value ignores, also "false": that is how the original reads it.
    if metadata.get("ignore").is_some() {
        return Err(quiet(format!("service on port {}", port.number)));
    }
    let given = metadata.get("name");
    if given.is_none() && rules.explicit {
        return Err(quiet(format!("service on port {}: no name is given", port.number)));
    }
    let mut name = given.map_or_else(|| default_name(container), str::to_owned);
    if group && !metadata.names_the_port() {
        name = format!("{name}-{}", port.number);
    }
    let Some(ip) = address::at(container, reach, rules, host) else {
        let words = "there is no address that others reach it at; give one with -ip";
        return Err(loud(format!("port {}: {words}", port.number)));
    };
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0_u16);
    let (Some(exposed_port), Some(public)) = (number(&port.number), number(&reach.port)) else {
        return Err(loud(format!("port {}: {:?} is not the number of a port", port.number, reach.port)));
    };
    let udp = port.protocol == "udp";
    let host_name = if host.name.is_empty() { "0.0.0.0" } else { &host.name };
    let suffix = if udp { ":udp" } else { "" };
    let id = match metadata.get("id") {
        Some(id) => id.to_owned(),
        None => format!("{host_name}:{}:{}{suffix}", container.name, port.number),
    };
    let mut all = tags::split(metadata.get("tags").unwrap_or_default());
    all.extend(tags::split(&container.extra_tags));
    all.extend(udp.then(|| "udp".to_owned()));
    Ok(Service {
        name,
        id,
        ip,
        port: public,
        exposed_port,
        protocol: port.protocol.clone(),
        tags: all,
        attributes: metadata.attributes(),
        container_id: container.id.clone(),
        container_name: container.name.clone(),
    })
}

/// The name of a service whose container gives none: the last part of its image, without tag and digest.
fn default_name(container: &Container) -> String {
    let image = container.image.as_str();
    let last = image.rsplit('/').next().unwrap_or(image);
    let bare = last.split(['@', ':']).next().unwrap_or(last);
    // An image given by its ID has no name; the original calls all of them "sha256".
    let is_id = |text: &str| text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if last.starts_with("sha256:") || bare.is_empty() || (bare == image && is_id(bare)) {
        let compose = container.labels.get("com.docker.compose.service");
        return compose.unwrap_or(&container.name).clone();
    }
    bare.to_owned()
}

/// Gives services of one container that would share a key IDs of their own: TCP keeps the plain one.
///
/// Two protocols may listen on one port number, and `SERVICE_ID` replaces the part that tells them apart. The original
/// writes both to one key, and the order of a map decides who is seen.
fn separate(found: &mut Services) {
    found.services.sort_by(|a, b| {
        let rank = |service: &Service| (service.protocol != "tcp", service.exposed_port);
        rank(a).cmp(&rank(b))
    });
    let mut taken = BTreeSet::new();
    let mut kept = Vec::new();
    for mut service in std::mem::take(&mut found.services) {
        let key = |service: &Service| (service.name.clone(), service.id.clone());
        if taken.contains(&key(&service)) {
            service.id = format!("{}:{}", service.id, service.protocol);
        }
        if taken.contains(&key(&service)) {
            found.refuse(format!(
                "port {}: another port of this container has the ID {:?} too; give each its own with SERVICE_{}_ID",
                service.exposed_port, service.id, service.exposed_port
            ));
            continue;
        }
        taken.insert(key(&service));
        kept.push(service);
    }
    found.services = kept;
}
