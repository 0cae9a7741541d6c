//! The kinds of objects whose last state is kept in the stores.

use std::fmt::Debug;

use k8s_openapi::{NamespaceResourceScope, api::core::v1};
use kube::{Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::{EtcdCluster, EtcdMember},
    kubernetes::{
        slim::{PersistentVolumeClaim, Pod},
        store::{Store, View},
        views::{ClaimView, ClusterView, MemberEntry, PodView},
        watch::Stores,
    },
};

/// An object of which a store keeps what is looked at.
pub trait Remembered:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + Debug
{
    /// What is kept of it.
    type View: View;

    /// Reads that from the object.
    fn view(self) -> Self::View;

    /// Where it is kept.
    fn store(stores: &Stores) -> &Store<Self::View>;
}

impl Remembered for EtcdCluster {
    type View = ClusterView;

    fn view(self) -> ClusterView {
        ClusterView::of(Ok(self))
    }

    fn store(stores: &Stores) -> &Store<ClusterView> {
        &stores.clusters
    }
}

impl Remembered for EtcdMember {
    type View = MemberEntry;

    fn view(self) -> MemberEntry {
        MemberEntry::of(Ok(self))
    }

    fn store(stores: &Stores) -> &Store<MemberEntry> {
        &stores.members
    }
}

impl Remembered for PersistentVolumeClaim {
    type View = ClaimView;

    fn view(self) -> ClaimView {
        ClaimView::of(self)
    }

    fn store(stores: &Stores) -> &Store<ClaimView> {
        &stores.claims
    }
}

impl Remembered for Pod {
    type View = PodView;

    fn view(self) -> PodView {
        PodView::of(self)
    }

    fn store(stores: &Stores) -> &Store<PodView> {
        &stores.pods
    }
}

/// An object that the operator makes for a member, and deletes.
pub trait OfMember: Remembered {
    /// The same with all its fields, as it is made.
    type Whole: ResourceExt + Serialize;

    /// Whether it is deleted only in the very state that was read, rather than whenever it is still the same object.
    const EXACTLY: bool;
}

impl OfMember for EtcdMember {
    type Whole = Self;

    const EXACTLY: bool = true;
}

impl OfMember for PersistentVolumeClaim {
    type Whole = v1::PersistentVolumeClaim;

    const EXACTLY: bool = true;
}

impl OfMember for Pod {
    type Whole = v1::Pod;

    // The kubelet writes its status all the time, and a Pod holds nothing that could be lost.
    const EXACTLY: bool = false;
}
