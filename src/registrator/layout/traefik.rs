//! Servers for Traefik's KV provider: `PREFIX/http/services/NAME/loadbalancer/servers/N/url`.
//!
//! Pure. N has to be a number and may leave gaps: it is made from the service's ID, so that every instance has a key of
//! its own, with a lease. One value that Traefik can't read makes it refuse the whole update, so names are reduced to
//! lower case, digits and hyphens. Routers are not made: who is let in from outside is no matter of a container.

use super::{
    BadKey, Entry, Output, join_host_port,
    key::{digest, label},
};
use crate::registrator::service::Service;

pub(super) fn entries(output: &Output, service: &Service) -> Result<Vec<Entry>, BadKey> {
    let address = join_host_port(&service.ip, service.port);
    let name = label(&service.name);
    // Traefik reads N as an index of 32 bits.
    let number = digest(&service.id) % 2_147_483_647;
    let scheme = service.attributes.get("scheme").map(String::as_str);
    let (family, field, value) = match (service.protocol.as_str(), scheme) {
        ("udp", _) => ("udp", "address", address),
        ("sctp", _) => return Ok(Vec::new()),
        (_, Some("tcp")) => ("tcp", "address", address),
        (_, Some(scheme @ ("https" | "h2c"))) => ("http", "url", format!("{scheme}://{address}")),
        _ => ("http", "url", format!("http://{address}")),
    };
    let path = format!("{family}/services/{name}/loadbalancer/servers/{number}");
    Ok(vec![(output.prefix.key(&path, field)?, value)])
}
