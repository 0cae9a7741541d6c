//! The two Services of a cluster: one by which members find each other, one for clients.

use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt;
use serde_json::Value;

use super::{RenderError, Template, merge, meta, own, pod, template};
use crate::{
    api::EtcdCluster,
    kubernetes::labels,
    member::guard::words::{CLIENT_PORT, CLIENT_TLS_PORT, PEER_PORT},
    plan::{Scheme, transport::Listen},
};

/// The headless Service. It names members that are not ready too: they have to find each other in order to become so.
pub fn peer_service(cluster: &EtcdCluster) -> Service {
    let name = cluster.name_any();
    let spec = ServiceSpec {
        cluster_ip: Some("None".into()),
        publish_not_ready_addresses: Some(true),
        selector: Some(meta::selector(&name)),
        // By number, so that every member has them, whichever way it listens: its name resolves in any case.
        ports: Some(vec![
            port("peer", PEER_PORT, IntOrString::Int(PEER_PORT.into())),
            port("client", CLIENT_PORT, IntOrString::Int(CLIENT_PORT.into())),
        ]),
        ..ServiceSpec::default()
    };
    service(labels::peer_service(&name), spec, cluster)
}

/// The Service for clients, with what `spec.services.client` adds. `listens` says how each of the members listens for them.
///
/// # Errors
/// When that is not a template of a Service.
pub fn client_service(cluster: &EtcdCluster, listens: &[Listen]) -> Result<Service, RenderError> {
    let name = cluster.name_any();
    let spec = ServiceSpec {
        selector: Some(meta::selector(&name)),
        ports: Some(client_ports(listens)),
        ..ServiceSpec::default()
    };
    let service = service(labels::client_service(&name), spec, cluster);
    let Some(wanted) = cluster.spec.services.as_ref().and_then(|services| services.client.as_ref()) else {
        return Ok(service);
    };
    let unfit = |why: String| RenderError::Template {
        template: Template::ClientService,
        object: format!("Service {name}"),
        why,
    };
    template::check_service(wanted).map_err(unfit)?;
    let mut merged: Value = serde_json::to_value(service).map_err(|error| unfit(error.to_string()))?;
    merge::merge(&mut merged, &own::strip_service(wanted).0);
    let mut service: Service = serde_json::from_value(merged).map_err(|error| unfit(error.to_string()))?;
    mark(&mut service);
    Ok(service)
}

/// The usual port is in plain text as long as every member listens so, and then under TLS: a connection to it may end at any
/// of them. The port for TLS is always under TLS, so that clients can be moved to it one after the other.
fn client_ports(listens: &[Listen]) -> Vec<ServicePort> {
    let all = |scheme| listens.iter().all(|listen| listen.has(scheme));
    let usual = if all(Scheme::Http) { pod::CLIENT } else { pod::CLIENT_TLS };
    let mut ports = vec![port("client", CLIENT_PORT, IntOrString::String(usual.into()))];
    if !listens.is_empty() && all(Scheme::Https) {
        ports.push(port("client-tls", CLIENT_TLS_PORT, IntOrString::String(pod::CLIENT_TLS.into())));
    }
    ports
}

fn service(name: String, spec: ServiceSpec, cluster: &EtcdCluster) -> Service {
    let mut service = Service { metadata: meta::of_cluster(name, cluster), spec: Some(spec), status: None };
    mark(&mut service);
    service
}

/// Marks a Service with what it is made from, its former mark left aside.
fn mark(service: &mut Service) {
    if let Some(annotations) = &mut service.metadata.annotations {
        annotations.remove(labels::FINGERPRINT);
    }
    let meta = &service.metadata;
    let made_from = meta::fingerprint(&(&meta.labels, &meta.annotations, &service.spec));
    meta::mark(&mut service.metadata, made_from);
}

fn port(name: &str, port: u16, target: IntOrString) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: i32::from(port),
        target_port: Some(target),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    }
}
