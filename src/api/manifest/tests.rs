use super::*;

const SMALLEST: &str = "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata: {name: demo}\n";

fn refused(text: &str) -> String {
    match read(text) {
        Ok(manifest) => panic!("{text:?} was read as {manifest:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_examples_are_manifests() {
    let demo = read(include_str!("../../../examples/demo.yaml")).unwrap();
    assert_eq!((demo.name.as_str(), demo.namespace, demo.spec.size), ("demo", None, 3));
    assert_eq!(demo.spec.version, crate::plan::version::DEFAULT_VERSION);
    let tuned = read(include_str!("../../../examples/tuned.yaml")).unwrap();
    assert_eq!(tuned.spec.etcd.unwrap().extra_args["max-txn-ops"], "512");
}

#[test]
fn json_and_further_documents_are_fine() {
    let json = "{\n\t\"apiVersion\": \"quorate.dev/v1alpha1\", \"kind\": \"EtcdCluster\",\n\t\"metadata\": {\"name\": \
                \"a\", \"namespace\": \"n\"},\n\t\"spec\": {\"size\": 5}\n}\n";
    let manifest = read(json).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.spec.size), ("a", 5));
    assert_eq!(manifest.namespace.as_deref(), Some("n"));
    let text =
        format!("apiVersion: v1\nkind: Namespace\n---\n# ours\n---\n{SMALLEST}spec: {{size: 3}}\n---\n");
    assert_eq!(read(&text).unwrap().name, "demo");
}

#[test]
fn metadata_and_status_may_hold_what_kubernetes_allows() {
    let text = "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nmetadata:\n  name: demo\n  labels: {a: b}\n  \
                managedFields: [{manager: x}]\n  generation: 3\nspec: {size: 3}\nstatus: {size: 2, odd: [1]}\n";
    assert_eq!(read(text).unwrap().spec, EtcdClusterSpec::new(3));
}

#[test]
fn absent_and_empty_values_are_defaults() {
    let text = format!(
        "{SMALLEST}spec:\n  size: 3\n  version:\n  paused:\n  storage:\n  bootstrap:\n  etcd:\n    extraArgs:\n    \
         extraEnv:\n    snapshotCount:\n"
    );
    let mut expected = EtcdClusterSpec::new(3);
    expected.etcd = Some(crate::api::EtcdSpec::default());
    assert_eq!(read(&text).unwrap().spec, expected);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let other = |text: &str| text.to_owned();
    let spec = |spec: &str| format!("{SMALLEST}spec: {spec}\n");
    let table = [
        (other(""), "there is no document"),
        (other("# nothing\n---\n"), "there is no document"),
        (other("hello"), "line 1, column 1: an object with fields is expected"),
        (other("- a"), "line 1, column 1: an object with fields is expected"),
        (
            other("kind: Pod\napiVersion: v1\n"),
            "Pod of v1 is not an EtcdCluster: it needs apiVersion: quorate.dev/v1alpha1 and kind: EtcdCluster",
        ),
        (other("spec: {size: 3}"), "a document without apiVersion and kind is not an EtcdCluster"),
        (
            other("apiVersion: quorate.dev/v1\nkind: EtcdCluster\nspec: {size: 3}"),
            "EtcdCluster of quorate.dev/v1 is not",
        ),
        (
            other("kind: A\napiVersion: v1\n---\nkind: B\napiVersion: v1\n"),
            "none of the 2 documents is an EtcdCluster (v1 A, v1 B)",
        ),
        (
            format!("{SMALLEST}spec: {{size: 3}}\n---\n{SMALLEST}spec: {{size: 3}}\n"),
            "2 documents are an EtcdCluster",
        ),
        (format!("{SMALLEST}spec: {{size: 3\n"), "line "),
        (SMALLEST.to_owned(), "spec is missing: the smallest one is spec: {size: 3}"),
        (
            other("apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\nspec: {size: 3}\n"),
            "metadata.name is missing",
        ),
        (spec("{}"), "spec.size: it is missing; use 3, 5, 7 or 9"),
        (
            spec("{size: three}"),
            "line 4, column 14: spec.size: \"three\" is not a whole number; use 3, 5, 7 or 9",
        ),
        (
            spec("{size: \"3\"}"),
            "line 4, column 14: spec.size: \"3\" is not a whole number; use 3, 5, 7 or 9",
        ),
        (spec("{size: 3.5}"), "spec.size: \"3.5\" is not a whole number; use 3, 5, 7 or 9"),
        (spec("{size: }"), "spec.size: an empty value is not a whole number; use 3, 5, 7 or 9"),
        (spec("{size: [3]}"), "spec.size"),
        (spec("{size: 3, size: 5}"), "line 4, column 17: spec.size: size is there twice; remove one of them"),
        (spec("{size: 3, version: 3.6}"), "spec.version: a text is expected: write it in quotes, \"3.6\""),
        (spec("{size: 3, paused: maybe}"), "spec.paused: \"maybe\" is not true or false"),
        (
            spec("{size: 3, etcd: {extraArgs: {max-txn-ops: 5}}}"),
            "spec.etcd.extraArgs.max-txn-ops: a text is expected: write it in quotes, \"5\"",
        ),
        (spec("{size: 3, etcd: {extraArgs: [a]}}"), "spec.etcd.extraArgs: an object with fields is expected"),
        (
            spec("{size: 3, etcd: {heartbeatInterval: 100ms}}"),
            "spec.etcd.heartbeatInterval: \"100ms\" is not a whole number",
        ),
        (
            spec("{size: 3, storage: {volumeClaimTemplate: {spec: {}}}}"),
            "spec.storage.volumeClaimTemplate.spec.resources: it is missing",
        ),
        (
            spec("{size: 3, sise: 3}"),
            "line 4, column 17: spec.sise is not a field of an EtcdCluster: correct or remove it; there are bootstrap, deletionPolicy, etcd, image, imagePullPolicy, paused, podTemplate, services, size, storage, tls, version",
        ),
        (spec("{size: 3, etcd: {snapshots: 3}}"), "spec.etcd.snapshots is not a field"),
        (
            format!("{SMALLEST}spec: {{size: 3}}\nsize: 3\n"),
            "line 5, column 1: size is not a field of an EtcdCluster: correct or remove it; there are apiVersion, kind, metadata, spec",
        ),
        (other("a: 1\na: 2\n"), "a is there twice"),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|(text, expected)| (text, expected, refused(text)))
        .filter(|(_, expected, message)| !message.contains(*expected))
        .map(|(text, expected, message)| format!("{text}\n  expected {expected}\n  found    {message}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn places_are_those_of_the_whole_file() {
    let text = format!("kind: A\napiVersion: v1\n---\n{SMALLEST}spec:\n  size: three\n");
    assert!(refused(&text).starts_with("line 8, column 9: spec.size"), "{}", refused(&text));
}

#[test]
fn a_field_has_a_place_even_when_only_those_around_it_are_written() {
    let text = format!("{SMALLEST}spec:\n  size: 4\n  etcd: {{snapshotCount: 0}}\n");
    let place = |field: &str| position(&text, field).map(|at| (at.line, at.column));
    assert_eq!(place("spec.size"), Some((5, 9)));
    assert_eq!(place("spec.etcd.snapshotCount"), Some((6, 25)));
    assert_eq!(place("spec.etcd.electionTimeout"), Some((6, 9)));
    assert_eq!(place("spec.storage"), Some((5, 3)));
    assert_eq!(place("metadata.name"), Some((3, 18)));
    assert_eq!(position("", "spec.size"), None);
}

#[test]
fn sizes_outside_the_rules_are_read_and_refused_by_the_check() {
    for size in ["-3", "0", "1", "2", "4", "11"] {
        let manifest = read(&format!("{SMALLEST}spec: {{size: {size}}}\n")).unwrap();
        let problems = crate::api::validate::check(&manifest.name, &manifest.spec).unwrap_err();
        let message = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(message.starts_with(&format!("spec.size: {size} is not a cluster size")), "{message}");
        assert!(message.contains("use 3"), "{message}");
    }
}

#[test]
fn the_size_changes_and_nothing_else() {
    let header = "# a cluster\r\napiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster # é\nmetadata: {name: demo, annotations: {size: \"3\"}}\n";
    let table = [
        "spec: {size: 3}\n",
        "spec: {version: 3.6.16, size: 3, paused: false} # size: 3\n",
        "spec:\n  # size: 3\n  size:   3   # three\n  version: 3.6.16\n",
        "spec:\n    size:\n        3\n",
        "\"spec\":\n  \"size\": 3",
        "spec: {size: 3}\n---\nkind: Other\napiVersion: v1\nspec: {size: 3}\n",
        "spec: {size: &n 3}\n",
    ];
    for spec in table {
        let text = format!("{header}{spec}");
        let edited = with_size(&text, 15).unwrap();
        assert_eq!(read(&edited).unwrap().spec.size, 15);
        let shrunk = edited.replacen("15", "3", 1);
        assert_eq!(shrunk, text);
    }
    let json = "{\"kind\":\"EtcdCluster\",\"apiVersion\":\"quorate.dev/v1alpha1\",\"metadata\":{\"name\":\"a\"},\n\t\"spec\":{\"size\":3}}";
    assert_eq!(with_size(json, 5).unwrap(), json.replace(":3}", ":5}"));
}

#[test]
fn a_size_that_is_not_its_own_is_left_alone() {
    let head = "apiVersion: quorate.dev/v1alpha1\nkind: EtcdCluster\n";
    let table = [
        "metadata: {name: demo, generation: &n 3}\nspec: {size: *n}\n",
        "metadata: {name: demo, x: &m {size: 3}}\nspec: {<<: *m}\n",
        "metadata: {name: demo}\nspec: {size: &n 3, etcd: {snapshotCount: *n}}\n",
    ];
    for rest in table {
        let text = format!("{head}{rest}");
        assert!(read(&text).is_ok(), "{text}");
        let error = with_size(&text, 5).unwrap_err().to_string();
        assert!(error.contains("edit the file by hand"), "{error}");
    }
}
