//! Endpoints for gRPC clients in Go: `go.etcd.io/etcd/client/v3/naming`.
//!
//! Pure. The resolver of `etcd:///grpc/web` watches `grpc/web/`, without a slash in front, so keys of this format begin
//! without one. Field names are those of the Go struct.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{BadKey, Entry, Output, join_host_port};
use crate::registrator::service::Service;

#[derive(Serialize)]
struct Update<'a> {
    #[serde(rename = "Op")]
    operation: u8,
    #[serde(rename = "Addr")]
    address: String,
    #[serde(rename = "Metadata")]
    metadata: Option<&'a BTreeMap<String, String>>,
}

pub(super) fn entries(output: &Output, service: &Service) -> Result<Vec<Entry>, BadKey> {
    let key = output.prefix.key(&service.name, &service.id)?;
    let update = Update {
        operation: 0,
        address: join_host_port(&service.ip, service.port),
        metadata: Some(&service.attributes).filter(|attributes| !attributes.is_empty()),
    };
    Ok(serde_json::to_string(&update).map(|text| (key, text)).into_iter().collect())
}
