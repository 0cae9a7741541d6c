//! The engine: Docker, or Podman where it speaks as Docker does.
//!
//! Four questions are asked, all of them `GET`: `/version`, `/events`, `/containers/json` and `/containers/ID/json`. A
//! socket proxy that lets no more through is enough. They carry no API version, so every engine answers in its own;
//! what differs between versions is seen to in `read`.

mod read;
mod socket;

use std::{collections::HashMap, pin::Pin};

use bollard::{
    Docker,
    errors::Error as BollardError,
    models::{ContainerSummary, EventMessage, EventMessageTypeEnum},
    query_parameters::{EventsOptionsBuilder, InspectContainerOptions, ListContainersOptions},
};
use futures::{Stream, StreamExt};

use super::{container::Container, layout::key::digest, template::Template};
use crate::registrator::cli::DockerAccess;
use read::Reader;

/// A connection to an engine.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    reader: Reader,
    /// Where it is, for messages.
    place: String,
}

/// Why the engine gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// No socket is there.
    #[error("there is no Docker socket: none of {0} exists; mount one there, or set DOCKER_HOST")]
    NoSocket(String),
    /// `DOCKER_HOST` is no address.
    #[error("DOCKER_HOST {0:?} is no unix://, tcp:// or http:// address")]
    Host(String),
    /// The engine can't be asked, or said no.
    #[error("the Docker engine at {engine} does not answer: cannot {question}: {why}")]
    Failed {
        /// What was asked.
        question: String,
        /// Where.
        engine: String,
        /// What it said.
        why: String,
    },
}

/// A container as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its ID.
    pub id: String,
    /// A digest of all in the list that services follow from: the same means that there is nothing new to inspect.
    pub fingerprint: u64,
}

/// What an event says: where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something happened to this container.
    Container(String),
    /// Its process began.
    Began(String),
    /// It was sent this signal.
    Signal(String, i64),
}

/// The events that mean a container has to be looked at. Podman says `died` for `die`.
const ACTIONS: [&str; 14] = [
    "start",
    "restart",
    "die",
    "died",
    "stop",
    "kill",
    "oom",
    "pause",
    "unpause",
    "rename",
    "health_status",
    "update",
    "destroy",
    "remove",
];

/// The events of networks that change a container.
const NETWORK_ACTIONS: [&str; 2] = ["connect", "disconnect"];

/// Events, as they come.
pub type Events = Pin<Box<dyn Stream<Item = Result<Heard, EngineError>> + Send>>;

impl Engine {
    /// Prepares a connection; nothing is asked yet.
    ///
    /// # Errors
    /// When there is no socket, or `DOCKER_HOST` is no address.
    pub fn new(access: &DockerAccess, tags: Template, ip_label: Option<String>) -> Result<Self, EngineError> {
        let (docker, place) = socket::open(access)?;
        Ok(Self { docker, reader: Reader::new(tags, ip_label), place })
    }

    /// The version of the engine, as it says itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn version(&self) -> Result<String, EngineError> {
        let version = self.docker.version().await.map_err(|error| self.failed("ask the version", &error))?;
        let name = version.platform.map(|platform| platform.name).filter(|name| !name.is_empty());
        let number = version.version.unwrap_or_default();
        Ok(format!("{} {number}", name.as_deref().unwrap_or("Docker Engine")))
    }

    /// The containers that run.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn list(&self) -> Result<Vec<Listed>, EngineError> {
        let all = self.docker.list_containers(None::<ListContainersOptions>).await;
        let all = all.map_err(|error| self.failed("list the containers", &error))?;
        Ok(all.into_iter().filter_map(listed).collect())
    }

    /// A container as it is now; nothing when there is none of this ID.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn inspect(&self, id: &str) -> Result<Option<Container>, EngineError> {
        match self.docker.inspect_container(id, None::<InspectContainerOptions>).await {
            Ok(found) => Ok(Some(self.reader.container(found).await)),
            Err(BollardError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
            Err(error) => Err(self.failed(&format!("inspect the container {}", short(id)), &error)),
        }
    }

    /// What happens from now on. The stream ends when the connection does.
    pub fn events(&self) -> Events {
        let words = |all: &[&str]| all.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let filters = HashMap::from([
            ("type", words(&["container", "network"])),
            ("event", words(&[ACTIONS.as_slice(), NETWORK_ACTIONS.as_slice()].concat())),
        ]);
        let options = EventsOptionsBuilder::default().filters(&filters).build();
        let engine = self.clone();
        let heard = move |event: Result<EventMessage, BollardError>| {
            let result = match event {
                Ok(event) => heard(event).map(Ok),
                Err(error) => Some(Err(engine.failed("read the events", &error))),
            };
            futures::future::ready(result)
        };
        Box::pin(self.docker.events(Some(options)).filter_map(heard))
    }

    fn failed(&self, question: &str, error: &BollardError) -> EngineError {
        let question = question.to_owned();
        let engine = self.place.clone();
        // The words of this error quote what could not be read, and that may be anybody's password.
        if let BollardError::JsonDataError { column, .. } = error {
            let why = format!("what it says can't be read, near byte {column}");
            return EngineError::Failed { question, engine, why };
        }
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let words = cause.to_string();
            if !why.contains(&words) {
                why = format!("{why}: {words}");
            }
            source = cause.source();
        }
        EngineError::Failed { question, engine, why }
    }
}

/// What an event says, if it says anything about a container.
fn heard(event: EventMessage) -> Option<Heard> {
    let actor = event.actor?;
    let mut attributes = actor.attributes.unwrap_or_default();
    let action = event.action.unwrap_or_default();
    // `health_status: healthy`, `exec_start: sh`: the word before the colon is the action.
    let action = action.split(':').next().unwrap_or_default();
    match event.typ {
        Some(EventMessageTypeEnum::NETWORK) => {
            let id = attributes.remove("container")?;
            NETWORK_ACTIONS.contains(&action).then_some(Heard::Container(id))
        }
        Some(EventMessageTypeEnum::CONTAINER) | None => {
            let id = actor.id?;
            match action {
                "start" => Some(Heard::Began(id)),
                "kill" => {
                    let signal = read::signal_number(attributes.get("signal")?)?;
                    Some(Heard::Signal(id, signal))
                }
                action if ACTIONS.contains(&action) => Some(Heard::Container(id)),
                _ => None,
            }
        }
        Some(_) => None,
    }
}

fn listed(one: ContainerSummary) -> Option<Listed> {
    let id = one.id?;
    let mut ports: Vec<String> = one
        .ports
        .iter()
        .flatten()
        .map(|port| format!("{:?} {:?} {} {:?}", port.ip, port.public_port, port.private_port, port.typ))
        .collect();
    ports.sort();
    let networks = one.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let mut networks: Vec<String> = networks
        .iter()
        .map(|(name, network)| format!("{name} {:?} {:?}", network.ip_address, network.global_ipv6_address))
        .collect();
    networks.sort();
    // "Up 3 minutes (healthy)": the time passes, what stands in brackets is news.
    let status = one.status.unwrap_or_default();
    let health = status.split_once('(').map(|(_, rest)| rest.to_owned());
    let state = one.state.map(|state| state.to_string());
    let mut names = one.names.unwrap_or_default();
    names.sort();
    let fingerprint = digest(&format!("{names:?} {state:?} {health:?} {ports:?} {networks:?}"));
    Some(Listed { id, fingerprint })
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
