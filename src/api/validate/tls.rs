//! The rules of `spec.tls`.

use super::{Problems, rules};
use crate::api::{IssuerRef, Tls};

/// What both sides have.
#[derive(Default)]
struct Fields<'a> {
    mode: Option<&'a str>,
    secret_name: Option<&'a str>,
    client_secret_name: Option<&'a str>,
    issuer: Option<&'a IssuerRef>,
}

fn sides(tls: Option<&Tls>) -> [(&'static str, Fields<'_>); 2] {
    let peer = tls.and_then(|tls| tls.peer.as_ref());
    let client = tls.and_then(|tls| tls.client.as_ref());
    let peer = peer.map(|peer| Fields {
        mode: peer.mode.as_deref(),
        secret_name: peer.secret_name.as_deref(),
        client_secret_name: None,
        issuer: peer.issuer_ref.as_ref(),
    });
    let client = client.map(|client| Fields {
        mode: client.mode.as_deref(),
        secret_name: client.secret_name.as_deref(),
        client_secret_name: client.client_secret_name.as_deref(),
        issuer: client.issuer_ref.as_ref(),
    });
    [("peer", peer.unwrap_or_default()), ("client", client.unwrap_or_default())]
}

pub(super) fn check(tls: &Tls, problems: &mut Problems) {
    for (side, fields) in sides(Some(tls)) {
        let field = |name: &str| format!("spec.tls.{side}.{name}");
        if let Some(mode) = fields.mode.filter(|mode| !rules::TLS_MODES.contains(mode)) {
            problems.add(
                field("mode"),
                format!(
                    "{mode:?} does not say who the certificates are from: use Managed, Secret, CertManager or Disabled"
                ),
            );
        }
        if fields.secret_name.is_some() != (fields.mode == Some("Secret")) {
            problems.add(
                field("secretName"),
                "it names the Secret with ca.crt, tls.crt and tls.key: the mode Secret needs it, and no other mode has a use \
                 for it",
            );
        }
        if fields.client_secret_name.is_some() && fields.mode != Some("Secret") {
            problems.add(field("clientSecretName"), "it belongs to the mode Secret; remove it");
        }
        if fields.issuer.is_some() != (fields.mode == Some("CertManager")) {
            problems.add(
                field("issuerRef"),
                "it names the issuer of cert-manager: the mode CertManager needs it, and no other mode has a use for it",
            );
        }
        let issuer = fields.issuer.map(|issuer| {
            [
                ("issuerRef.name", Some(&issuer.name)),
                ("issuerRef.kind", issuer.kind.as_ref()),
                ("issuerRef.group", issuer.group.as_ref()),
            ]
        });
        let names = issuer.into_iter().flatten().map(|(name, text)| (name, text.map(String::as_str)));
        for (name, text) in
            names.chain([("secretName", fields.secret_name), ("clientSecretName", fields.client_secret_name)])
        {
            if text.is_some_and(|text| text.is_empty() || text.chars().count() > rules::NAME_LENGTH) {
                problems.add(
                    field(name),
                    format!("a name has 1 to {} characters; write that of an object", rules::NAME_LENGTH),
                );
            }
        }
    }
    if let Some(client) = tls.client.as_ref().filter(|client| client.mode.as_deref() == Some("Disabled"))
        && client.plaintext
    {
        problems.add(
            "spec.tls.client.plaintext",
            "plaintext asks for plain text beside TLS, and there is none with the mode Disabled; remove it",
        );
    }
}

/// Members that trust one authority and members that trust another one do not talk to each other.
pub(super) fn check_update(old: Option<&Tls>, new: Option<&Tls>, problems: &mut Problems) {
    for ((side, old), (_, new)) in sides(old).into_iter().zip(sides(new)) {
        let (from, to) = (old.mode.unwrap_or("Managed"), new.mode.unwrap_or("Managed"));
        if from != to && from != "Disabled" && to != "Disabled" {
            problems.add(
                format!("spec.tls.{side}.mode"),
                format!(
                    "the certificates cannot go from {from} to {to} at once, since members that trust different \
                     authorities do not talk to each other; set it to Disabled, wait until the members have that, and then \
                     to {to}"
                ),
            );
        }
    }
}
