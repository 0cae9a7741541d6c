//! A container as deciding sees it: what `docker inspect` says, cut down to what names, ports and addresses follow from.
//!
//! Pure. Values of environment variables that do not begin with `SERVICE_` never get here.

use std::collections::BTreeMap;

/// A container of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its ID, 64 hexadecimal digits.
    pub id: String,
    /// Its name without the leading slash.
    pub name: String,
    /// The image as it was asked for, with registry, tag or digest.
    pub image: String,
    /// Whether it lives, and how well.
    pub state: State,
    /// Environment variables that begin with `SERVICE_`, `KEY=VALUE`, in their order.
    pub env: Vec<String>,
    /// Labels that are looked at: those that begin with `SERVICE_`, and the few that settings name.
    pub labels: BTreeMap<String, String>,
    /// `Config.ExposedPorts`.
    pub exposed: Vec<Port>,
    /// `NetworkSettings.Ports`: an exposed port that is not published has no bindings.
    pub ports: BTreeMap<Port, Vec<Binding>>,
    /// `HostConfig.NetworkMode`: `default`, `bridge`, `host`, `none`, `container:ID` or a network's name.
    pub network_mode: String,
    /// `NetworkSettings.Networks` by name.
    pub networks: BTreeMap<String, Network>,
    /// `NetworkSettings.IPAddress`, which engines leave out from API 1.52 on.
    pub network_ip: String,
    /// The tags of `-tags`, rendered for this container, before they are split.
    pub extra_tags: String,
}

/// Whether a container lives, and how well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Its process runs, perhaps paused.
    pub running: bool,
    /// Its process is frozen.
    pub paused: bool,
    /// What its health check says, if it has one.
    pub health: Option<Health>,
    /// How its process ended, once it did.
    pub exit_code: i64,
    /// When its process began, as the engine writes it; tells one life from the next.
    pub started_at: String,
    /// The number of the signal that asks it to stop.
    pub stop_signal: i64,
    /// How long it gets between that signal and SIGKILL, in seconds.
    pub stop_timeout: i64,
}

/// The verdict of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// There was none yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// Several checks in a row failed.
    Unhealthy,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Its number, as text: `8080`.
    pub number: String,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

impl Port {
    /// Reads `80/tcp`; a port without a protocol is TCP.
    pub fn parse(text: &str) -> Self {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        Self { number: number.to_owned(), protocol: protocol.to_owned() }
    }
}

/// Where a port of a container is published on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// The address; empty means all of them.
    pub ip: String,
    /// The port; empty while there is none.
    pub port: String,
}

/// What a container is in one network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Its IPv4 address, or empty.
    pub ip: String,
    /// Its IPv6 address, or empty.
    pub ip6: String,
    /// Which network is the gateway to the outside: the highest.
    pub gateway_priority: i64,
}

/// The container whose network another one uses (`--network container:…`).
#[derive(Debug, Clone, Copy)]
pub enum Owner<'a> {
    /// The container has a network of its own.
    None,
    /// This one's.
    Known(&'a Container),
    /// One that could not be inspected.
    Missing,
}

impl Container {
    /// The ID or name of the container whose network this one uses.
    pub fn network_owner(&self) -> Option<&str> {
        self.network_mode.strip_prefix("container:")
    }

    /// The first twelve digits of the ID, as people know them.
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }
}
