//! Every write to the API server, and the fresh reads that destructive ones follow.
//!
//! A write is made once: an answer that got lost is found out about by reading, never by writing again. What a write
//! answers goes into the stores, so that no later look is older than it.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use k8s_openapi::{
    ByteString, NamespaceResourceScope,
    api::{
        core::v1::{self, Secret, Service},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::{PartialObjectMeta, Request},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    ending::Ending,
    labels, patch,
    slim::{Node, PersistentVolume, PersistentVolumeClaim, Pod, StorageClass},
    store::{Identity, Store, View},
    tls::{Certificate, CertificateSpec},
    views::{ClaimView, ClusterView, MemberView, ObjectView, PodView},
    watch::Stores,
};
use crate::{
    api::{EtcdCluster, EtcdMember},
    pki::Entries,
    plan::status::ClusterStatus,
};

/// The name under which fields are owned.
pub const MANAGER: &str = "quorate";

/// The cause that the API server's namespace life cycle gives when it refuses to make an object.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// A call to the API server that did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {kind} {name}: {}", words(.source))]
pub struct CallError {
    verb: &'static str,
    kind: String,
    name: String,
    #[source]
    source: Box<kube::Error>,
}

impl CallError {
    /// Whether the object is not there (any more).
    pub fn not_found(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.is_not_found())
    }

    /// Whether an object of that name is there already.
    pub fn already_exists(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.is_already_exists())
    }

    fn namespace_ends(&self) -> bool {
        let kube::Error::Api(status) = &*self.source else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == NAMESPACE_TERMINATING)
    }

    /// Whether the object is not the one, or not in the state, that was read.
    pub fn conflict(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.is_conflict())
    }
}

/// The API server's own sentence, where there is one.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

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

    /// Makes an EtcdMember.
    ///
    /// # Errors
    /// When the API server refuses, or its answer got lost.
    pub async fn make_member(&self, member: &EtcdMember) -> Result<()> {
        let made = self.create::<EtcdMember, _>(member).await?;
        self.stores.members.wrote(MemberView::of(made));
        Ok(())
    }

    /// Makes a claim.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn make_claim(&self, claim: &v1::PersistentVolumeClaim) -> Result<()> {
        let made = self.create::<PersistentVolumeClaim, _>(claim).await?;
        self.stores.claims.wrote(ClaimView::of(made));
        Ok(())
    }

    /// Makes a Pod.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn make_pod(&self, pod: &v1::Pod) -> Result<()> {
        let made = self.create::<Pod, _>(pod).await?;
        self.stores.pods.wrote(PodView::of(made));
        Ok(())
    }

    /// Makes or changes a Service.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn apply_service(&self, service: &Service) -> Result<()> {
        let applied = self.apply(service).await?;
        self.stores.services.wrote(ObjectView::of_partial(&applied));
        Ok(())
    }

    /// Makes or changes a PodDisruptionBudget.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn apply_budget(&self, budget: &PodDisruptionBudget) -> Result<()> {
        let applied = self.apply(budget).await?;
        self.stores.budgets.wrote(ObjectView::of_partial(&applied));
        Ok(())
    }

    /// Changes fields of an EtcdMember that is still the one that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn change_member(&self, member: &Identity, change: Value) -> Result<()> {
        let changed: EtcdMember = self.patch(member, change).await?;
        self.stores.members.wrote(MemberView::of(changed));
        Ok(())
    }

    /// Records that etcd was started on a member's volume.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn mark_started(&self, member: &Identity) -> Result<()> {
        let api = self.api::<EtcdMember>(&member.namespace);
        let change =
            Patch::Merge(json!({ "metadata": { "uid": member.uid }, "status": { "started": true } }));
        let changed = api
            .patch_status(&member.name, &PatchParams::default(), &change)
            .await
            .map_err(|source| failed::<EtcdMember>("patch the status of", &member.name, source))?;
        self.stores.members.wrote(MemberView::of(changed));
        Ok(())
    }

    /// Changes fields of a claim that is still the one that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn change_claim(&self, claim: &Identity, change: Value) -> Result<()> {
        let changed: PersistentVolumeClaim = self.patch(claim, change).await?;
        self.stores.claims.wrote(ClaimView::of(changed));
        Ok(())
    }

    /// Writes an annotation of an EtcdCluster.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn annotate_cluster(&self, cluster: &Identity, name: &str, value: &str) -> Result<()> {
        let change = json!({ "metadata": { "annotations": { name: value } } });
        let changed: EtcdCluster = self.patch(cluster, change).await?;
        self.stores.clusters.wrote(ClusterView::of(Ok(changed)));
        Ok(())
    }

    /// Shows a status.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn show_status(
        &self,
        cluster: &Identity,
        status: &ClusterStatus,
        old: Option<&ClusterStatus>,
    ) -> Result<()> {
        let value = |status: &ClusterStatus| serde_json::to_value(status).unwrap_or_default();
        let status = patch::replacing(&old.map(value).unwrap_or_default(), value(status));
        let change = Patch::Merge(json!({ "metadata": { "uid": cluster.uid }, "status": status }));
        // As raw as it comes: the cluster's own spec may be what can't be read.
        let api = self.api::<EtcdCluster>(&cluster.namespace);
        let shown = api.patch_status(&cluster.name, &PatchParams::default(), &change).await;
        match shown {
            Ok(changed) => {
                self.stores.clusters.wrote(ClusterView::of(Ok(changed)));
                Ok(())
            }
            Err(kube::Error::SerdeError(_)) => Ok(()),
            Err(source) => Err(failed::<EtcdCluster>("patch the status of", &cluster.name, source)),
        }
    }

    /// Opens or closes a Pod's readiness gate.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn set_in_service(&self, pod: &Identity, open: bool, reason: &str) -> Result<()> {
        let condition = json!({
            "type": labels::IN_SERVICE,
            "status": if open { "True" } else { "False" },
            "reason": reason,
            "lastTransitionTime": format!("{:.0}", jiff::Timestamp::now()),
        });
        let change = Patch::Strategic(
            json!({ "metadata": { "uid": pod.uid }, "status": { "conditions": [condition] } }),
        );
        let api = self.api::<Pod>(&pod.namespace);
        let changed = api
            .patch_status(&pod.name, &PatchParams::default(), &change)
            .await
            .map_err(|source| failed::<Pod>("patch the status of", &pod.name, source))?;
        self.stores.pods.wrote(PodView::of(changed));
        Ok(())
    }

    /// Deletes a Pod, if it is still this one. It gets its own time to end.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn delete_pod(&self, pod: &Identity) -> Result<()> {
        if let Some(left) = self.delete::<Pod>(pod, false).await? {
            self.stores.pods.wrote(PodView::of(left));
        } else {
            self.stores.pods.forget(pod);
        }
        Ok(())
    }

    /// Deletes a claim, if it is still in the very state that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn delete_claim(&self, claim: &Identity) -> Result<()> {
        if let Some(left) = self.delete::<PersistentVolumeClaim>(claim, true).await? {
            self.stores.claims.wrote(ClaimView::of(left));
        } else {
            self.stores.claims.forget(claim);
        }
        Ok(())
    }

    /// Deletes an EtcdMember, if it is still in the very state that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn delete_member(&self, member: &Identity) -> Result<()> {
        if let Some(left) = self.delete::<EtcdMember>(member, true).await? {
            self.stores.members.wrote(MemberView::of(left));
        } else {
            self.stores.members.forget(member);
        }
        Ok(())
    }

    /// Reads a member's objects anew, past every cache. Answers whether they are as the stores had them.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn refresh(&self, namespace: &str, cluster: &str, member: &str) -> Result<bool> {
        let stores = &self.stores;
        let (cluster, object, pod, claim) = futures::join!(
            self.read::<EtcdCluster, _>(namespace, cluster, &stores.clusters, |one| ClusterView::of(Ok(one))),
            self.read::<EtcdMember, _>(namespace, member, &stores.members, MemberView::of),
            self.read::<Pod, _>(namespace, member, &stores.pods, PodView::of),
            self.read::<PersistentVolumeClaim, _>(namespace, member, &stores.claims, ClaimView::of),
        );
        Ok([cluster?, object?, pod?, claim?].into_iter().all(|same| same))
    }

    async fn read<K, V>(
        &self,
        namespace: &str,
        name: &str,
        store: &Store<V>,
        view: fn(K) -> V,
    ) -> Result<bool>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
        V: View,
    {
        let found = self
            .api::<K>(namespace)
            .get_opt(name)
            .await
            .map_err(|source| failed::<K>("read", name, source))?;
        let known = store.get(namespace, name);
        Ok(match (found.map(view), known) {
            (Some(found), Some(known)) => {
                let same = found.identity().uid == known.identity().uid
                    && found.identity().version <= known.identity().version;
                store.learn(found);
                same
            }
            (Some(found), None) => {
                store.learn(found);
                false
            }
            (None, Some(known)) => {
                store.forget(known.identity());
                false
            }
            (None, None) => true,
        })
    }

    /// The Secret of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>> {
        let found = self.api::<Secret>(namespace).get_opt(name).await;
        found.map_err(|source| failed::<Secret>("read", name, source))
    }

    /// Makes a Secret.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn make_secret(&self, secret: &Secret) -> Result<Secret> {
        self.create::<Secret, _>(secret).await
    }

    /// Changes entries of a Secret that is still in the very state that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn change_secret(&self, secret: &Identity, entries: &Entries) -> Result<Secret> {
        let bytes = |text: &String| ByteString(text.clone().into_bytes());
        let data: BTreeMap<_, _> =
            entries.iter().map(|(name, text)| (name, text.as_ref().map(bytes))).collect();
        let version = secret.version.to_string();
        self.patch(secret, json!({ "metadata": { "resourceVersion": version }, "data": data })).await
    }

    /// The Certificate of that name; none either where nobody knows of cert-manager.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn certificate(&self, namespace: &str, name: &str) -> Result<Option<Certificate>> {
        let found = self.api::<Certificate>(namespace).get_opt(name).await;
        found.map_err(|source| failed::<Certificate>("read", name, source))
    }

    /// Makes a Certificate.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn make_certificate(&self, certificate: &Certificate) -> Result<()> {
        self.create::<Certificate, _>(certificate).await.map(drop)
    }

    /// Asks for something else with a Certificate that was read.
    ///
    /// # Errors
    /// As [`Self::make_member`].
    pub async fn change_certificate(&self, found: &Certificate, spec: &CertificateSpec) -> Result<()> {
        self.patch::<Certificate>(&Identity::of(&found.metadata), json!({ "spec": spec })).await.map(drop)
    }

    /// The volume of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn volume(&self, name: &str) -> Result<Option<PersistentVolume>> {
        let api = Api::<PersistentVolume>::all(self.client.clone());
        api.get_opt(name).await.map_err(|source| failed::<PersistentVolume>("read", name, source))
    }

    /// The node of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn node(&self, name: &str) -> Result<Option<Node>> {
        let api = Api::<Node>::all(self.client.clone());
        api.get_opt(name).await.map_err(|source| failed::<Node>("read", name, source))
    }

    /// The storage class of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn class(&self, name: &str) -> Result<Option<StorageClass>> {
        let api = Api::<StorageClass>::all(self.client.clone());
        api.get_opt(name).await.map_err(|source| failed::<StorageClass>("read", name, source))
    }

    /// Whether a Service or a PodDisruptionBudget that the watches don't show exists all the same: then it is not the
    /// operator's.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn foreign<K>(&self, namespace: &str, name: &str) -> Result<bool>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let found = self
            .api::<K>(namespace)
            .get_metadata_opt(name)
            .await
            .map_err(|source| failed::<K>("read", name, source))?;
        Ok(found.is_some_and(|one| !one.labels().contains_key(labels::CLUSTER_UID)))
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

    /// `exactly` asks for the very state that was read, not only for the same object. Answers what is left: an object
    /// that takes its time to end.
    async fn delete<K>(&self, identity: &Identity, exactly: bool) -> Result<Option<K>>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
        K::DynamicType: Default,
    {
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(identity.uid.clone()),
            resource_version: exactly.then(|| identity.version.to_string()),
        });
        match self.api::<K>(&identity.namespace).delete(&identity.name, &params).await {
            Ok(answer) => Ok(answer.left().filter(|left| left.meta().deletion_timestamp.is_some())),
            Err(source) => match failed::<K>("delete", &identity.name, source) {
                error if error.not_found() => Ok(None),
                error => Err(error),
            },
        }
    }
}

fn failed<K>(verb: &'static str, name: &str, source: kube::Error) -> CallError
where
    K: Resource,
    K::DynamicType: Default,
{
    let kind = K::kind(&K::DynamicType::default()).into_owned();
    CallError { verb, kind, name: name.to_owned(), source: Box::new(source) }
}
