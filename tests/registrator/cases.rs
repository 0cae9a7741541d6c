//! `cases.json`: what gliderlabs/registrator does with 96 containers, as it was seen when it ran, and what a good tool
//! does where that is a bug (`should`).

use std::collections::{BTreeMap, BTreeSet};

use quorate::registrator::{
    cli::{self, Asked, Settings},
    container::{Binding, Container, Network, Owner, Port, State},
    service::{Host, Service, services},
    tags,
    template::Answers,
};
use serde_json::Value;

/// The file, read once for each test.
pub fn file() -> Value {
    serde_json::from_str(include_str!("cases.json")).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|all| all.iter().map(text).collect()).unwrap_or_default()
}

/// The settings of a command line, as the program reads it.
pub fn settings(arguments: &[String]) -> Settings {
    match cli::parse(arguments, &|_| None) {
        Ok(Asked::Run(settings)) => *settings,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn container(json: &Value, id: &str, extra_tags: &str) -> Container {
    let ports = json["ports"].as_object().cloned().unwrap_or_default();
    let binding = |one: &Value| Binding { ip: text(&one["HostIp"]), port: text(&one["HostPort"]) };
    let bindings = |all: &Value| all.as_array().into_iter().flatten().map(binding).collect();
    let networks = json["networks"].as_object().cloned().unwrap_or_default();
    let network = |one: &Value| Network { ip: text(&one["IPAddress"]), ..Network::default() };
    let labels = json["labels"].as_object().cloned().unwrap_or_default();
    let state = json["state"].as_str().unwrap_or("running");
    Container {
        id: id.to_owned(),
        name: text(&json["name"]),
        image: text(&json["image"]),
        state: State { running: state != "exited", paused: state == "paused", ..State::default() },
        env: texts(&json["env"]),
        labels: labels.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        exposed: texts(&json["exposed"]).iter().map(|port| Port::parse(port)).collect(),
        ports: ports.iter().map(|(port, all)| (Port::parse(port), bindings(all))).collect(),
        network_mode: text(&json["network_mode"]),
        networks: networks.iter().map(|(name, one)| (name.clone(), network(one))).collect(),
        network_ip: text(&json["network_ip"]),
        extra_tags: extra_tags.to_owned(),
    }
}

/// What a case makes of its container: the services with the key and value of each.
fn run(case: &Value, arguments: &[String]) -> Vec<(Service, String, String)> {
    let settings = settings(arguments);
    let host = &case["host"];
    // Like the program: an address of the loopback is none that others reach this host at.
    let address = host["resolves_to"].as_str().filter(|ip| !ip.starts_with("127."));
    let host = Host { name: text(&host["hostname"]), ip4: address.map(str::to_owned), ip6: None };
    let rendered = case["force_tags_rendered"].as_str();
    let given = settings.tags.render(&Value::Null, &Answers::new()).unwrap_or_default();
    let main = container(&case["container"], &text(&case["container"]["id"]), rendered.unwrap_or(&given));
    let others: BTreeMap<String, Container> = case["other_containers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(id, json)| (id.clone(), container(json, id, "")))
        .collect();
    let owner = match main.network_owner() {
        None => Owner::None,
        Some(id) => others.get(id).map_or(Owner::Missing, Owner::Known),
    };
    let outputs = settings.outputs_of(&host.name);
    let entry = |service: Service| {
        let (key, value) = outputs[0].entries(&service).unwrap().remove(0);
        (service, key, value)
    };
    services(&main, owner, &settings.rules, &host).services.into_iter().map(entry).collect()
}

fn arguments(case: &Value) -> Vec<String> {
    let mut arguments = texts(&case["flags"]);
    arguments.push(text(&case["uri"]));
    arguments
}

/// A service as the file and the program can both be read: the parts that the expectation states.
fn row(expected: &Value, found: &(Service, String, String)) -> (Value, Value) {
    let (service, key, value) = found;
    let mut all = serde_json::json!({
        "service": service.name, "id": service.id, "ip": service.ip, "port": service.port,
        "proto": service.protocol, "tags": service.tags, "attrs": service.attributes,
        "etcd": {"key": key, "value": value},
    });
    let mut expected = expected.clone();
    let stated = expected.as_object_mut().unwrap();
    // A matter of the lease, not of the service; and what the original leaves to chance.
    stated.remove("ttl");
    stated.remove("ip_any_of");
    all.as_object_mut().unwrap().retain(|field, _| stated.contains_key(field));
    (expected, all)
}

/// Cases whose `should` is told in words only, and what they mean here.
fn in_words(name: &str) -> Option<&'static str> {
    Some(match name {
        // The compose service or the container's name.
        "image-is-an-id" => "/registrator/web/host1:web:80=10.9.17.201:8080",
        // "keep the ID", "drop-in default: same": the original's.
        "sctp" | "specific-hostip-with-ip" | "ignore-one-port-keeps-suffix" => "as the original",
        // No address that others reach: nothing is written. Without any at the start the program does not run at all.
        "v6-only-binding-no-ip" | "hostname-resolves-to-loopback" | "hostname-unresolvable" => "",
        // The program warns, and -host-name gives another; the name itself can't be asked for with the five calls.
        "registrator-in-bridge-mode" => "as the original",
        _ => return None,
    })
}

#[test]
fn all_containers_become_the_services_of_the_original_or_better_ones() {
    let file = file();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 96);
    let mut wrong = Vec::new();
    let mut deviations = 0;
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let found = run(case, &arguments(case));
        let deviates = !case["deviation"].is_null();
        deviations += usize::from(deviates);
        let words = in_words(name);
        let expected = match (&case["should_expect"], words) {
            (Value::Array(better), _) => better,
            (_, Some(list)) if list != "as the original" => {
                let keys: Vec<String> =
                    found.iter().map(|(_, key, value)| format!("{key}={value}")).collect();
                if keys.join(" ") != list {
                    wrong.push(format!("{name}: {keys:?} instead of {list:?}"));
                }
                continue;
            }
            (_, words) => {
                if deviates && words.is_none() {
                    wrong.push(format!("{name}: {} is not decided", case["should"]));
                }
                case["expect"].as_array().unwrap()
            }
        };
        let mut left: Vec<_> = found.iter().collect();
        for one in expected {
            let at = left.iter().position(|found| found.0.id == text(&one["id"]));
            let Some(at) = at else {
                wrong.push(format!("{name}: {} is missing, there is {left:?}", one["id"]));
                continue;
            };
            let (expected, is) = row(one, left.remove(at));
            if expected != is {
                wrong.push(format!("{name}:\n  should be {expected}\n  but is    {is}"));
            }
        }
        if !left.is_empty() {
            wrong.push(format!("{name}: too many: {left:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of 96:\n{}", wrong.len(), wrong.join("\n"));
    assert!(deviations > 20, "only {deviations} cases deviate");
}

#[test]
fn tags_are_split_in_the_order_of_the_original() {
    let file = file();
    let vectors = file["tag_parsing"].as_array().unwrap();
    assert_eq!(vectors.len(), 13);
    for vector in vectors {
        let found = tags::split(vector["input"].as_str().unwrap());
        assert_eq!(found, texts(&vector["exact_order"]), "{vector}");
        if let Some(sorted) = vector["unit_test_expected_sorted"].as_array() {
            let found: BTreeSet<String> = found.into_iter().collect();
            assert_eq!(found, sorted.iter().map(text).collect(), "{vector}");
        }
    }
}

/// The original's clean-up knows its own entries by this pattern. Here a key is the host's when its last part begins
/// with the host's name and a colon: all that match do, and the lease tells the rest.
#[test]
fn ids_that_name_a_host_are_known_as_that_hosts() {
    let file = file();
    let vectors = file["cleanup_id_pattern"]["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 9);
    let settings = settings(&["etcd://h/registrator".to_owned()]);
    for vector in vectors {
        let key = format!("/registrator/web/{}", text(&vector["id"]));
        if let Some(host) = vector["hostname"].as_str() {
            assert!(settings.outputs_of(host)[0].names_host(&key), "{vector}");
            assert!(!settings.outputs_of("other")[0].names_host(&key), "{vector}");
            assert!(!settings.outputs_of(&host[..host.len() - 1])[0].names_host(&key), "{vector}");
        }
    }
    assert!(!settings.outputs_of("host1")[0].names_host("/registrator/web/web-1"));
}

#[test]
fn the_formats_of_the_original_are_written_as_it_wrote_them() {
    let file = file();
    let service = Service {
        name: "web".into(),
        id: "host1:web:80".into(),
        ip: "10.9.17.201".into(),
        port: 8080,
        exposed_port: 80,
        protocol: "tcp".into(),
        tags: vec!["a".into()],
        attributes: BTreeMap::from([("region".into(), "x".into())]),
        container_id: "e20f9c1a7656".into(),
        container_name: "web".into(),
    };
    let written = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
        let outputs = settings(&arguments).outputs_of("host1");
        outputs[0].entries(&service).unwrap().remove(0)
    };
    let formats = file["backends"]["formats"].as_array().unwrap();
    let original = |scheme: &str| {
        let one = formats.iter().find(|one| text(&one["uri"]).starts_with(scheme)).unwrap();
        (text(&one["uri"]), text(&one["key"]), text(&one["value"]))
    };
    let (uri, key, value) = original("etcd://");
    assert_eq!(written(&[&uri]), (key, value));
    let (uri, key, _) = original("skydns2://");
    let (found, record) = written(&[&uri]);
    // An ID has to be one label of a DNS name, and the TTL has to be said when there is a lease.
    assert_eq!(found, key.replace(':', "-"));
    assert_eq!(record, r#"{"host":"10.9.17.201","port":8080,"ttl":30}"#);
    let (found, value) = written(&["-format", "grpc", "etcd://h/grpc"]);
    assert_eq!(found, "grpc/web/host1:web:80");
    assert_eq!(value, r#"{"Op":0,"Addr":"10.9.17.201:8080","Metadata":{"region":"x"}}"#);
    let (found, value) = written(&["-format", "traefik", "etcd://h/traefik"]);
    let number = found.strip_prefix("traefik/http/services/web/loadbalancer/servers/").unwrap();
    assert!(number.strip_suffix("/url").unwrap().parse::<i32>().is_ok(), "{found}");
    assert_eq!(value, "http://10.9.17.201:8080");
    let (_, value) = written(&["-format", "json", "etcd://h/p"]);
    let value: Value = serde_json::from_str(&value).unwrap();
    assert_eq!(value["address"], "10.9.17.201:8080");
    assert_eq!(value["tags"], serde_json::json!(["a"]));
    assert_eq!(value["attributes"]["region"], "x");
    assert_eq!(value["container"]["name"], "web");
}
