//! Secrets, and the Certificates of cert-manager: read when they are needed, since nothing watches Secrets.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;

use super::{Hands, Result, error::failed};
use crate::{
    kubernetes::{
        store::Identity,
        tls::{Certificate, CertificateSpec},
    },
    pki::Entries,
};

impl Hands {
    /// The Secret of that name.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>> {
        let found = self.api::<Secret>(namespace).get_opt(name).await;
        found.map_err(|source| failed::<Secret>("read", name, source))
    }

    /// Makes a Secret.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn make_secret(&self, secret: &Secret) -> Result<Secret> {
        self.create::<Secret, _>(secret).await
    }

    /// Changes entries of a Secret that is still in the very state that was read.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn change_secret(&self, secret: &Identity, entries: &Entries) -> Result<Secret> {
        let bytes = |text: &String| ByteString(text.clone().into_bytes());
        let data: BTreeMap<_, _> =
            entries.iter().map(|(name, text)| (name, text.as_ref().map(bytes))).collect();
        let version = secret.version.to_string();
        self.patch(secret, json!({ "metadata": { "resourceVersion": version }, "data": data })).await
    }

    /// The Certificate of that name; none either where nobody knows of cert-manager.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn certificate(&self, namespace: &str, name: &str) -> Result<Option<Certificate>> {
        let found = self.api::<Certificate>(namespace).get_opt(name).await;
        found.map_err(|source| failed::<Certificate>("read", name, source))
    }

    /// Makes a Certificate.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn make_certificate(&self, certificate: &Certificate) -> Result<()> {
        self.create::<Certificate, _>(certificate).await.map(drop)
    }

    /// Asks for something else with a Certificate that was read.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub async fn change_certificate(&self, found: &Certificate, spec: &CertificateSpec) -> Result<()> {
        self.patch::<Certificate>(&Identity::of(&found.metadata), json!({ "spec": spec })).await.map(drop)
    }
}
