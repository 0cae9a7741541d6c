//! What a call to the API server is about, from its method and address. Pure.

/// A call as metrics know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The verb that an RBAC rule would have.
    pub verb: &'static str,
    /// The resource, with its subresource; `other` for what is no resource.
    pub kind: String,
}

impl Call {
    /// Reads method, path and query.
    pub fn of(method: &str, path: &str, query: Option<&str>) -> Self {
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let rest: Vec<_> = match parts.next() {
            Some("api") => parts.skip(1).collect(),
            Some("apis") => parts.skip(2).collect(),
            _ => Vec::new(),
        };
        let (resource, name, subresource) = match *rest {
            // Namespaces are a resource too, with these two subresources.
            ["namespaces", name, sub @ ("status" | "finalize")] => ("namespaces", Some(name), Some(sub)),
            ["namespaces", _, resource, ref rest @ ..] => {
                (resource, rest.first().copied(), rest.get(1).copied())
            }
            [resource, ref rest @ ..] => (resource, rest.first().copied(), rest.get(1).copied()),
            [] => ("other", Some(""), None),
        };
        let verb = match (method, name) {
            ("GET", _) if watches(query) => "watch",
            ("GET", None) => "list",
            ("GET", Some(_)) => "get",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", None) => "deletecollection",
            ("DELETE", Some(_)) => "delete",
            _ => "other",
        };
        let kind = match subresource {
            Some(subresource) => format!("{resource}/{subresource}"),
            None => resource.to_owned(),
        };
        Self { verb, kind }
    }
}

fn watches(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|part| matches!(part, "watch=true" | "watch=1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_calls() {
        for (method, address, verb, kind) in [
            ("GET", "/api/v1/namespaces/a/pods", "list", "pods"),
            ("GET", "/api/v1/namespaces/a/pods/b", "get", "pods"),
            ("GET", "/api/v1/namespaces/a/pods?&watch=true&timeoutSeconds=290", "watch", "pods"),
            ("GET", "/api/v1/pods?limit=500&fieldSelector=x", "list", "pods"),
            ("PATCH", "/api/v1/namespaces/a/pods/b/status?&fieldManager=quorate", "patch", "pods/status"),
            ("POST", "/api/v1/namespaces/a/pods?", "create", "pods"),
            ("DELETE", "/api/v1/namespaces/a/pods/b", "delete", "pods"),
            ("DELETE", "/api/v1/namespaces/a/pods", "deletecollection", "pods"),
            ("GET", "/api/v1/namespaces", "list", "namespaces"),
            ("GET", "/api/v1/namespaces/a", "get", "namespaces"),
            ("PUT", "/api/v1/namespaces/a/finalize", "update", "namespaces/finalize"),
            ("PATCH", "/apis/coordination.k8s.io/v1/namespaces/a/leases/quorate?", "patch", "leases"),
            ("GET", "/apis/quorate.dev/v1alpha1/etcdclusters?watch=1", "watch", "etcdclusters"),
            (
                "PATCH",
                "/apis/quorate.dev/v1alpha1/namespaces/a/etcdclusters/b/status",
                "patch",
                "etcdclusters/status",
            ),
            ("GET", "/apis/storage.k8s.io/v1/storageclasses/fast", "get", "storageclasses"),
            ("GET", "/version", "get", "other"),
            ("GET", "/apis", "get", "other"),
            ("GET", "/", "get", "other"),
        ] {
            let (path, query) =
                address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
            let call = Call::of(method, path, query);
            assert_eq!((call.verb, &*call.kind), (verb, kind), "{method} {address}");
        }
    }
}
