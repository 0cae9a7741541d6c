//! What the watches have shown, and what the operator itself wrote since: never older than its own last write.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
pub trait View: Send + Sync + 'static {
    /// Who it is.
    fn identity(&self) -> &Identity;
}

/// The objects of one kind. Whoever asks gets a share of what is kept, as it was then.
///
/// A plain mutex, never held across an await: what is done under it is a map's work.
#[derive(Debug)]
pub struct Store<V> {
    inner: Mutex<Inner<V>>,
}

#[derive(Debug)]
struct Inner<V> {
    objects: BTreeMap<Key, Arc<V>>,
    /// The same by namespace and cluster, each cluster's in the order of their names: a pass asks for a few of thousands.
    by_cluster: BTreeMap<Key, Vec<Arc<V>>>,
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
                by_cluster: BTreeMap::new(),
                gone: HashSet::new(),
                written: HashSet::new(),
            }),
        }
    }
}

impl<V: View> Inner<V> {
    /// Takes an object in the place of the one that had its name.
    fn insert(&mut self, view: V) {
        let key = view.identity().key();
        self.remove(&key);
        let view = Arc::new(view);
        if let Some(cluster) = cluster(&*view) {
            let family = self.by_cluster.entry(cluster).or_default();
            let at = family.partition_point(|one| one.identity().name < key.1);
            family.insert(at, Arc::clone(&view));
        }
        self.objects.insert(key, view);
    }

    fn remove(&mut self, key: &Key) {
        let Some(old) = self.objects.remove(key) else { return };
        let Some(cluster) = cluster(&*old) else { return };
        if let Some(family) = self.by_cluster.get_mut(&cluster) {
            family.retain(|one| one.identity().name != key.1);
            if family.is_empty() {
                self.by_cluster.remove(&cluster);
            }
        }
    }
}

/// Namespace and name of the cluster that an object is of.
fn cluster(view: &impl View) -> Option<Key> {
    let Identity { namespace, cluster, .. } = view.identity();
    cluster.clone().map(|cluster| (namespace.clone(), cluster))
}

impl<V: View> Store<V> {
    fn lock(&self) -> MutexGuard<'_, Inner<V>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object of that name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<V>> {
        self.lock().objects.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// The objects of a namespace that bear the label of a cluster, in the order of their names.
    pub fn of_cluster(&self, namespace: &str, cluster: &str) -> Vec<Arc<V>> {
        let key = (namespace.to_owned(), cluster.to_owned());
        self.lock().by_cluster.get(&key).cloned().unwrap_or_default()
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
        let older = |known: &Arc<V>| {
            known.identity().uid == identity.uid && known.identity().version >= identity.version
        };
        if inner.objects.get(&identity.key()).is_some_and(older) {
            return false;
        }
        inner.insert(view);
        true
    }

    /// Takes notice that an object is gone: the operator's own deletion of it was carried out at once.
    pub fn forget(&self, identity: &Identity) {
        let mut inner = self.lock();
        let key = identity.key();
        if inner.objects.get(&key).is_some_and(|known| known.identity().uid == identity.uid) {
            inner.remove(&key);
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
        let gone: Vec<Identity> = inner
            .objects
            .iter()
            .filter(|((place, _), _)| namespace.is_none_or(|namespace| namespace == place))
            .filter(|(key, _)| !listed.contains(key) && !inner.written.contains(key))
            .map(|(_, view)| view.identity().clone())
            .collect();
        for one in &gone {
            inner.remove(&one.key());
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
        assert_eq!(store.get("ns", "a"), Some(thing("a", "1", 7).into()));
        assert!(store.learn(thing("a", "2", 5)), "another UID is another object");
    }

    #[test]
    fn objects_are_found_by_the_cluster_whose_label_they_bear_now() {
        let store = Store::<Thing>::default();
        let names = |cluster: &str| -> Vec<_> {
            store.of_cluster("ns", cluster).iter().map(|one| one.0.name.clone()).collect()
        };
        for (name, version) in [("b", 1), ("a", 2), ("c", 3), ("b", 4)] {
            store.learn(thing(name, name, version));
        }
        assert_eq!(names("demo"), ["a", "b", "c"]);
        let mut moved = thing("b", "b", 5);
        moved.0.cluster = Some("other".into());
        store.learn(moved.clone());
        assert_eq!((names("demo"), names("other")), (vec!["a".into(), "c".into()], vec!["b".into()]));
        moved.0.cluster = None;
        moved.0.version = 6;
        store.learn(moved);
        store.forget(&thing("a", "a", 2).0);
        store.replace(Some("ns"), vec![thing("b", "b", 6)]);
        assert!(names("demo").is_empty() && names("other").is_empty());
        assert_eq!(store.len(), 1);
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
            Some(thing("a", "2", 9).into()),
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
