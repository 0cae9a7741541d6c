//! The nodes of a volume: whether it is lost with them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::kubernetes::slim::{Node, NodeSelectorTerm, PersistentVolume};

/// The labels by which drivers of local volumes name the one node that has it: Kubernetes' own, which the node's name need
/// not be equal to, and those of TopoLVM and OpenEBS. A label of a zone is none: a zone without nodes gets some again.
const OF_ONE_NODE: [&str; 3] = ["kubernetes.io/hostname", "topology.topolvm.io/node", "openebs.io/nodename"];
/// The taint by which people say that a node is shut down and stays so:
/// <https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown>.
pub(super) const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A label and its value: who bears it has the volume.
pub(super) type Place = (String, String);

/// Where a volume can be used; nothing when it may be anywhere else too.
pub(super) fn places(volume: &PersistentVolume) -> BTreeSet<Place> {
    let terms = &volume.spec.node_affinity.required.node_selector_terms;
    // One term is enough for a node, so each of them has to name its node.
    let all: Option<Vec<_>> = terms.iter().map(of_term).collect();
    all.unwrap_or_default().into_iter().flatten().collect()
}

fn of_term(term: &NodeSelectorTerm) -> Option<Vec<Place>> {
    let names_a_node = |key: &String| OF_ONE_NODE.contains(&key.as_str());
    let named = term.match_expressions.iter().find(|one| names_a_node(&one.key) && one.operator == "In")?;
    Some(named.values.iter().map(|value| (named.key.clone(), value.clone())).collect())
}

/// Why a volume that can only be used in these places is lost, given the nodes of each; `None` while one of them is there or
/// may come back.
pub(super) fn burnt(nodes: &BTreeMap<Place, Vec<Node>>) -> Option<String> {
    let lost = nodes.iter().map(|((label, value), nodes)| {
        let out = |node: &Node| node.spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE);
        match nodes.is_empty() {
            true => Some(format!(
                "{value}, which does not exist any more (no node has the label {label}={value})"
            )),
            false => nodes.iter().all(out).then(|| format!("{value}, which has the taint {OUT_OF_SERVICE}")),
        }
    });
    let lost = lost.collect::<Option<Vec<_>>>()?;
    (!lost.is_empty()).then(|| lost.join("; "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(taint: Option<&str>) -> Node {
        let taints = taint.map(|key| json!([{ "key": key, "effect": "NoExecute" }]));
        let node = json!({ "metadata": {}, "spec": { "taints": taints.unwrap_or(json!([])) } });
        serde_json::from_value(node).unwrap()
    }

    fn why(nodes: &[(&str, &[Node])]) -> Option<String> {
        let place = |name: &str| (OF_ONE_NODE[0].to_owned(), name.to_owned());
        burnt(&nodes.iter().map(|(name, nodes)| (place(name), nodes.to_vec())).collect())
    }

    #[test]
    fn a_volume_is_lost_with_all_its_nodes() {
        assert_eq!(why(&[]), None, "a volume that names no node may be anywhere");
        assert_eq!(why(&[("a", &[node(None)])]), None);
        assert_eq!(why(&[("a", &[node(Some("node.kubernetes.io/unreachable"))])]), None, "it may come back");
        assert!(why(&[("a", &[])]).unwrap().contains("a, which does not exist"));
        let out = || node(Some(OUT_OF_SERVICE));
        assert!(why(&[("a", &[out()])]).unwrap().contains("out-of-service"));
        assert_eq!(why(&[("a", &[out(), node(None)])]), None);
        assert_eq!(why(&[("a", &[]), ("b", &[node(None)])]), None);
        assert!(why(&[("a", &[]), ("b", &[out()])]).is_some());
    }

    fn placed(terms: Value) -> Vec<Place> {
        let volume = json!({ "metadata": {}, "spec": { "nodeAffinity": { "required": { "nodeSelectorTerms": terms } } } });
        places(&serde_json::from_value(volume).unwrap()).into_iter().collect()
    }

    #[test]
    fn the_nodes_of_a_local_volume_are_read() {
        let on = |key: &str, values: &[&str]| json!({ "key": key, "operator": "In", "values": values });
        let one = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let zone = on("topology.kubernetes.io/zone", &["a"]);
        let host = on("kubernetes.io/hostname", &["node1"]);
        let term = |all: &[&Value]| json!({ "matchExpressions": all });
        assert_eq!(placed(json!([term(&[&host, &zone])])), [one("kubernetes.io/hostname", "node1")]);
        let lvm = on("topology.topolvm.io/node", &["b"]);
        assert_eq!(placed(json!([term(&[&lvm])])), [one("topology.topolvm.io/node", "b")]);
        assert_eq!(placed(json!([term(&[&zone])])), [], "a zone has other nodes, or gets some");
        assert_eq!(
            placed(json!([term(&[&host]), term(&[&zone])])),
            [],
            "the second term is enough for a node"
        );
        let not = json!({ "key": "kubernetes.io/hostname", "operator": "NotIn", "values": ["node1"] });
        assert_eq!(placed(json!([term(&[&not])])), []);
        assert_eq!(placed(json!([])), []);
    }
}
