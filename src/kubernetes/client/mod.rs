//! The connection to the API server.
//!
//! Nothing here repeats a call: kube's own layer that does is off, since an answer that got lost leaves open whether a
//! write was carried out, and only the caller knows how to read that back. Watches begin again by themselves.

mod call;
mod layer;

use std::{sync::Arc, time::Duration};

use hyper::http::header::{HeaderValue, USER_AGENT};
use kube::{
    Client, Config,
    client::ClientBuilder,
    config::{InClusterError, KubeConfigOptions, KubeconfigError},
};
use tower::layer::layer_fn;

use self::layer::Counted;
pub use self::{call::Call, layer::Silent};
use crate::telemetry::metrics::Metrics;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The Pod has no account.
    #[error(
        "the account of this Pod can't be used: {0}; let the Pod have its token (automountServiceAccountToken)"
    )]
    InCluster(#[source] InClusterError),
    /// The kubeconfig can't be used.
    #[error("no API server to talk to: {0}; run it in a Pod, or name a kubeconfig by KUBECONFIG")]
    Kubeconfig(#[source] KubeconfigError),
    /// The configuration was read and makes no client.
    #[error("no client for the API server {server}: {source}; look at its certificates and credentials")]
    Client {
        /// The address.
        server: String,
        /// What is wrong.
        source: Box<kube::Error>,
    },
}

/// Makes a client from `KUBECONFIG`, or the account of this Pod, or `~/.kube/config`. No call is made yet.
///
/// # Errors
/// When neither is there, or what is there can't be used.
pub async fn connect(metrics: Arc<Metrics>) -> Result<Client, ConnectError> {
    let named = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let config = if in_pod && !named {
        Config::incluster().map_err(ConnectError::InCluster)?
    } else {
        Config::from_kubeconfig(&KubeConfigOptions::default()).await.map_err(ConnectError::Kubeconfig)?
    };
    client(config, metrics)
}

/// Makes a client from a configuration.
///
/// # Errors
/// When its certificates or credentials can't be used.
pub fn client(mut config: Config, metrics: Arc<Metrics>) -> Result<Client, ConnectError> {
    let server = config.cluster_url.to_string();
    config.default_retry = false;
    // The API server is reached directly: a proxy from the environment is meant for the world outside.
    config.proxy_url = None;
    config.connect_timeout = Some(CONNECT);
    // It would end watches in which nothing happens; each other call has its own deadline in the layer.
    config.read_timeout = None;
    let agent = HeaderValue::from_static(concat!("quorate/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    let builder = ClientBuilder::try_from(config)
        .map_err(|source| ConnectError::Client { server, source: Box::new(source) })?;
    let counted = layer_fn(|inner| Counted::new(inner, Arc::clone(&metrics)));
    Ok(builder.with_layer(&counted).build())
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::HeaderMap, routing::any};
    use futures::TryStreamExt;
    use k8s_openapi::api::core::v1::Pod;
    use kube::{Api, api::PostParams};
    use tokio::net::TcpListener;

    use super::*;

    async fn against(app: Router) -> (Client, Arc<Metrics>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let metrics = Arc::new(Metrics::of_operator());
        let client = client(Config::new(address.parse().unwrap()), Arc::clone(&metrics)).unwrap();
        (client, metrics)
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_once_and_told_who_asks() {
        let busy = |headers: HeaderMap| async move {
            let agent = headers.get(USER_AGENT).cloned().unwrap();
            (hyper::StatusCode::SERVICE_UNAVAILABLE, agent.to_str().unwrap().to_owned())
        };
        let (client, metrics) = against(Router::new().fallback(any(busy))).await;
        let pods: Api<Pod> = Api::namespaced(client, "a");
        let said = pods.create(&PostParams::default(), &Pod::default()).await.unwrap_err();
        assert!(said.to_string().contains(concat!("quorate/", env!("CARGO_PKG_VERSION"))), "{said}");
        assert!(pods.get("b").await.is_err());
        let text = metrics.render().unwrap();
        for verb in ["create", "get"] {
            let line =
                format!("quorate_kubernetes_calls_total{{verb=\"{verb}\",kind=\"pods\",code=\"503\"}} 1\n");
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }

    /// A server that begins its answer and never ends it.
    fn endless(metrics: Arc<Metrics>) -> Client {
        let service = tower::service_fn(|_: hyper::http::Request<kube::client::Body>| async {
            let rest = futures::stream::pending::<Result<String, std::convert::Infallible>>();
            Ok::<_, tower::BoxError>(hyper::http::Response::new(axum::body::Body::from_stream(rest)))
        });
        Client::new(Counted::new(service, metrics), "default")
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_ends_is_given_up_unless_one_watches() {
        let pods: Api<Pod> = Api::namespaced(endless(Arc::new(Metrics::of_operator())), "a");
        let start = tokio::time::Instant::now();
        assert!(pods.get("b").await.is_err());
        assert_eq!(start.elapsed().as_secs(), 30);
        let params = Default::default();
        let watch = async {
            let mut stream = std::pin::pin!(pods.watch(&params, "0").await.unwrap());
            stream.try_next().await
        };
        assert!(tokio::time::timeout(Duration::from_secs(200), watch).await.is_err(), "the watch ended");
    }
}
