//! Records for the `etcd` plugin of CoreDNS, and for SkyDNS: `PREFIX/NAME/ID` where each is one label of the DNS name.
//!
//! Pure. With the prefix `/skydns/local/cluster`, the service `web` is `web.cluster.local` (A, AAAA, SRV). CoreDNS asks in
//! lower case, fails a whole answer for one value that is not JSON, and takes the lease for the TTL before 1.12.4, so
//! the TTL is always written.

use serde::Serialize;

use super::{BadKey, Entry, Output, key::label};
use crate::registrator::service::Service;

#[derive(Serialize)]
struct Record<'a> {
    host: &'a str,
    port: u16,
    ttl: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<u16>,
}

pub(super) fn entries(output: &Output, service: &Service) -> Result<Vec<Entry>, BadKey> {
    let key = output.prefix.key(&label(&service.name), &label(&service.id))?;
    let number = |name: &str| service.attributes.get(name).and_then(|text| text.parse().ok());
    let record = Record {
        host: &service.ip,
        port: service.port,
        ttl: output.ttl,
        priority: number("priority"),
        weight: number("weight"),
    };
    Ok(serde_json::to_string(&record).map(|text| (key, text)).into_iter().collect())
}
