//! `quorate operator`: looks after the EtcdClusters of a Kubernetes cluster until it is told to stop.

mod surroundings;

use std::{future::Future, net::SocketAddr, sync::Arc};

use clap::Args;
use tracing::info;

use super::exit::CommandError;
use crate::{
    kubernetes::{self, Context, client, lease::Elector},
    shutdown::Told,
    telemetry::{
        health::{Health, Stage},
        http,
        logs::{self, Above, LogFormat},
        metrics::Metrics,
    },
};

/// The name of the Lease.
const LEASE: &str = "quorate";

/// `quorate operator`.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    /// A namespace to look after; repeatable. Without it, all of them.
    #[arg(long = "namespace", env = "QUORATE_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACE")]
    namespaces: Vec<String>,
    /// The namespace of the Lease by which replicas agree on who leads.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", value_name = "NAMESPACE")]
    lease_namespace: String,
    /// Who this replica is, unlike every other: the name of its Pod. Without it, the host's name and a random number.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// The operator's own image, from which members' Pods get `quorate member`.
    #[arg(long, env = "QUORATE_IMAGE", value_name = "IMAGE")]
    image: String,
    /// The domain of the Kubernetes cluster. Without it, what /etc/resolv.conf says, else cluster.local.
    #[arg(long, value_name = "DOMAIN")]
    cluster_domain: Option<String>,
    /// Where to serve /metrics, /healthz and /readyz.
    #[arg(long, default_value = "0.0.0.0:9180", value_name = "ADDRESS")]
    http: SocketAddr,
    /// How many clusters are looked after at the same time.
    #[arg(long, default_value = "16", value_name = "COUNT", value_parser = count)]
    workers: usize,
    /// Lead without a Lease; only one replica may run then.
    #[arg(long)]
    no_leader_election: bool,
}

fn count(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0) | Err(_) => Err("it is not a number of 1 or more"),
        Ok(count) => Ok(count),
    }
}

pub(super) async fn run(args: OperatorArgs, format: LogFormat) -> Result<(), CommandError> {
    logs::init(format, Above(None));
    let open_files = surroundings::open_files();
    let mut told = Told::listen().map_err(CommandError::failed)?;
    let metrics = Arc::new(Metrics::of_operator());
    let health = Arc::new(Health::default());
    let listener = http::bind(args.http).await.map_err(|error| {
        CommandError::failed(format!("--http {}: {error}; choose another address", args.http))
    })?;
    let serving = http::serve_operator(listener, Arc::clone(&metrics), Arc::clone(&health));
    let client = client::connect(Arc::clone(&metrics)).await.map_err(CommandError::failed)?;
    let (lease_namespace, election) = (args.lease_namespace.clone(), !args.no_leader_election);
    let context = context(args, client, metrics, health);
    info!(
        version = env!("CARGO_PKG_VERSION"),
        identity = context.identity,
        cluster_domain = context.cluster_domain,
        namespaces = context.namespaces.join(","),
        open_files,
        "the operator starts"
    );
    let work = async {
        match election {
            true => led(&lease_namespace, context, told.to_stop()).await,
            false => alone(context, told.to_stop()).await,
        }
    };
    tokio::select! {
        result = work => result,
        // The end of a task that serves is the end of the program: nobody would notice otherwise.
        result = serving => Err(CommandError::failed(format!("the HTTP server ended: {result:?}"))),
    }
}

fn context(args: OperatorArgs, client: kube::Client, metrics: Arc<Metrics>, health: Arc<Health>) -> Context {
    let mut namespaces: Vec<_> =
        args.namespaces.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    Context {
        client,
        namespaces,
        image: args.image,
        cluster_domain: args.cluster_domain.unwrap_or_else(surroundings::cluster_domain),
        identity: args.identity.filter(|name| !name.is_empty()).unwrap_or_else(surroundings::identity),
        workers: args.workers,
        metrics,
        health,
    }
}

/// Works while this replica has the Lease, and gives it back when told to stop.
async fn led(
    namespace: &str,
    context: Context,
    told_to_stop: impl Future<Output = ()>,
) -> Result<(), CommandError> {
    let metrics = Arc::clone(&context.metrics);
    let mut elector = Elector::new(context.client.clone(), namespace, LEASE, &context.identity, metrics);
    context.health.stage(Stage::Standby);
    let work = async {
        elector.acquire().await;
        context.health.stage(Stage::Reading);
        elector.lead(kubernetes::run(context)).await
    };
    // The work is dropped, and with it ended, before the lease is given back.
    let outcome = tokio::select! {
        outcome = work => Some(outcome),
        () = told_to_stop => None,
    };
    match outcome {
        Some(Err(lost)) => Err(CommandError::failed(lost)),
        Some(Ok(ended)) => {
            elector.release().await;
            Err(ended_early(ended))
        }
        None => {
            info!("told to stop; members run on");
            elector.release().await;
            Ok(())
        }
    }
}

/// Works without a Lease.
async fn alone(context: Context, told_to_stop: impl Future<Output = ()>) -> Result<(), CommandError> {
    context.metrics.operator().leader(true);
    context.health.stage(Stage::Reading);
    tokio::select! {
        ended = kubernetes::run(context) => Err(ended_early(ended)),
        () = told_to_stop => {
            info!("told to stop; members run on");
            Ok(())
        }
    }
}

fn ended_early(ended: Result<(), kubernetes::RunError>) -> CommandError {
    match ended {
        Err(error) => CommandError::failed(error),
        Ok(()) => CommandError::failed("the controllers ended without being told to"),
    }
}
