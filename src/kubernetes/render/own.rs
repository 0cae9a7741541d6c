//! What stays the operator's own in a template: taken out of it before the merge, and reported.
//!
//! Each of these decides which cluster a member belongs to, where it is reached, where its data lies or when clients use
//! it.

use serde_json::{Map, Value};

use super::pod;
use crate::{
    kubernetes::labels,
    member::guard::words::{self, CLIENT_PORT, CLIENT_TLS_PORT},
};

/// Fields of a Pod, each with what to do instead.
const POD_FIELDS: &[(&str, &str)] = &[
    ("hostname", "members find each other by it; remove it"),
    ("hostnameOverride", "members find each other by their names; remove it"),
    ("setHostnameAsFQDN", "members find each other by their names; remove it"),
    ("subdomain", "members find each other by it; remove it"),
    ("restartPolicy", "a member is always started again; remove it"),
    (
        "automountServiceAccountToken",
        "a member has nothing to ask of Kubernetes; mount a projected token instead",
    ),
    ("activeDeadlineSeconds", "it would end a member that is well; remove it"),
    ("ephemeralContainers", "no Pod can be made with them; use kubectl debug"),
];

/// Fields of the container of etcd, each with what to do instead.
const ETCD_FIELDS: &[(&str, &str)] = &[
    ("image", "use spec.image"),
    ("imagePullPolicy", "use spec.imagePullPolicy"),
    ("command", "the guard starts etcd; use spec.etcd for its flags"),
    ("args", "the guard starts etcd; use spec.etcd.extraArgs"),
    ("readinessProbe", "it decides when clients use a member; remove it"),
    ("terminationMessagePath", "the operator reads why a member ended; remove it"),
    ("terminationMessagePolicy", "the operator reads why a member ended; remove it"),
];

/// Fields of a Service, each with what to do instead.
const SERVICE_FIELDS: &[(&str, &str)] = &[
    ("selector", "it has to select the members; make a Service of your own"),
    ("publishNotReadyAddresses", "clients would be sent to members that do not serve; remove it"),
    ("externalName", "it would point away from the members; make a Service of your own"),
];

/// What a Pod template says and is not applied, one sentence each.
pub fn ignored(template: &Value) -> Vec<String> {
    strip_pod(template).1
}

/// What the template of the client Service says and is not applied, one sentence each.
pub fn ignored_of_service(template: &Value) -> Vec<String> {
    strip_service(template).1
}

/// A Pod template without what is the operator's own, and what that was.
pub(super) fn strip_pod(template: &Value) -> (Value, Vec<String>) {
    let mut strip = Strip::default();
    let mut template = template.clone();
    let root = "spec.podTemplate";
    strip.metadata(root, &mut template);
    if let Some(spec) = strip.object(root, &mut template, "spec") {
        let path = &format!("{root}.spec");
        strip.fields(path, spec, POD_FIELDS);
        strip.list(path, spec, "readinessGates", |_, _, _| true);
        strip.list(path, spec, "volumes", |strip, path, volume| {
            let own = named(volume, &[pod::DATA, pod::PROGRAM, pod::CERTIFICATES_VOLUME]);
            if own {
                strip.ignore(path, "it is the operator's own volume; use another name");
            }
            !own
        });
        strip.list(path, spec, "initContainers", |strip, path, container| {
            if named(container, &[labels::INIT_CONTAINER]) {
                strip.only(path, container, &["name", "resources"], "the guard is the operator's own");
            }
            true
        });
        strip.list(path, spec, "containers", |strip, path, container| {
            if named(container, &[labels::CONTAINER]) {
                strip.etcd(path, container);
            }
            true
        });
    }
    (template, strip.ignored)
}

/// The template of the client Service without what is the operator's own, and what that was.
pub(super) fn strip_service(template: &Value) -> (Value, Vec<String>) {
    let mut strip = Strip::default();
    let mut template = template.clone();
    let root = "spec.services.client";
    strip.metadata(root, &mut template);
    if let Some(spec) = strip.object(root, &mut template, "spec") {
        let path = &format!("{root}.spec");
        strip.fields(path, spec, SERVICE_FIELDS);
        if spec.get("type").and_then(Value::as_str) == Some("ExternalName") {
            spec.remove("type");
            strip.ignore(
                &format!("{path}.type"),
                "ExternalName points away from the members; use another type",
            );
        }
        strip.list(path, spec, "ports", |strip, path, port| {
            let number = port.get("port").and_then(Value::as_u64);
            if [CLIENT_PORT, CLIENT_TLS_PORT].iter().any(|own| Some(u64::from(*own)) == number) {
                let allowed = ["port", "nodePort", "appProtocol"];
                strip.only(path, port, &allowed, "clients of etcd come by this port");
            }
            true
        });
    }
    (template, strip.ignored)
}

/// Collects what was taken out.
#[derive(Default)]
struct Strip {
    ignored: Vec<String>,
}

impl Strip {
    fn ignore(&mut self, path: &str, why: &str) {
        self.ignored.push(format!("{path} is not applied: {why}"));
    }

    /// The object in a field. A null there would delete what is the operator's own.
    fn object<'a>(
        &mut self,
        path: &str,
        value: &'a mut Value,
        field: &str,
    ) -> Option<&'a mut Map<String, Value>> {
        let fields = value.as_object_mut()?;
        self.not_null(path, fields, field);
        fields.get_mut(field)?.as_object_mut()
    }

    fn not_null(&mut self, path: &str, fields: &mut Map<String, Value>, field: &str) {
        if fields.get(field).is_some_and(Value::is_null) {
            fields.remove(field);
            self.ignore(
                &format!("{path}.{field}: null"),
                "it would delete what the operator needs; delete single items",
            );
        }
    }

    fn metadata(&mut self, root: &str, template: &mut Value) {
        let Some(metadata) = self.object(root, template, "metadata") else { return };
        let path = &format!("{root}.metadata");
        metadata.retain(|field, _| {
            let keep = ["labels", "annotations"].contains(&field.as_str());
            if !keep {
                self.ignore(&format!("{path}.{field}"), "only labels and annotations are; remove it");
            }
            keep
        });
        for field in ["labels", "annotations"] {
            self.not_null(path, metadata, field);
            let Some(entries) = metadata.get_mut(field).and_then(Value::as_object_mut) else { continue };
            entries.retain(|key, _| {
                let own = labels::OWN.contains(&key.as_str())
                    || [labels::FINGERPRINT, labels::SOFT].contains(&key.as_str());
                if own {
                    self.ignore(
                        &format!("{path}.{field}.{key}"),
                        "it is the operator's own; use another key",
                    );
                }
                !own
            });
        }
    }

    fn fields(&mut self, path: &str, fields: &mut Map<String, Value>, own: &[(&str, &str)]) {
        for (field, instead) in own {
            if fields.remove(*field).is_some() {
                self.ignore(&format!("{path}.{field}"), instead);
            }
        }
    }

    /// Keeps of an object only some fields.
    fn only(&mut self, path: &str, value: &mut Value, allowed: &[&str], why: &str) {
        let Some(fields) = value.as_object_mut() else { return };
        fields.retain(|field, _| {
            let keep = allowed.contains(&field.as_str());
            if !keep {
                self.ignore(&format!("{path}.{field}"), &format!("{why}; remove it"));
            }
            keep
        });
    }

    /// Keeps of a list the items that are wanted, with what is changed in them.
    fn list(
        &mut self,
        path: &str,
        fields: &mut Map<String, Value>,
        field: &str,
        mut keep: impl FnMut(&mut Self, &str, &mut Value) -> bool,
    ) {
        self.not_null(path, fields, field);
        let Some(items) = fields.get_mut(field).and_then(Value::as_array_mut) else { return };
        let mut index = 0;
        items.retain_mut(|item| {
            let path = match item.get("name").and_then(Value::as_str) {
                Some(name) => format!("{path}.{field}[{name}]"),
                None => format!("{path}.{field}[{index}]"),
            };
            index += 1;
            keep(self, &path, item)
        });
    }

    fn etcd(&mut self, path: &str, container: &mut Value) {
        let Some(fields) = container.as_object_mut() else { return };
        self.fields(path, fields, ETCD_FIELDS);
        self.list(path, fields, "env", |strip, path, variable| {
            let name = variable.get("name").and_then(Value::as_str).unwrap_or_default();
            let own = name.starts_with("ETCD_") || pod::is_own(name);
            if own {
                strip.ignore(path, "it would change what the member is told; use spec.etcd");
            }
            !own
        });
        self.list(path, fields, "ports", |strip, path, port| {
            let number = port.get("containerPort").and_then(Value::as_u64);
            if pod::PORTS.iter().any(|(_, own)| Some(u64::from(*own)) == number) {
                let allowed = ["containerPort", "hostPort", "hostIP"];
                strip.only(path, port, &allowed, "the port is the operator's own");
            }
            true
        });
        self.list(path, fields, "volumeMounts", |strip, path, mount| {
            let at = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
            let below =
                |own: &str| at.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            // A mount below one of them would take the place of what the member keeps there.
            let own =
                [words::VOLUME, words::POD_FOLDER, words::CERTIFICATES].into_iter().find(|own| below(own));
            if let Some(own) = own {
                strip.ignore(path, &format!("{own} is the operator's own mount; use a path outside of it"));
            }
            own.is_none()
        });
    }
}

fn named(item: &Value, names: &[&str]) -> bool {
    item.get("name").and_then(Value::as_str).is_some_and(|name| names.contains(&name))
}
