//! `ip:port` at `PREFIX/NAME/ID`: what the original writes. confd, go-zero and countless scripts read it.
//!
//! Pure.

use super::{BadKey, Entry, Output, join_host_port};
use crate::registrator::service::Service;

pub(super) fn entries(output: &Output, service: &Service) -> Result<Vec<Entry>, BadKey> {
    let key = output.prefix.key(&service.name, &service.id)?;
    Ok(vec![(key, join_host_port(&service.ip, service.port))])
}
