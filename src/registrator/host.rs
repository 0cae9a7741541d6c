//! What this host is called and where others reach it. It is found out once, at the start: the original asks DNS for every
//! port, which made a first look at 100 containers take 15 s with a slow resolver.

use std::{
    fs,
    net::{IpAddr, SocketAddr, UdpSocket},
};

use super::{cli::Settings, service::Host};

/// Why the host can't be known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nobody could reach what would be registered.
    #[error(
        "no address is known that others reach this host at: its name {0:?} leads to none; give one with -ip"
    )]
    NoAddress(String),
}

/// Finds out name and addresses.
///
/// # Errors
/// When published ports could not be registered for want of an address.
pub async fn find(settings: &Settings) -> Result<Host, HostError> {
    let name = settings.host_name.clone().unwrap_or_else(system_name);
    let mut host = Host { name, ..Host::default() };
    if settings.rules.ip.is_some() {
        return Ok(host);
    }
    let resolved: Vec<IpAddr> = match tokio::net::lookup_host((host.name.as_str(), 0)).await {
        Ok(all) => all.map(|address| address.ip()).filter(usable).collect(),
        Err(_) => Vec::new(),
    };
    let text = |found: Option<&IpAddr>| found.map(IpAddr::to_string);
    // Debian maps a host's own name to 127.0.1.1: then the address that leads out of the host is taken.
    host.ip4 = text(resolved.iter().find(|ip| ip.is_ipv4())).or_else(|| source("0.0.0.0:0", "192.0.2.1:9"));
    host.ip6 = text(resolved.iter().find(|ip| ip.is_ipv6())).or_else(|| source("[::]:0", "[2001:db8::1]:9"));
    match host.ip4.is_none() && host.ip6.is_none() && !settings.rules.internal {
        true => Err(HostError::NoAddress(host.name)),
        false => Ok(host),
    }
}

/// The name of the system, as Go's `os.Hostname` reads it.
fn system_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn usable(ip: &IpAddr) -> bool {
    !ip.is_loopback() && !ip.is_unspecified()
}

/// The address that packets to the outside would come from. Nothing is sent: connecting a UDP socket only chooses a route.
fn source(from: &str, to: &str) -> Option<String> {
    let to: SocketAddr = to.parse().ok()?;
    let socket = UdpSocket::bind(from).ok()?;
    socket.connect(to).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    usable(&ip).then(|| ip.to_string())
}
