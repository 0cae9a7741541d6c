//! Which metrics and labels an expression of PromQL speaks of.

use std::collections::BTreeSet;

/// A metric in an expression, with the labels that its selector names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Selected {
    /// The metric, `_bucket` and the like included.
    pub metric: String,
    /// The labels.
    pub labels: BTreeSet<String>,
}

/// What the metrics of all programs here begin with.
const PREFIXES: [&str; 5] = ["quorate_", "registrator_", "etcd_", "grpc_server_", "process_"];
/// The labels that begin like a metric.
const LABELS: [&str; 3] = ["etcd_namespace", "etcd_cluster", "etcd_member"];

/// All metrics of an expression.
pub fn selected(expression: &str) -> Vec<Selected> {
    let mut found = Vec::new();
    let mut rest = expression;
    while !rest.is_empty() {
        let word: String = rest.chars().take_while(|one| one.is_alphanumeric() || *one == '_').collect();
        if word.is_empty() {
            // A text in quotes names no metric.
            let skipped = match rest.strip_prefix('"') {
                Some(text) => text.find('"').map_or(rest.len(), |end| end + 2),
                None => rest.chars().next().map_or(0, char::len_utf8),
            };
            rest = &rest[skipped..];
            continue;
        }
        rest = &rest[word.len()..];
        let is_metric =
            PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && !LABELS.contains(&word.as_str());
        if is_metric {
            let selector = rest.strip_prefix('{').and_then(|one| one.split_once('}')).map_or("", |one| one.0);
            found.push(Selected { metric: word, labels: labels(selector) });
        }
    }
    found
}

/// The labels of a selector such as `a="x", b=~"y,z"`.
fn labels(selector: &str) -> BTreeSet<String> {
    let outside: String = selector.split('"').step_by(2).collect();
    let names = outside.split(',').map(|one| one.trim().trim_end_matches(['=', '~', '!']).trim().to_owned());
    names.filter(|one| !one.is_empty()).collect()
}

/// The labels that the answer has, if the expression says them: those of its last `by`.
pub fn grouped(expression: &str) -> BTreeSet<String> {
    let groups = expression.split("by (").skip(1).filter_map(|one| one.split(')').next());
    groups.flat_map(|one| one.split(',').map(|label| label.trim().to_owned())).collect()
}

#[test]
fn metrics_and_labels_of_an_expression_are_found() {
    let of = |text: &str| {
        selected(text)
            .into_iter()
            .map(|one| (one.metric, one.labels.into_iter().collect::<Vec<_>>().join(" ")))
            .collect::<Vec<_>>()
    };
    let text = r#"sum by (etcd_cluster) (rate(grpc_server_handled_total{a="x, quorate_y", b!~"z"}[5m])) > on (etcd_member) quorate_leader"#;
    assert_eq!(
        of(text),
        [
            ("grpc_server_handled_total".to_owned(), "a b".to_owned()),
            ("quorate_leader".to_owned(), String::new())
        ]
    );
    assert_eq!(grouped(text).into_iter().collect::<Vec<_>>(), ["etcd_cluster"]);
}
