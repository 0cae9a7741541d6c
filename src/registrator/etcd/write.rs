//! Writing: one transaction with its guards.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp};

use super::{
    read::{LARGEST_ANSWER, Ownership, WantedAt, seen_in},
    store::Store,
    trouble::Trouble,
};
use crate::registrator::diff::{Operation, Seen};

/// How a transaction ended.
pub(super) enum Outcome {
    /// It was carried out, at this revision.
    Done(i64),
    /// Nothing was done: this is what is there.
    Guarded(Vec<(Arc<str>, Option<Seen>)>),
}

impl Store {
    /// Carries a batch out if all is as expected, as a whole or not at all.
    pub(super) async fn carry_out(
        &mut self,
        ownership: &Ownership,
        batch: &[Operation],
        wanted: WantedAt<'_>,
    ) -> Result<Outcome, Trouble> {
        let lease = ownership.lease;
        let key = |operation: &Operation| operation.key.as_bytes().to_vec();
        let guards: Vec<Compare> =
            batch.iter().map(|one| Compare::mod_revision(key(one), CompareOp::Equal, one.expects)).collect();
        let operations: Vec<TxnOp> = batch
            .iter()
            .map(|one| match &one.value {
                Some(value) => {
                    let options = (lease != 0).then(|| PutOptions::new().with_lease(lease));
                    TxnOp::put(key(one), value.as_bytes(), options)
                }
                None => TxnOp::delete(key(one), None),
            })
            .collect();
        let reads: Vec<TxnOp> = batch.iter().map(|one| TxnOp::get(key(one), None)).collect();
        let answer = self
            .call("write the keys", move |client| async move {
                let mut kv = client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
                kv.txn(Txn::new().when(guards).and_then(operations).or_else(reads)).await
            })
            .await?;
        if !answer.succeeded() {
            let keys = batch.iter().map(|one| one.key.as_ref());
            return Ok(Outcome::Guarded(seen_in(ownership, keys, answer.op_responses(), wanted)));
        }
        let (puts, deletes) = (batch.iter().filter(|one| one.value.is_some()).count(), batch.len());
        self.metrics.wrote(puts, deletes - puts);
        Ok(Outcome::Done(answer.header().map_or(0, etcd_client::ResponseHeader::revision)))
    }
}
