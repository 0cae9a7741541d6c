//! What has to be written so that etcd holds what it should: the difference, in guarded transactions.
//!
//! Pure. Every operation carries what it expects to find. etcd carries a transaction out as a whole or not at all, so a
//! key that somebody else wrote meanwhile is never overwritten and never deleted by mistake.

use std::{collections::BTreeMap, sync::Arc};

/// What should be at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The value.
    pub value: Arc<str>,
    /// The container and the service, as people read them in the log.
    pub service: Arc<str>,
}

/// Keys that should be in etcd.
pub type Entries = BTreeMap<Arc<str>, Wanted>;

/// A key as it was last seen in etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its value.
    pub value: Arc<str>,
    /// The revision it was last written at.
    pub revision: i64,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This host's, on its lease as it should be.
    Mine,
    /// This host's, but on no lease or on a former one: it has to be written again, even with the same value.
    Left,
    /// Somebody else's.
    Foreign,
}

/// Keys as they were last seen; those that are not there are absent.
pub type Mirror = BTreeMap<Arc<str>, Seen>;

/// What to do about a key that somebody else holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// Leave it, and say so.
    #[default]
    Keep,
    /// Overwrite it, as the original does.
    Take,
}

/// One operation with its guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The key.
    pub key: Arc<str>,
    /// What to write; nothing means to delete it.
    pub value: Option<Arc<str>>,
    /// The revision the key must have been written at; 0 means that it must not be there.
    pub expects: i64,
}

/// What has to be written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Transactions, to be carried out in order.
    pub batches: Vec<Vec<Operation>>,
    /// Keys that should be written, but are somebody else's.
    pub conflicts: Vec<Arc<str>>,
}

/// etcd refuses a transaction with more operations (`--max-txn-ops`).
pub const MOST_OPERATIONS: usize = 128;

/// A third of the largest request that etcd takes.
const MOST_BYTES: usize = 512 * 1024;

/// The difference between what should be and what was seen.
///
/// What is to be written stands before what is to be deleted: a service that changes its key is never absent.
pub fn difference(desired: &Entries, seen: &Mirror, on_conflict: OnConflict) -> Difference {
    let mut found = Difference::default();
    let mut operations = Vec::new();
    for (key, Wanted { value, .. }) in desired {
        let put = |expects| Operation { key: key.clone(), value: Some(value.clone()), expects };
        match seen.get(key) {
            None => operations.push(put(0)),
            Some(one) if one.owner == Owner::Mine && one.value == *value => {}
            Some(one) if one.owner == Owner::Foreign && on_conflict == OnConflict::Keep => {
                found.conflicts.push(key.clone());
            }
            Some(one) => operations.push(put(one.revision)),
        }
    }
    for (key, one) in seen {
        if one.owner != Owner::Foreign && !desired.contains_key(key) {
            operations.push(Operation { key: key.clone(), value: None, expects: one.revision });
        }
    }
    found.batches = batches(operations);
    found
}

fn batches(operations: Vec<Operation>) -> Vec<Vec<Operation>> {
    let mut all = Vec::new();
    let mut batch: Vec<Operation> = Vec::new();
    let mut bytes = 0;
    for operation in operations {
        // The key stands in the guard, the operation, and the reading that follows a guard that did not hold.
        let size = 3 * operation.key.len() + operation.value.as_ref().map_or(0, |value| value.len());
        if batch.len() == MOST_OPERATIONS || (bytes + size > MOST_BYTES && !batch.is_empty()) {
            all.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += size;
        batch.push(operation);
    }
    if !batch.is_empty() {
        all.push(batch);
    }
    all
}

/// Takes a transaction that was carried out into what was seen.
pub fn applied(seen: &mut Mirror, batch: &[Operation], revision: i64) {
    for operation in batch {
        match &operation.value {
            Some(value) => {
                let one = Seen { value: value.clone(), revision, owner: Owner::Mine };
                seen.insert(operation.key.clone(), one);
            }
            None => {
                seen.remove(&operation.key);
            }
        }
    }
}
