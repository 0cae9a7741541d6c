//! Every write to the API server, and the fresh reads that destructive ones follow.
//!
//! A write is made once: an answer that got lost is found out about by reading, never by writing again. What a write
//! answers goes into the stores, so that no later look is older than it.

mod certificates;
mod clusters;
mod error;
mod members;
mod reads;
mod remembered;

use std::{fmt::Debug, sync::Arc};

use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::{PartialObjectMeta, Request},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use self::error::failed;
pub use self::{
    error::CallError,
    remembered::{OfMember, Remembered},
};
use super::{ending::Ending, store::Identity, watch::Stores};

/// The name under which fields are owned.
pub const MANAGER: &str = "quorate";

type Result<T> = std::result::Result<T, CallError>;

/// What writes.
#[derive(Clone)]
pub struct Hands {
    client: Client,
    /// What the watches have shown.
    pub stores: Arc<Stores>,
    /// The namespaces in which nothing can be made any more.
    pub ending: Arc<Ending>,
}

impl Hands {
    /// Hands that tell `stores` what they did.
    pub fn new(client: Client, stores: Arc<Stores>) -> Self {
        Self { client, stores, ending: Arc::default() }
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Makes an object, and reads the answer as `K`, which may be the same with fewer fields.
    async fn create<K, T>(&self, object: &T) -> Result<K>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
        T: ResourceExt + Serialize,
    {
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let make = async {
            let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
            let path = K::url_path(&(), object.namespace().as_deref());
            let mut request = Request::new(path).create(&params, body).map_err(kube::Error::BuildRequest)?;
            request.extensions_mut().insert("create");
            self.client.request(request).await
        };
        let made = make.await.map_err(|source| failed::<K>("create", &object.name_any(), source));
        self.noted(object.namespace(), made)
    }

    async fn apply<K>(&self, object: &K) -> Result<PartialObjectMeta<K>>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug + Serialize,
        K::DynamicType: Default,
    {
        let applied = self
            .api::<K>(&object.namespace().unwrap_or_default())
            .patch_metadata(&object.name_any(), &PatchParams::apply(MANAGER).force(), &Patch::Apply(object))
            .await
            .map_err(|source| failed::<K>("apply", &object.name_any(), source));
        self.noted(object.namespace(), applied)
    }

    /// Takes what a write answered.
    fn remember<K: Remembered>(&self, object: K) {
        K::store(&self.stores).wrote(object.view());
    }

    /// Notes a namespace in which nothing can be made any more.
    fn noted<T>(&self, namespace: Option<String>, result: Result<T>) -> Result<T> {
        if let (Some(namespace), Err(error)) = (&namespace, &result)
            && error.namespace_ends()
        {
            self.ending.refused(namespace);
        }
        result
    }

    async fn patch<K>(&self, identity: &Identity, mut change: Value) -> Result<K>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        // The API server refuses the change when the object of that name has another UID by now.
        if let Some(fields) = change.as_object_mut() {
            let meta = fields.entry("metadata").or_insert_with(|| json!({}));
            if let Some(meta) = meta.as_object_mut() {
                meta.insert("uid".into(), json!(identity.uid));
            }
        }
        self.api::<K>(&identity.namespace)
            .patch(&identity.name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .map_err(|source| failed::<K>("patch", &identity.name, source))
    }
}
