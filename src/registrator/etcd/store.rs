//! Calls to etcd: each with a deadline, at the endpoint that answered last.

use std::{collections::HashMap, time::Duration};

use etcd_client::{Client, Error};

use super::{
    connect::{ConnectError, connect},
    trouble::{Kind, Trouble},
};
use crate::registrator::{cli::Access, metrics::Metrics};

/// How long a call may take. A new leader is there within two seconds, and a keep-alive must not wait longer.
const DEADLINE: Duration = Duration::from_secs(2);

/// etcd, whichever of its endpoints answers.
pub(super) struct Store {
    access: Access,
    at: usize,
    client: Option<Client>,
    pub(super) metrics: Metrics,
    /// What was warned of, so that it is said once and not with every pass.
    pub(super) said: HashMap<&'static str, String>,
}

impl Store {
    pub(super) fn new(access: Access, metrics: Metrics) -> Self {
        Self { access, at: 0, client: None, metrics, said: HashMap::new() }
    }

    /// The endpoint that is asked.
    pub(super) fn endpoint(&self) -> &str {
        self.access.endpoints.get(self.at).map(String::as_str).unwrap_or_default()
    }

    /// Asks once. After a failure of the connection or of the login, the next call goes to the next endpoint.
    ///
    /// It is not asked again by itself: whoever asks looks first at what became of it.
    pub(super) async fn call<T, F>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(Client) -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let endpoint = self.endpoint().to_owned();
        let result = match self.client().await {
            Err(trouble) => Err(trouble),
            Ok(client) => match tokio::time::timeout(DEADLINE, work(client)).await {
                Ok(Ok(value)) => Ok(value),
                Ok(Err(error)) => Err(Trouble::of(what, &endpoint, &error)),
                Err(_) => Err(Trouble::late(what, &endpoint, DEADLINE)),
            },
        };
        if let Err(trouble) = &result {
            self.metrics.etcd_error(trouble.kind);
            if trouble.kind.needs_connection() {
                self.client = None;
                if !self.access.endpoints.is_empty() {
                    self.at = (self.at + 1) % self.access.endpoints.len();
                }
            }
        }
        result
    }

    async fn client(&mut self) -> Result<Client, Trouble> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        const WHAT: &str = "connect to etcd";
        let endpoint = self.endpoint().to_owned();
        let client = match tokio::time::timeout(DEADLINE, connect(&self.access, &endpoint)).await {
            Ok(Ok(client)) => client,
            Ok(Err(ConnectError::Client(error))) => return Err(Trouble::of(WHAT, &endpoint, &error)),
            Ok(Err(error)) => {
                let message = error.to_string();
                return Err(Trouble { what: WHAT, endpoint, message, kind: Kind::Away });
            }
            Err(_) => return Err(Trouble::late(WHAT, &endpoint, DEADLINE)),
        };
        self.client = Some(client.clone());
        Ok(client)
    }

    /// Warns, unless the same was said about this topic before.
    pub(super) fn warn_once(&mut self, topic: &'static str, words: String) {
        if self.said.get(topic) != Some(&words) {
            tracing::warn!("{words}");
            self.said.insert(topic, words);
        }
    }
}
