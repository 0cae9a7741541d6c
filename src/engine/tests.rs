use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::{
    api::{EtcdClusterSpec, validate},
    etcd::Credentials,
    plan::{
        Admission, ClusterId, MemberName, Recipe, Record, Side, Sides, Transport, certificates::Certificates,
        transport::AuthorityId, version::Minor,
    },
};

/// A place where there is nothing yet, and where nothing that is done leaves a trace. It counts how often it is looked at.
#[derive(Default)]
struct Nowhere(AtomicUsize);

type Done = Result<(), Infallible>;

impl Platform for Nowhere {
    type Error = Infallible;

    async fn observe(&self) -> Result<Observed, Infallible> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Observed {
            cluster: "demo".into(),
            uid: "uid".into(),
            generation: None,
            desired: validate::check("demo", &EtcdClusterSpec::new(3)).unwrap(),
            record: Record { cluster_id: None, serial: 0 },
            incarnations: Vec::new(),
            certificates: Sides::each(|_| Certificates::default()),
            snapshots: Vec::new(),
            left: Vec::new(),
            domain: None,
            credentials: Credentials::default(),
            endpoints: BTreeMap::new(),
            vouched: BTreeSet::new(),
        })
    }

    async fn reserve(&self, _: &MemberName, _: u64, _: &Recipe, _: Option<&Admission>) -> Done {
        Ok(())
    }
    async fn take_up(&self, _: &MemberName, _: bool, _: &Transport) -> Done {
        Ok(())
    }
    async fn admit(&self, _: &MemberName, _: &Admission) -> Done {
        Ok(())
    }
    async fn start(&self, _: &MemberName, _: bool) -> Done {
        Ok(())
    }
    async fn stop(&self, _: &MemberName) -> Done {
        Ok(())
    }
    async fn renew(&self, _: &MemberName, _: &Recipe) -> Done {
        Ok(())
    }
    async fn snapshot(&self, _: &MemberName, _: Minor) -> Done {
        Ok(())
    }
    async fn add_authority(&self, _: Side) -> Done {
        Ok(())
    }
    async fn use_authority(&self, _: Side, _: &AuthorityId) -> Done {
        Ok(())
    }
    async fn drop_authority(&self, _: Side, _: &AuthorityId) -> Done {
        Ok(())
    }
    async fn drain(&self, _: &MemberName, _: bool) -> Done {
        Ok(())
    }
    async fn discard(&self, _: &MemberName) -> Done {
        Ok(())
    }
    async fn record_formed(&self, _: ClusterId) -> Done {
        Ok(())
    }
    async fn confirm(&self, _: &Step) -> Done {
        Ok(())
    }
    async fn serve(&self, _: &[MemberName], _: &[MemberName]) -> Done {
        Ok(())
    }
    async fn publish(&self, _: &ClusterStatus) -> Done {
        Ok(())
    }
    async fn changed(&self) {}
}

#[tokio::test]
async fn what_is_to_be_done_is_not_decided_on_the_word_of_others() {
    let mut engine = Engine::new(Nowhere::default(), Policy::default(), Arc::default(), None);
    let looks = |engine: &Engine<Nowhere>| engine.platform().0.swap(0, Ordering::Relaxed);
    engine.at_rest = true;
    let pass = engine.pass().await.unwrap();
    assert!(!pass.outcomes.is_empty(), "{:?}", pass.decision);
    assert_eq!(looks(&engine), 2, "as if it were at rest, and then with its own eyes");
    engine.pass().await.unwrap();
    assert_eq!(looks(&engine), 1, "it is not at rest any more");
}
