//! The containers that are known, and the keys that follow from them.
//!
//! Pure: the time comes in as milliseconds since some beginning.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    container::{Container, Owner},
    diff::{Entries, Wanted},
    layout::Output,
    service::{self, Host, Ignored, Rules},
};

/// What was decided before any container was seen.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// Which services there are.
    pub rules: Rules,
    /// This host.
    pub host: Host,
    /// What is written for each service.
    pub outputs: Vec<Output>,
    /// How long keys of containers that failed stay, in milliseconds (`-deregister=on-success`).
    pub corpses: Option<u64>,
}

/// The containers of the host.
#[derive(Debug, Default)]
pub struct Known {
    frame: Frame,
    held: BTreeMap<String, Held>,
    /// Containers that were asked to stop, and until when they are believed to follow.
    stopping: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Held {
    container: Container,
    entries: Vec<(Arc<str>, Wanted)>,
    /// The container has ended; its keys stay until then.
    until: Option<u64>,
}

/// What a look at a container brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// Whether keys may have changed.
    pub changed: bool,
    /// Ports that are not registered, and why.
    pub ignored: Vec<Ignored>,
    /// Names and IDs that make no key.
    pub refused: Vec<String>,
}

/// All keys, and those that two containers want.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What should be in etcd.
    pub entries: Entries,
    /// `KEY: OTHER and SERVICE`, for keys that two services of this host have.
    pub duplicates: Vec<String>,
}

impl Known {
    /// Nothing is known yet.
    pub fn new(frame: Frame) -> Self {
        Self { frame, held: BTreeMap::new(), stopping: BTreeMap::new() }
    }

    /// Takes in what a container is now.
    pub fn put(&mut self, container: Container, now: u64) -> News {
        let id = container.id.clone();
        if !container.state.running {
            let code = container.state.exit_code;
            // 128 and more mean a signal, and so somebody who wanted it to end; -1 and 255 count too, as in the original.
            let failed = code != 0 && code & 128 == 0;
            return match (self.frame.corpses, self.held.get_mut(&id)) {
                (Some(time), Some(held)) if failed => {
                    held.until.get_or_insert(now.saturating_add(time));
                    News::default()
                }
                _ => self.remove(&id),
            };
        }
        let mut news = self.hold(container);
        for dependent in self.dependents(&id) {
            news.changed |= self.hold(dependent).changed;
        }
        news
    }

    fn hold(&mut self, container: Container) -> News {
        let owner = match container.network_owner() {
            None => Owner::None,
            Some(owner) => self.find(owner).map_or(Owner::Missing, Owner::Known),
        };
        let found = service::services(&container, owner, &self.frame.rules, &self.frame.host);
        let mut news = News { ignored: found.ignored, ..News::default() };
        let mut entries = Vec::new();
        for one in &found.services {
            let label: Arc<str> = format!("{} {}", container.short_id(), one.id).into();
            for output in &self.frame.outputs {
                match output.entries(one) {
                    Ok(all) => entries.extend(all.into_iter().map(|(key, value)| {
                        (Arc::from(key), Wanted { value: Arc::from(value), service: label.clone() })
                    })),
                    Err(error) => news.refused.push(error.to_string()),
                }
            }
        }
        let same = |before: &Held| before.until.is_none() && before.entries == entries;
        news.changed = match self.held.get(&container.id) {
            Some(before) => !same(before),
            None => !entries.is_empty(),
        };
        self.held.insert(container.id.clone(), Held { container, entries, until: None });
        news
    }

    /// Takes in that a container is gone.
    pub fn remove(&mut self, id: &str) -> News {
        self.stopping.remove(id);
        let Some(held) = self.held.remove(id) else { return News::default() };
        let mut news = News { changed: !held.entries.is_empty(), ..News::default() };
        for dependent in self.dependents(id) {
            news.changed |= self.hold(dependent).changed;
        }
        news
    }

    /// Forgets all containers that are not listed any more; those that failed stay until their time is over.
    pub fn keep_only(&mut self, listed: &dyn Fn(&str) -> bool) -> News {
        let gone: Vec<String> = self
            .held
            .iter()
            .filter(|(id, held)| held.until.is_none() && !listed(id))
            .map(|(id, _)| id.clone())
            .collect();
        let mut news = News::default();
        for id in gone {
            news.changed |= self.remove(&id).changed;
        }
        news
    }

    /// Takes in that a container was sent the signal that asks it to stop.
    pub fn asked_to_stop(&mut self, id: &str, signal: i64, now: u64) -> bool {
        let Some(held) = self.held.get(id) else { return false };
        let state = &held.container.state;
        if state.stop_signal != signal {
            return false;
        }
        let patience = u64::try_from(state.stop_timeout).unwrap_or(10).saturating_add(1) * 1000;
        self.stopping.insert(id.to_owned(), now.saturating_add(patience));
        true
    }

    /// Takes in that a container began a new life, so that nobody waits for its end.
    pub fn began(&mut self, id: &str) {
        self.stopping.remove(id);
    }

    /// Lets go what has had its time. Whether keys may have changed.
    pub fn expire(&mut self, now: u64) -> bool {
        let before = self.held.len() + self.stopping.len();
        self.held.retain(|_, held| held.until.is_none_or(|until| until > now));
        self.stopping.retain(|_, until| *until > now);
        before != self.held.len() + self.stopping.len()
    }

    /// When something will have had its time, if anything will.
    pub fn next_expiry(&self) -> Option<u64> {
        let all = self.held.values().filter_map(|held| held.until).chain(self.stopping.values().copied());
        // The largest number means never.
        all.filter(|until| *until < u64::MAX).min()
    }

    /// Containers whose network is used by others, and that are not known.
    pub fn missing_owners(&self) -> Vec<String> {
        let owners = self.held.values().filter_map(|held| held.container.network_owner());
        let mut missing: Vec<String> =
            owners.filter(|owner| self.find(owner).is_none()).map(str::to_owned).collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// When the process of a known container began; tells whether it has to be looked at again.
    pub fn container(&self, id: &str) -> Option<&Container> {
        self.held.get(id).filter(|held| held.until.is_none()).map(|held| &held.container)
    }

    /// How many containers are known, and how many of them have keys.
    pub fn counts(&self) -> (usize, usize) {
        (self.held.len(), self.held.values().filter(|held| !held.entries.is_empty()).count())
    }

    /// All keys and values. Of two containers with one key, the one that began first has it.
    pub fn wish(&self) -> Wish {
        let mut wish = Wish::default();
        let mut order: Vec<&Held> =
            self.held.values().filter(|held| !self.stopping.contains_key(&held.container.id)).collect();
        order.sort_by(|a, b| a.container.state.started_at.cmp(&b.container.state.started_at));
        for held in order {
            for (key, wanted) in &held.entries {
                match wish.entries.get(key) {
                    None => {
                        wish.entries.insert(key.clone(), wanted.clone());
                    }
                    Some(other) => {
                        wish.duplicates.push(format!("{key}: {} and {}", other.service, wanted.service));
                    }
                }
            }
        }
        wish
    }

    fn find(&self, owner: &str) -> Option<&Container> {
        if let Some(held) = self.held.get(owner) {
            return Some(&held.container);
        }
        let named = |held: &&Held| held.container.name == owner;
        self.held.values().find(named).map(|held| &held.container)
    }

    /// The living containers that use the network of this one.
    fn dependents(&self, id: &str) -> Vec<Container> {
        let name = self.held.get(id).map(|held| held.container.name.as_str());
        let depends = |held: &&Held| {
            let owner = held.container.network_owner();
            held.until.is_none() && owner.is_some_and(|owner| owner == id || Some(owner) == name)
        };
        self.held.values().filter(depends).map(|held| held.container.clone()).collect()
    }
}
