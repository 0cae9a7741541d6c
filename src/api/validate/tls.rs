//! The rules of `spec.tls`.

use super::{Problems, rules};
use crate::api::Tls;

pub(super) fn check(tls: &Tls, problems: &mut Problems) {
    let peer = tls.peer.as_ref().and_then(|peer| peer.mode.as_deref());
    let client = tls.client.as_ref().and_then(|client| client.mode.as_deref());
    for (side, mode) in [("peer", peer), ("client", client)] {
        if let Some(mode) = mode.filter(|mode| !rules::TLS_MODES.contains(mode)) {
            problems.add(
                format!("spec.tls.{side}.mode"),
                format!("{mode:?} does not say who the certificates are from: use Managed or Disabled"),
            );
        }
    }
    if client == Some("Disabled") && tls.client.as_ref().is_some_and(|client| client.plaintext) {
        problems.add(
            "spec.tls.client.plaintext",
            "plaintext asks for plain text beside TLS, and there is none with the mode Disabled; remove it",
        );
    }
}
