//! Where the engine is: `DOCKER_HOST`, or the first socket of those that people mount.

use std::path::Path;

use bollard::{API_DEFAULT_VERSION, Docker, errors::Error as BollardError};

use super::EngineError;
use crate::registrator::cli::DockerAccess;

/// How long the engine may take for the head of an answer, in seconds. An engine that is starting hundreds of
/// containers takes several.
const PATIENCE: u64 = 30;

/// The sockets that are tried: where the original looks, where Docker is, and where engines without root are.
pub(super) fn candidates(access: &DockerAccess) -> Vec<String> {
    let mut all = vec!["/tmp/docker.sock".to_owned(), "/var/run/docker.sock".to_owned()];
    if let Some(folder) = &access.runtime_dir {
        all.push(format!("{folder}/docker.sock"));
        all.push(format!("{folder}/podman/podman.sock"));
    }
    all.push("/run/podman/podman.sock".to_owned());
    all
}

/// Prepares a connection, and says where to.
pub(super) fn open(access: &DockerAccess) -> Result<(Docker, String), EngineError> {
    let host = match &access.host {
        Some(host) => host.clone(),
        None => {
            let all = candidates(access);
            match all.iter().find(|path| Path::new(path).exists()) {
                Some(path) => format!("unix://{path}"),
                None => return Err(EngineError::NoSocket(all.join(", "))),
            }
        }
    };
    let opened = match host.split_once("://") {
        Some(("unix", path)) => Docker::connect_with_unix(path, PATIENCE, API_DEFAULT_VERSION),
        Some(("tcp" | "http" | "https", address)) => match &access.cert_path {
            Some(folder) => {
                let file = |name: &str| Path::new(folder).join(name);
                let (key, cert, ca) = (file("key.pem"), file("cert.pem"), file("ca.pem"));
                Docker::connect_with_ssl(address, &key, &cert, &ca, PATIENCE, API_DEFAULT_VERSION)
            }
            None => Docker::connect_with_http(address, PATIENCE, API_DEFAULT_VERSION),
        },
        _ => return Err(EngineError::Host(host)),
    };
    match opened {
        Ok(docker) => Ok((docker, host)),
        Err(BollardError::SocketNotFoundError(path)) => Err(EngineError::NoSocket(path)),
        Err(error) => Err(EngineError::Failed {
            question: "open a connection".into(),
            engine: host,
            why: error.to_string(),
        }),
    }
}
