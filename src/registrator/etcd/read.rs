//! Reading keys: all under a prefix once, at the start; some of them again when a guard did not hold.

use std::sync::Arc;

use etcd_client::{GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse};

use super::{store::Store, trouble::Trouble};
use crate::registrator::{
    diff::{MOST_OPERATIONS, Mirror, Owner, Seen},
    layout::Output,
};

/// How many keys are read at once, without their values.
const PAGE: i64 = 2_000;

/// The largest answer that is taken, in bytes: 128 values of 64 KiB.
pub(super) const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// What should be at a key.
pub(super) type WantedAt<'a> = &'a (dyn Fn(&str) -> Option<Arc<str>> + Sync);

/// Whose keys are whose.
#[derive(Debug, Clone)]
pub(super) struct Ownership {
    /// The lease of this host; 0 without one.
    pub(super) lease: i64,
    pub(super) outputs: Vec<Output>,
}

impl Ownership {
    /// Whose a key is. Without a lease of their own, keys are the host's whose ID it bears: what the original left
    /// behind, or this program with `-ttl 0`. A key on another lease is somebody else's, whatever its ID says.
    pub(super) fn of(&self, key: &str, lease: i64, is_wanted: bool) -> Owner {
        let named = || {
            self.outputs
                .iter()
                .any(|output| key.starts_with(output.prefix.as_str()) && output.names_host(key))
        };
        match (lease, self.lease) {
            (0, 0) if is_wanted || named() => Owner::Mine,
            (0, 0) => Owner::Foreign,
            (lease, mine) if lease == mine => Owner::Mine,
            (0, _) if named() => Owner::Left,
            _ => Owner::Foreign,
        }
    }
}

impl Store {
    /// The keys of this host below a prefix, with their values.
    pub(super) async fn load(&mut self, ownership: &Ownership, prefix: &str) -> Result<Mirror, Trouble> {
        let mut mine = Vec::new();
        let mut from = prefix.as_bytes().to_vec();
        let end = range_end(prefix);
        loop {
            let (start, end) = (from.clone(), end.clone());
            let page = self
                .call("read the keys", move |client| async move {
                    let options = GetOptions::new().with_range(end).with_limit(PAGE).with_keys_only();
                    let mut kv = client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
                    kv.get(start, Some(options)).await
                })
                .await?;
            for one in page.kvs() {
                let key = String::from_utf8_lossy(one.key());
                if ownership.of(&key, one.lease(), false) != Owner::Foreign {
                    mine.push(key.into_owned());
                }
            }
            match page.kvs().last() {
                Some(last) if page.more() => {
                    from = last.key().to_vec();
                    from.push(0);
                }
                _ => break,
            }
        }
        let mut mirror = Mirror::new();
        for (key, seen) in self.look(ownership, &mine, &|_| None).await? {
            if let Some(seen) = seen {
                mirror.insert(key, seen);
            }
        }
        Ok(mirror)
    }

    /// Some keys as they are now. `wanted` says what should be at a key.
    pub(super) async fn look(
        &mut self,
        ownership: &Ownership,
        keys: &[String],
        wanted: WantedAt<'_>,
    ) -> Result<Vec<(Arc<str>, Option<Seen>)>, Trouble> {
        let mut found = Vec::new();
        for some in keys.chunks(MOST_OPERATIONS) {
            let gets: Vec<TxnOp> = some.iter().map(|key| TxnOp::get(key.as_str(), None)).collect();
            let answer = self
                .call("read keys", move |client| async move {
                    let mut kv = client.kv_client().max_decoding_message_size(LARGEST_ANSWER);
                    kv.txn(Txn::new().and_then(gets)).await
                })
                .await?;
            found.extend(seen_in(ownership, some.iter().map(String::as_str), answer.op_responses(), wanted));
        }
        Ok(found)
    }
}

/// What the answers to `get`s say of their keys.
pub(super) fn seen_in<'a>(
    ownership: &Ownership,
    keys: impl Iterator<Item = &'a str>,
    answers: Vec<TxnOpResponse>,
    wanted: WantedAt<'_>,
) -> Vec<(Arc<str>, Option<Seen>)> {
    let seen = |key: &str, one: &KeyValue| {
        let value: Arc<str> = String::from_utf8_lossy(one.value()).into();
        let is_wanted = wanted(key).is_some_and(|wanted| wanted == value);
        Seen { value, revision: one.mod_revision(), owner: ownership.of(key, one.lease(), is_wanted) }
    };
    keys.zip(answers)
        .filter_map(|(key, answer)| match answer {
            TxnOpResponse::Get(got) => Some((Arc::from(key), got.kvs().first().map(|one| seen(key, one)))),
            _ => None,
        })
        .collect()
}

/// The end of the range of all keys that begin with a prefix.
fn range_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    // No prefix: all keys there are.
    vec![0]
}
