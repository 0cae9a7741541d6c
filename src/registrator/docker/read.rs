//! What the engine says of a container, as deciding sees it.
//!
//! Environment variables other than `SERVICE_*` hold passwords of other people: they are dropped here, on reading, and
//! never get further, not even into a template.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, HealthStatusEnum, NetworkSettings};
use serde_json::Value;

use super::super::{
    container::{Binding, Container, Health, Network, Port, State},
    template::{Answers, Template, TemplateError},
};
use crate::etcd::http::Http;

/// Reads containers for one set of settings.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    tags: Template,
    ip_label: Option<String>,
    /// For `httpGet` in tags.
    http: Http,
}

/// How many answers of other servers one rendering may need, and how long each may take: a container is not registered
/// before.
const MOST_ANSWERS: usize = 8;
const ANSWER: Duration = Duration::from_secs(2);

/// What an engine uses when the image does not say otherwise.
const SIGTERM: i64 = 15;
const STOP_TIMEOUT: i64 = 10;

impl Reader {
    pub(super) fn new(tags: Template, ip_label: Option<String>) -> Self {
        Self { tags, ip_label, http: Http::new() }
    }

    /// A container, cut down.
    pub(super) async fn container(&self, mut found: ContainerInspectResponse) -> Container {
        if let Some(config) = found.config.as_mut() {
            config.env.get_or_insert_default().retain(|entry| entry.starts_with("SERVICE_"));
        }
        let extra_tags = self.extra_tags(&found).await;
        let config = found.config.unwrap_or_default();
        let wanted = |label: &str| {
            label.starts_with("SERVICE_")
                || label == "com.docker.compose.service"
                || self.ip_label.as_deref() == Some(label)
        };
        let labels = config.labels.unwrap_or_default().into_iter().filter(|(label, _)| wanted(label));
        let state = found.state.unwrap_or_default();
        let running = state.running.unwrap_or(false)
            && !state.restarting.unwrap_or(false)
            && !state.dead.unwrap_or(false);
        let health = state.health.and_then(|health| health.status).and_then(|status| match status {
            HealthStatusEnum::HEALTHY => Some(Health::Healthy),
            HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
            HealthStatusEnum::STARTING => Some(Health::Starting),
            HealthStatusEnum::NONE | HealthStatusEnum::EMPTY => None,
        });
        let stop_signal = config.stop_signal.as_deref().and_then(signal_number).unwrap_or(SIGTERM);
        let (ports, networks) = network(found.network_settings.unwrap_or_default());
        Container {
            id: found.id.unwrap_or_default(),
            name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image: config.image.unwrap_or_default(),
            state: State {
                running,
                paused: state.paused.unwrap_or(false),
                health,
                exit_code: state.exit_code.unwrap_or(0),
                started_at: state.started_at.unwrap_or_default(),
                stop_signal,
                stop_timeout: config.stop_timeout.unwrap_or(STOP_TIMEOUT),
            },
            env: config.env.unwrap_or_default(),
            labels: labels.collect(),
            exposed: config.exposed_ports.unwrap_or_default().iter().map(|port| Port::parse(port)).collect(),
            ports,
            network_mode: found.host_config.and_then(|config| config.network_mode).unwrap_or_default(),
            networks,
            network_ip: String::new(),
            extra_tags,
        }
    }

    /// The tags of `-tags` for a container. A template that does not fit this one costs its tags, not its service.
    async fn extra_tags(&self, found: &ContainerInspectResponse) -> String {
        match self.rendered(found).await {
            Ok(tags) => tags,
            Err(error) => {
                let id = found.id.as_deref().unwrap_or_default();
                tracing::warn!("no tags of -tags for the container {}: {error}", super::short(id));
                String::new()
            }
        }
    }

    async fn rendered(&self, found: &ContainerInspectResponse) -> Result<String, String> {
        let data = match self.tags.is_plain() {
            true => Value::Null,
            false => serde_json::to_value(found).map_err(|error| error.to_string())?,
        };
        let mut answers = Answers::new();
        loop {
            match self.tags.render(&data, &answers) {
                Ok(tags) => return Ok(tags),
                Err(TemplateError::Needs(url)) if answers.len() < MOST_ANSWERS => {
                    let answer = self.ask(&url).await.map_err(|why| format!("httpGet {url}: {why}"))?;
                    answers.insert(url, answer);
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    async fn ask(&self, url: &str) -> Result<String, String> {
        let reply = self.http.get(url, ANSWER).await.map_err(|fault| fault.to_string())?;
        match reply.status {
            200..=299 => Ok(String::from_utf8_lossy(&reply.body).into_owned()),
            status => Err(format!("it answered with status {status}")),
        }
    }
}

type Ports = std::collections::BTreeMap<Port, Vec<Binding>>;
type Networks = std::collections::BTreeMap<String, Network>;

fn network(settings: NetworkSettings) -> (Ports, Networks) {
    let binding = |one: bollard::models::PortBinding| Binding {
        ip: one.host_ip.unwrap_or_default(),
        port: one.host_port.unwrap_or_default(),
    };
    let ports = settings.ports.unwrap_or_default().into_iter();
    let ports = ports
        .map(|(port, all)| (Port::parse(&port), all.unwrap_or_default().into_iter().map(binding).collect()));
    let networks = settings.networks.unwrap_or_default().into_iter();
    let networks = networks.map(|(name, one)| {
        let network = Network {
            ip: one.ip_address.unwrap_or_default(),
            ip6: one.global_ipv6_address.unwrap_or_default(),
            gateway_priority: one.gw_priority.unwrap_or(0),
        };
        (name, network)
    });
    (ports.collect(), networks.collect())
}

/// The number of a signal that is given by number or by name.
pub(super) fn signal_number(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let name = text.to_ascii_uppercase();
    Some(match name.strip_prefix("SIG").unwrap_or(&name) {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        "WINCH" => 28,
        "PWR" => 30,
        "RTMIN+3" => 37,
        _ => return None,
    })
}
