//! What a Pod can tell of where it runs.

use std::fs;

/// What most clusters use, and every one that does not say.
const DEFAULT_DOMAIN: &str = "cluster.local";

/// The domain of the Kubernetes cluster, from the search list that the kubelet writes.
pub(super) fn cluster_domain() -> String {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    domain(&text).unwrap_or(DEFAULT_DOMAIN).to_owned()
}

/// What follows `svc.` in the search list; the last list counts, as for the resolver.
fn domain(resolv_conf: &str) -> Option<&str> {
    let list = resolv_conf.lines().rev().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("search")).then_some(words)
    });
    let mut names = list?.map(|name| name.trim_end_matches('.'));
    names.find_map(|name| name.strip_prefix("svc.")).filter(|domain| !domain.is_empty())
}

/// The host's name and a random number: two on one host are told apart.
pub(super) fn identity() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let random = uuid::Uuid::new_v4().simple().to_string();
    let short = random.get(..8).unwrap_or(&random);
    match host.trim() {
        "" => format!("quorate-{short}"),
        host => format!("{host}-{short}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_read_from_the_search_list() {
        for (text, expected) in [
            (
                "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
                Some("cluster.local"),
            ),
            (
                "nameserver 10.0.0.1\nsearch a.svc.k8s.example.org svc.k8s.example.org k8s.example.org example.org",
                Some("k8s.example.org"),
            ),
            ("search\tns.svc.corp.  svc.corp. corp.\n", Some("corp")),
            ("search svc.old\nsearch x.svc.new svc.new new\n", Some("new")),
            // A host in a network of its own is in no Kubernetes cluster.
            ("search home.lan\nnameserver 192.168.0.1\n", None),
            ("# search svc.commented.out\n", None),
            ("search svc.\n", None),
            ("search\n", None),
            ("", None),
        ] {
            assert_eq!(domain(text), expected, "{text:?}");
        }
    }

    #[test]
    fn two_identities_differ() {
        assert_ne!(identity(), identity());
    }
}
