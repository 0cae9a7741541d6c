//! `spec.tls`: whether members and clients talk under TLS, and who their certificates are from.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{rules, scalars};
use crate::plan::{Side, certificates::Source};

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
#[x_kube(validation = rules::secret_of_a_side(), validation = rules::issuer_of_a_side())]
#[serde(rename_all = "camelCase")]
pub struct PeerTls {
    /// Managed (the operator makes the certificates and renews them), Secret (they are in a Secret that you keep),
    /// CertManager (an issuer of cert-manager makes them) or Disabled (plain text). When absent, a new cluster gets Managed,
    /// and one that is there stays as it is. A change reaches the members one by one, while the cluster serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::tls_mode())]
    pub mode: Option<String>,
    /// With the mode Secret: the Secret with ca.crt (whom members trust), tls.crt and tls.key. Those two are a certificate
    /// that all members show each other, as servers and as clients; or an authority that the operator signs theirs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::NAME_LENGTH))]
    #[x_kube(validation = rules::object_name())]
    pub secret_name: Option<String>,
    /// With the mode CertManager: the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
}

/// TLS between clients and members.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = rules::plaintext_beside_tls(),
    validation = rules::secret_of_a_side(),
    validation = rules::secret_of_clients(),
    validation = rules::issuer_of_a_side()
)]
#[serde(rename_all = "camelCase")]
pub struct ClientTls {
    /// Managed (the operator makes the certificates and renews them), Secret (they are in Secrets that you keep),
    /// CertManager (an issuer of cert-manager makes them) or Disabled (plain text). When absent, a new cluster gets Managed,
    /// and one that is there stays as it is. Under TLS a member takes clients with a certificate of the right authority
    /// only; one for them is in the Secret <cluster>-client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::WORD_LENGTH))]
    #[x_kube(validation = rules::tls_mode())]
    pub mode: Option<String>,
    /// With the mode Secret: the Secret with ca.crt (whom members and clients trust), tls.crt and tls.key. Those two are a
    /// certificate that all members show clients; or an authority that the operator signs theirs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::NAME_LENGTH))]
    #[x_kube(validation = rules::object_name())]
    pub secret_name: Option<String>,
    /// With the mode Secret: the Secret with tls.crt and tls.key that the operator shows members as a client. When absent,
    /// those of secretName.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::NAME_LENGTH))]
    #[x_kube(validation = rules::object_name())]
    pub client_secret_name: Option<String>,
    /// With the mode CertManager: the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_ref: Option<IssuerRef>,
    /// Whether members that listen for clients under TLS do so in plain text too, so that clients can be moved to TLS one
    /// after the other.
    #[serde(default, deserialize_with = "scalars::flag", skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("nullable" = true))]
    pub plaintext: bool,
}

/// An issuer of cert-manager.
#[derive(KubeSchema, Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerRef {
    /// Its name.
    #[schemars(length(max = rules::NAME_LENGTH))]
    #[x_kube(validation = rules::object_name())]
    pub name: String,
    /// Its kind; Issuer when absent, which is one of the cluster's own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::NAME_LENGTH))]
    #[x_kube(validation = rules::object_name())]
    pub kind: Option<String>,
    /// The group of its kind; cert-manager.io when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = rules::NAME_LENGTH))]
    #[x_kube(validation = rules::object_name())]
    pub group: Option<String>,
}

/// Certificates of a side that others make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// They are in Secrets.
    Secrets {
        /// That with `ca.crt`, `tls.crt` and `tls.key` for members.
        members: String,
        /// That for clients.
        clients: String,
    },
    /// An issuer of cert-manager signs them.
    Issuer(IssuerRef),
}

impl Tls {
    /// Who the certificates of a side shall be from; `None` for a mode that is absent, see [`Source::of`].
    pub fn asked(spec: Option<&Self>, side: Side) -> Option<Source> {
        let mode = match side {
            Side::Peer => &spec?.peer.as_ref()?.mode,
            Side::Client => &spec?.client.as_ref()?.mode,
        };
        Some(match mode.as_deref()? {
            "Managed" => Source::Managed,
            "Secret" | "CertManager" => Source::Given,
            _ => Source::None,
        })
    }

    /// Where the certificates of a side come from that others make; `None` for any other side.
    pub fn given(spec: Option<&Self>, side: Side) -> Option<Given> {
        let (mode, members, clients, issuer) = match side {
            Side::Peer => {
                let peer = spec?.peer.as_ref()?;
                (&peer.mode, &peer.secret_name, &None, &peer.issuer_ref)
            }
            Side::Client => {
                let client = spec?.client.as_ref()?;
                (&client.mode, &client.secret_name, &client.client_secret_name, &client.issuer_ref)
            }
        };
        match mode.as_deref()? {
            "Secret" => {
                let members = members.clone()?;
                Some(Given::Secrets { clients: clients.clone().unwrap_or_else(|| members.clone()), members })
            }
            "CertManager" => Some(Given::Issuer(issuer.clone()?)),
            _ => None,
        }
    }

    /// Whether clients are served in plain text beside TLS.
    pub fn client_plaintext(spec: Option<&Self>) -> bool {
        spec.and_then(|tls| tls.client.as_ref()).is_some_and(|client| client.plaintext)
    }
}
