//! The way of news to the API server: a queue that never makes a pass wait, and a task that sends.
//!
//! kube's own recorder would take two news with one reason for the same, and repeat the first one's words.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        core::v1::ObjectReference,
        events::v1::{Event, EventSeries},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tracing::debug;

use super::news::News;
use crate::telemetry::metrics::Metrics;

/// How many news may wait. More come only when something is badly wrong, and then the first ones tell enough.
const QUEUE: usize = 256;
/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);
/// For how long the same news count as a repetition, as in client-go.
const SERIES: Duration = Duration::from_secs(6 * 60);
/// What the API server takes as a note.
const NOTE: usize = 1024;

/// Whom news are given to. A copy gives to the same.
#[derive(Debug, Clone)]
pub struct Teller {
    queue: mpsc::Sender<Letter>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Letter {
    regarding: ObjectReference,
    news: News,
    at: Timestamp,
}

impl Teller {
    /// Gives news away. They are dropped, and counted as dropped, when too many wait.
    pub fn tell(&self, regarding: &ObjectReference, news: News) {
        let letter = Letter { regarding: regarding.clone(), news, at: Timestamp::now() };
        if self.queue.try_send(letter).is_err() {
            self.metrics.operator().event("dropped");
        }
    }
}

/// The task that sends.
pub struct Sender {
    client: Client,
    instance: String,
    metrics: Arc<Metrics>,
    letters: mpsc::Receiver<Letter>,
    known: HashMap<(Option<String>, News), Known>,
}

/// An Event that was sent not long ago.
struct Known {
    name: String,
    count: i32,
    last: Instant,
}

/// Both ends of the queue. `instance` is the name of the operator's Pod.
pub fn channel(client: Client, instance: &str, metrics: Arc<Metrics>) -> (Teller, Sender) {
    let (queue, letters) = mpsc::channel(QUEUE);
    let teller = Teller { queue, metrics: Arc::clone(&metrics) };
    let known = HashMap::new();
    (teller, Sender { client, instance: instance.to_owned(), metrics, letters, known })
}

impl Sender {
    /// Sends until the last [`Teller`] is gone. What can't be sent is counted and forgotten.
    pub async fn run(mut self) {
        while let Some(letter) = self.letters.recv().await {
            let result = match timeout(CALL, self.send(&letter)).await {
                Ok(Ok(())) => "sent",
                Ok(Err(error)) => {
                    debug!(error = error.to_string(), reason = letter.news.reason, "an event was not sent");
                    "failed"
                }
                Err(_) => "failed",
            };
            self.metrics.operator().event(result);
        }
    }

    async fn send(&mut self, letter: &Letter) -> kube::Result<()> {
        let now = Instant::now();
        self.known.retain(|_, known| now.duration_since(known.last) < SERIES);
        let namespace = letter.regarding.namespace.as_deref().unwrap_or("default");
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let key = (letter.regarding.uid.clone(), letter.news.clone());
        if let Some(known) = self.known.get_mut(&key) {
            known.count = known.count.saturating_add(1);
            known.last = now;
            // Written when the count doubles, so that what flaps is told and makes no load.
            if !known.count.cast_unsigned().is_power_of_two() {
                return Ok(());
            }
            let series = EventSeries { count: known.count, last_observed_time: MicroTime(letter.at) };
            let patch = Patch::Merge(json!({ "series": series }));
            match api.patch(&known.name, &PatchParams::default(), &patch).await {
                // It expired or was deleted: it is told again from the start.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => return other.map(|_| ()),
            }
        }
        let event = event(letter, &self.instance);
        let name = event.metadata.name.clone().unwrap_or_default();
        api.create(&PostParams::default(), &event).await?;
        self.known.insert(key, Known { name, count: 1, last: now });
        Ok(())
    }
}

fn event(letter: &Letter, instance: &str) -> Event {
    let Letter { regarding, news, at } = letter;
    let about = regarding.name.as_deref().unwrap_or("quorate");
    Event {
        action: Some(news.action.clone()),
        event_time: Some(MicroTime(*at)),
        metadata: ObjectMeta {
            name: Some(format!("{about}.{:x}", at.as_nanosecond())),
            namespace: regarding.namespace.clone(),
            ..ObjectMeta::default()
        },
        note: Some(shortened(&news.note).to_owned()),
        reason: Some(news.reason.clone()),
        regarding: Some(regarding.clone()),
        reporting_controller: Some("quorate".to_owned()),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(news.kind.name().to_owned()),
        ..Event::default()
    }
}

fn shortened(note: &str) -> &str {
    let end = (0..=note.len().min(NOTE)).rev().find(|end| note.is_char_boundary(*end)).unwrap_or_default();
    note.get(..end).unwrap_or_default()
}
