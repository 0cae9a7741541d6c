//! `spec.tls`: whether members and clients talk under TLS, and who their certificates are from.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{rules, scalars};
use crate::plan::{Side, Sides, certificates::Source};

/// TLS of the two sides of every member. A side whose mode is absent is under TLS in a new cluster, and stays as it is in
/// one that is there.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Among members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerTls>,
    /// Between clients and members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientTls>,
}

/// TLS among members.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerTls {
    /// Managed (the operator makes the certificates and renews them) or Disabled (plain text). A new cluster gets Managed where
    /// nothing is said, and one that is there stays as it is. A change reaches the members one by one, while the cluster serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::tls_mode())]
    pub mode: Option<String>,
}

/// TLS between clients and members.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = rules::plaintext_beside_tls())]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// Managed (the operator makes the certificates and renews them) or Disabled (plain text). A new cluster gets Managed where
    /// nothing is said, and one that is there stays as it is. Under TLS a member takes clients with a certificate of the
    /// cluster's own authority only; one for them is in the Secret <cluster>-client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::tls_mode())]
    pub mode: Option<String>,
    /// Whether members that listen for clients under TLS do so in plain text too, so that clients can be moved to TLS one
    /// after the other.
    #[serde(default, deserialize_with = "scalars::flag", skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("nullable" = true))]
    pub plaintext: bool,
}

impl Tls {
    /// Who the certificates of each side are from; `unsaid` for a mode that is absent, see [`Source::unsaid`].
    pub fn sources(spec: Option<&Self>, unsaid: impl Fn(Side) -> Source) -> Sides<Source> {
        let peer = spec.and_then(|tls| tls.peer.as_ref()).and_then(|peer| peer.mode.as_deref());
        let client = spec.and_then(|tls| tls.client.as_ref()).and_then(|client| client.mode.as_deref());
        let source = |side, mode: Option<&str>| mode.map_or_else(|| unsaid(side), source);
        Sides { peer: source(Side::Peer, peer), client: source(Side::Client, client) }
    }

    /// Whether clients are served in plain text beside TLS.
    pub fn client_plaintext(spec: Option<&Self>) -> bool {
        spec.and_then(|tls| tls.client.as_ref()).is_some_and(|client| client.plaintext)
    }
}

fn source(mode: &str) -> Source {
    match mode {
        "Managed" => Source::Managed,
        _ => Source::None,
    }
}
