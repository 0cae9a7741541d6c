//! Whether all members hold the same: asked of each, past the operator.

use std::time::{Duration, Instant};

use etcd_client::{Client, GetOptions};

use crate::{common::load::connect, place::Place};

/// How long a member may take to have what the others have.
const BEHIND: Duration = Duration::from_secs(30);

/// What a member says at a revision: etcd's ID of the cluster, the hash of all data and how many keys there are.
async fn said(client: &mut Client, revision: i64) -> Result<(u64, u32, i64), etcd_client::Error> {
    let options = GetOptions::new().with_all_keys().with_count_only().with_serializable();
    let keys = client.get("", Some(options.with_revision(revision))).await?;
    let hash = client.hash_kv(revision).await?;
    let cluster = hash.header().map(etcd_client::ResponseHeader::cluster_id).unwrap_or_default();
    Ok((cluster, hash.hash(), keys.count()))
}

/// Checks that the members of `demo`, in plain text, are of one cluster and hold the same at the revision of now.
pub fn assert_one_state(place: &Place, what: &str) {
    let urls: Vec<_> =
        place.names().iter().map(|name| format!("http://{}:2379", place.address(name))).collect();
    let start = Instant::now();
    let (revision, all) = loop {
        let asked = place.wait_for(async {
            // A read that a quorum confirms: whoever split off has no revision to compare at.
            let newest = connect(&urls[0]).await?.get("newest", None).await.ok()?;
            let revision = newest.header()?.revision();
            let mut all = Vec::new();
            for url in &urls {
                all.push(said(&mut connect(url).await?, revision).await.ok()?);
            }
            Some((revision, all))
        });
        match asked {
            Some(asked) => break asked,
            None => assert!(start.elapsed() < BEHIND, "{what}: not all of {urls:?} answer"),
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let [cluster, others @ ..] = all.as_slice() else { panic!("{what}: no members") };
    assert!(others.iter().all(|one| one == cluster), "{what}: at revision {revision} members say {all:x?}");
    println!("{what}: {} members hold the same {} keys at revision {revision}", all.len(), cluster.2);
}
