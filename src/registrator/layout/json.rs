//! All that is known of a service, as one JSON object at `PREFIX/NAME/ID`. confd's `json` function and own programs
//! read it.
//!
//! Pure. Fields may be added; none changes its meaning.

use serde::Serialize;

use super::{BadKey, Entry, Output, join_host_port};
use crate::registrator::service::Service;

#[derive(Serialize)]
struct Value<'a> {
    name: &'a str,
    id: &'a str,
    address: String,
    ip: &'a str,
    port: u16,
    exposed_port: u16,
    protocol: &'a str,
    tags: &'a [String],
    attributes: &'a std::collections::BTreeMap<String, String>,
    host: &'a str,
    container: Container<'a>,
}

#[derive(Serialize)]
struct Container<'a> {
    id: &'a str,
    name: &'a str,
}

pub(super) fn entries(output: &Output, service: &Service) -> Result<Vec<Entry>, BadKey> {
    let key = output.prefix.key(&service.name, &service.id)?;
    let value = Value {
        name: &service.name,
        id: &service.id,
        address: join_host_port(&service.ip, service.port),
        ip: &service.ip,
        port: service.port,
        exposed_port: service.exposed_port,
        protocol: &service.protocol,
        tags: &service.tags,
        attributes: &service.attributes,
        host: &output.host,
        container: Container { id: &service.container_id, name: &service.container_name },
    };
    // Texts and numbers alone: it can't fail, and if it did, there would be nothing to write.
    Ok(serde_json::to_string(&value).map(|text| (key, text)).into_iter().collect())
}
