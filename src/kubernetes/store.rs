//! What the watches have shown, and what the operator itself wrote since: never older than its own last write.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Namespace and name.
pub type Key = (String, String);

/// What tells one object from another, and one state of it from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: an object that was deleted and made again has another one.
    pub uid: String,
    /// Its resourceVersion; a later state has a larger one (Kubernetes API conventions since 1.35, and true of every
    /// API server on etcd before).
    pub version: u64,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// The cluster it belongs to, by its label.
    pub cluster: Option<String>,
}

impl Identity {
    /// Reads it from an object's metadata.
    pub fn of(meta: &kube::core::ObjectMeta) -> Self {
        let cluster = meta.labels.as_ref().and_then(|labels| labels.get(super::labels::CLUSTER));
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            version: meta.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            cluster: cluster.cloned(),
        }
    }

    /// Where it is found.
    pub fn key(&self) -> Key {
        (self.namespace.clone(), self.name.clone())
    }
}

/// The part of an object that is kept: a Pod has kilobytes of fields that nobody asks for.
pub trait View: Clone + Send + 'static {
    /// Who it is.
    fn identity(&self) -> &Identity;
}

/// The objects of one kind.
///
/// A plain mutex, never held across an await: what is done under it is a map's work.
#[derive(Debug)]
pub struct Store<V> {
    inner: Mutex<Inner<V>>,
}

#[derive(Debug)]
struct Inner<V> {
    objects: BTreeMap<Key, V>,
    /// UIDs of objects that the operator saw deleted: an older state of one may still come through a watch.
    gone: HashSet<String>,
    /// What the operator wrote since the list that is being read began: the list may be older.
    written: HashSet<Key>,
}

impl<V> Default for Store<V> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                objects: BTreeMap::new(),
                gone: HashSet::new(),
                written: HashSet::new(),
            }),
        }
    }
}

impl<V: View> Store<V> {
    fn lock(&self) -> MutexGuard<'_, Inner<V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<V> {
        self.lock().objects.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// The objects of a namespace that bear the label of a cluster.
    pub fn of_cluster(&self, namespace: &str, cluster: &str) -> Vec<V> {
        let inner = self.lock();
        let from = (namespace.to_owned(), String::new());
        inner
            .objects
            .range(from..)
            .take_while(|((place, _), _)| place == namespace)
            .map(|(_, view)| view)
            .filter(|view| view.identity().cluster.as_deref() == Some(cluster))
            .cloned()
            .collect()
    }

    /// Where all objects are found.
    pub fn keys(&self) -> Vec<Key> {
        self.lock().objects.keys().cloned().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().objects.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the answer to one of the operator's own writes.
    pub fn wrote(&self, view: V) {
        let key = view.identity().key();
        self.lock().written.insert(key);
        self.learn(view);
    }

    /// Takes a state of an object. An older one than is known is left out.
    pub fn learn(&self, view: V) -> bool {
        let mut inner = self.lock();
        let identity = view.identity();
        if inner.gone.contains(&identity.uid) {
            return false;
        }
        let key = identity.key();
        let older =
            |known: &V| known.identity().uid == identity.uid && known.identity().version >= identity.version;
        if inner.objects.get(&key).is_some_and(older) {
            return false;
        }
        inner.objects.insert(key, view);
        true
    }

    /// Takes notice that an object is gone: the operator's own deletion of it was carried out at once.
    pub fn forget(&self, identity: &Identity) {
        let mut inner = self.lock();
        let key = identity.key();
        if inner.objects.get(&key).is_some_and(|known| known.identity().uid == identity.uid) {
            inner.objects.remove(&key);
        }
        inner.gone.insert(identity.uid.clone());
    }

    /// The watch says that an object is gone: no older state of it can come any more.
    pub fn deleted(&self, identity: &Identity) {
        self.forget(identity);
        self.lock().gone.remove(&identity.uid);
    }

    /// A list of one namespace, or of all, begins.
    pub fn begin_list(&self, namespace: Option<&str>) {
        self.lock().written.retain(|(place, _)| namespace.is_some_and(|namespace| namespace != place));
    }

    /// The list is complete: what is not on it is gone, unless the operator wrote it meanwhile. Answers who is gone.
    pub fn replace(&self, namespace: Option<&str>, list: Vec<V>) -> Vec<Identity> {
        let listed: BTreeSet<Key> = list.iter().map(|view| view.identity().key()).collect();
        for view in list {
            self.learn(view);
        }
        let mut inner = self.lock();
        let Inner { objects, written, .. } = &mut *inner;
        let gone: Vec<Identity> = objects
            .iter()
            .filter(|((place, _), _)| namespace.is_none_or(|namespace| namespace == place))
            .filter(|(key, _)| !listed.contains(key) && !written.contains(key))
            .map(|(_, view)| view.identity().clone())
            .collect();
        for one in &gone {
            objects.remove(&one.key());
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq)]
    struct Thing(Identity);

    impl View for Thing {
        fn identity(&self) -> &Identity {
            &self.0
        }
    }

    fn thing(name: &str, uid: &str, version: u64) -> Thing {
        Thing(Identity {
            namespace: "ns".into(),
            name: name.into(),
            uid: uid.into(),
            version,
            cluster: Some("demo".into()),
            ..Identity::default()
        })
    }

    #[test]
    fn an_own_write_is_not_undone_by_an_older_event() {
        let store = Store::default();
        assert!(store.learn(thing("a", "1", 7)));
        assert!(!store.learn(thing("a", "1", 6)));
        assert_eq!(store.get("ns", "a"), Some(thing("a", "1", 7)));
        assert!(store.learn(thing("a", "2", 5)), "another UID is another object");
    }

    #[test]
    fn what_was_deleted_does_not_come_back_by_a_late_event() {
        let store = Store::default();
        store.learn(thing("a", "1", 7));
        store.forget(&thing("a", "1", 7).0);
        assert!(!store.learn(thing("a", "1", 8)));
        assert_eq!(store.get("ns", "a"), None);
        assert!(store.learn(thing("a", "2", 9)));
        store.deleted(&thing("a", "1", 8).0);
        assert_eq!(
            store.get("ns", "a"),
            Some(thing("a", "2", 9)),
            "the end of the old one is not that of the new"
        );
    }

    #[test]
    fn a_list_takes_away_what_it_does_not_have_unless_that_was_written_meanwhile() {
        let store = Store::default();
        for one in [thing("old", "1", 13), thing("kept", "2", 4)] {
            store.wrote(one);
        }
        store.begin_list(Some("ns"));
        store.wrote(thing("written", "3", 12));
        let gone = store.replace(Some("ns"), vec![thing("kept", "2", 4)]);
        assert_eq!(gone.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["old"]);
        assert_eq!(
            store.keys().iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(),
            ["kept", "written"]
        );
        assert_eq!(store.of_cluster("ns", "demo").len(), 2);
        assert!(store.of_cluster("other", "demo").is_empty());
    }
}
