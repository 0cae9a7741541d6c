//! The one gRPC connection to a member: made at the first call, made anew at the next call after it broke.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use etcd_client::{Channel, Client, ClusterClient, Error, MaintenanceClient};
use http_body_util::Full;
use hyper::{Request, Response, body::Bytes};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, pki_types::ServerName};
use tonic::body::Body;
use tower::{BoxError, Service, util::BoxCloneSyncService};

use super::credentials::{Credentials, speaking_h2};
use crate::plan::Scheme;

/// How long making a TCP connection may take: less than any deadline, so that a call to a machine that is off fails as
/// "not sent" and not as "no answer".
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the other machine may leave data unacknowledged before the connection counts as broken. Without it a machine
/// that vanished would hold its connection for a quarter of an hour, also when the member is long back elsewhere.
const SILENCE: Duration = Duration::from_secs(3);

/// The services of etcd over one connection.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) cluster: ClusterClient,
    pub(super) maintenance: MaintenanceClient,
}

impl Connection {
    /// Prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// When the URL can't be used.
    pub(super) async fn lazy(client_url: &str, credentials: &Credentials) -> Result<Self, Error> {
        let endpoint = tonic::transport::Endpoint::from_shared(client_url.to_owned())?;
        // Not etcd-client's own balanced channel: that one backs off, and hides from the caller that a member is down.
        let channel = match (Scheme::of(client_url), &credentials.client) {
            (Scheme::Https, Some(config)) => endpoint
                .connect_with_connector_lazy(secured(speaking_h2(config), credentials.names.client.as_ref())),
            (Scheme::Http, _) if client_url.starts_with("http://") => {
                endpoint.connect_with_connector_lazy(connector())
            }
            (Scheme::Https, None) => {
                return Err(Error::InvalidArgs(format!(
                    "there are no certificates to call {client_url} with"
                )));
            }
            _ => {
                return Err(Error::InvalidArgs(format!(
                    "{client_url:?} does not begin with http:// or https://"
                )));
            }
        };
        let channel = Channel::Custom(BoxCloneSyncService::new(LinearizableList { inner: channel }));
        let client = Client::from_channel(channel, None).await?;
        Ok(Self { cluster: client.cluster_client(), maintenance: client.maintenance_client() })
    }
}

/// How TCP connections to members are made, for gRPC and for plain HTTP.
pub(crate) fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    #[cfg(target_os = "linux")]
    connector.set_tcp_user_timeout(Some(SILENCE));
    connector.set_keepalive(Some(SILENCE * 5));
    connector
}

/// The same under TLS, where the URL says so. With a name, the other side has to prove that one, whatever the URL names.
pub(crate) fn secured(
    config: Arc<ClientConfig>,
    name: Option<&ServerName<'static>>,
) -> HttpsConnector<HttpConnector> {
    let mut tcp = connector();
    tcp.enforce_http(false);
    match name {
        Some(name) => {
            HttpsConnector::new(tcp, config, false, Arc::new(FixedServerNameResolver::new(name.clone())))
        }
        None => HttpsConnector::from((tcp, config)),
    }
}

/// Makes MemberList linearizable: etcd-client 0.21 always asks for the member's own, possibly old, list.
#[derive(Clone)]
struct LinearizableList {
    inner: tonic::transport::Channel,
}

const MEMBER_LIST: &str = "/etcdserverpb.Cluster/MemberList";

/// `MemberListRequest { linearizable: true }` as gRPC sends it: not compressed, two bytes long, field 1 = 1.
const LINEARIZABLE_REQUEST: &[u8] = &[0, 0, 0, 0, 2, 0x08, 0x01];

impl Service<Request<Body>> for LinearizableList {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = futures::future::MapErr<
        <tonic::transport::Channel as Service<Request<Body>>>::Future,
        fn(tonic::transport::Error) -> BoxError,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let request = match request.uri().path() {
            MEMBER_LIST => request.map(|_| Body::new(Full::<Bytes>::from(LINEARIZABLE_REQUEST))),
            _ => request,
        };
        futures::TryFutureExt::map_err(self.inner.call(request), BoxError::from)
    }
}
