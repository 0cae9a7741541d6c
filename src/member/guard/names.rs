//! Waiting for names. etcd ends when a peer's name does not resolve at its first start, and the name of a Pod appears
//! in DNS only a moment after its address.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::join_all;
use hyper::Uri;

/// How long the first look waits. A name appears a moment after the address of its Pod, and the answer that there is
/// none stays in caches for seconds.
const MOMENT: Duration = Duration::from_millis(300);
/// How often names are looked up at first: DNS of a cluster mostly needs less than a second.
const SOON: Duration = Duration::from_millis(200);
/// How long that is.
const FIRST: Duration = Duration::from_secs(3);
/// How often they are looked up after that.
const LATER: Duration = Duration::from_secs(1);
/// How often it is said which names are missing.
const SAY: Duration = Duration::from_secs(5);
/// How long one look-up may take; the resolver itself would try for ten seconds and more.
const LOOK_UP: Duration = Duration::from_secs(3);

/// A name with a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Host {
    /// The name, or an address.
    pub name: String,
    /// The port.
    pub port: u16,
}

impl Host {
    /// The host of a URL; `None` if it has none, or no port.
    pub fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let name = uri.host()?.trim_start_matches('[').trim_end_matches(']');
        Some(Self { name: name.to_owned(), port: uri.port_u16()? })
    }

    /// The addresses it has now; none when it does not resolve.
    pub async fn addresses(&self) -> Vec<SocketAddr> {
        match tokio::net::lookup_host((self.name.as_str(), self.port)).await {
            Ok(found) => found.collect(),
            Err(_) => Vec::new(),
        }
    }
}

/// Waits until the hosts of all these URLs resolve.
pub async fn resolve(urls: impl Iterator<Item = &str>) {
    let mut missing: BTreeSet<Host> = urls.filter_map(Host::of).collect();
    let began = Instant::now();
    let mut said = began;
    tokio::time::sleep(MOMENT).await;
    loop {
        missing = unresolved(missing).await;
        if missing.is_empty() {
            return;
        }
        if said.elapsed() >= SAY {
            said = Instant::now();
            let names: Vec<_> = missing.iter().map(|host| host.name.as_str()).collect();
            tracing::warn!(
                "{} did not resolve for {} s; etcd is started once all names do",
                names.join(", "),
                began.elapsed().as_secs()
            );
        }
        tokio::time::sleep(if began.elapsed() < FIRST { SOON } else { LATER }).await;
    }
}

async fn unresolved(hosts: BTreeSet<Host>) -> BTreeSet<Host> {
    let looked = join_all(hosts.into_iter().map(|host| async move {
        let found = tokio::time::timeout(LOOK_UP, host.addresses()).await;
        found.unwrap_or_default().is_empty().then_some(host)
    }));
    looked.await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url() {
        for (url, expected) in [
            ("http://demo-a.demo.ns.svc:2380", Some(("demo-a.demo.ns.svc", 2380))),
            ("http://10.1.2.3:2380/", Some(("10.1.2.3", 2380))),
            ("https://[fd00::1]:2380", Some(("fd00::1", 2380))),
            ("http://demo-a", None),
            ("nonsense", None),
            ("", None),
        ] {
            let found = Host::of(url);
            assert_eq!(found.as_ref().map(|host| (host.name.as_str(), host.port)), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn names_that_resolve_are_not_waited_for() {
        let hosts = ["http://localhost:1", "http://127.0.0.1:2", "http://[::1]:3", "http://no.invalid:4"];
        let missing = unresolved(hosts.iter().filter_map(|url| Host::of(url)).collect()).await;
        assert_eq!(missing.into_iter().map(|host| host.name).collect::<Vec<_>>(), ["no.invalid"]);
        let resolved = resolve(hosts.into_iter().take(3));
        tokio::time::timeout(Duration::from_secs(5), resolved).await.unwrap();
    }
}
