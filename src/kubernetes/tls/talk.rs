//! How the operator talks to the members of a cluster: with certificates that are made for it alone and never stored.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use rustls::{ClientConfig, pki_types::ServerName};

use crate::{
    etcd::{Credentials, CredentialsError, tls_config},
    pki::{Authorities, Certificate, PkiError, Request},
    plan::{Sides, certificates::renewal, transport::AuthorityId},
};

/// Why the operator has no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TalkError {
    /// It can't be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// It can't be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

/// The operator's own certificates of one cluster.
#[derive(Debug, Default)]
pub(in crate::kubernetes) struct Talk(Mutex<Sides<Option<Made>>>);

#[derive(Debug, Clone)]
struct Made {
    /// Who signed it, and whom it trusts.
    from: (AuthorityId, Vec<AuthorityId>),
    /// When it is made anew.
    until: Timestamp,
    config: Arc<ClientConfig>,
}

impl Talk {
    /// What to talk to members with, made anew when the authorities changed or it gets old. While nobody signs, what was
    /// made before is kept. `names` are those that every member's certificates have.
    pub(in crate::kubernetes) fn credentials(
        &self,
        known: &Sides<Authorities>,
        names: &Sides<String>,
        life: Duration,
    ) -> Result<Credentials, TalkError> {
        let now = Timestamp::now();
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        renew(&mut made.peer, &known.peer, now, life)?;
        renew(&mut made.client, &known.client, now, life)?;
        let config = |made: &Option<Made>| made.as_ref().map(|made| Arc::clone(&made.config));
        let name = |name: &String| ServerName::try_from(name.clone()).ok();
        Ok(Credentials {
            client: config(&made.client),
            peer: config(&made.peer),
            names: Sides { peer: name(&names.peer), client: name(&names.client) },
        })
    }
}

fn renew(
    made: &mut Option<Made>,
    known: &Authorities,
    now: Timestamp,
    life: Duration,
) -> Result<(), TalkError> {
    let Some(issuer) = known.issuer() else { return Ok(()) };
    let trusted = known.certificates().into_iter().map(|one| one.id).collect();
    let from = (issuer.id().clone(), trusted);
    if made.as_ref().is_some_and(|made| made.from == from && now < made.until) {
        return Ok(());
    }
    let request = Request { common_name: "quorate-operator".to_owned(), names: Vec::new() };
    let own = issuer.issue(&request, now, life)?;
    let until = renewal(now, Certificate::read(&own.certificate)?.until);
    let config = Arc::new(tls_config(&known.bundle(), Some((&own.certificate, &own.key)))?);
    *made = Some(Made { from, until, config });
    Ok(())
}
