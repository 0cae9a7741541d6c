//! What a Pod can tell of where it runs, and what it lets a process have.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

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

/// Takes as many open files as the container may have, instead of the 1024 that most are started with: each member that
/// is looked at takes three connections, and one that can't be connected to for want of a file would look as if it were
/// down. Answers how many there may be; `None` is any number.
pub(super) fn open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_as_allowed_may_be_open() {
        let allowed = open_files();
        assert_eq!(getrlimit(Resource::Nofile).current, allowed);
    }

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
