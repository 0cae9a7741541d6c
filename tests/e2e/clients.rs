//! Clients that follow the client Service from plain text to TLS, and back.

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    common::load::Load,
    place::{Place, addresses, port},
    tls::{secret, soon},
};

/// The ports of a member for clients: in plain text, and under TLS.
const PLAIN: i32 = 2379;
const TLS: i32 = 2384;

/// Where clients are on their way to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Tls,
    PlainText,
}

/// What clients under TLS of a cluster `demo` need, as soon as its Secret is there.
pub fn fetch(place: &Place, folder: &Path) {
    soon("there is a Secret for clients", || secret(place, "demo-client").is_some());
    let held = secret(place, "demo-client").unwrap();
    let name = format!("demo.{}.svc", place.kubectl.name());
    for (file, text) in [
        ("name", &name),
        ("client.crt", &held["tls.crt"]),
        ("client.key", &held["tls.key"]),
        ("ca.crt", &held["ca.crt"]),
    ] {
        fs::write(folder.join(file), text).unwrap();
    }
}

/// Begins to put keys by the ports of the client Service: by the ones that are wanted in the end as soon as they are there.
/// The folder is where those clients look for certificates; as long as there are none, they stay with plain text. A
/// move takes long, and other loads do not wait for it.
pub fn load(place: &Place, rate: u32, to: To, folder: &TempDir) -> Load {
    let path = folder.path().to_owned();
    let authorities = path.join("ca.crt");
    let endpoints = place.endpoints_by("demo", move |slice| {
        let plain = port(slice, "client") == Some(PLAIN);
        let tls = port(slice, "client-tls") == Some(TLS) && authorities.exists();
        let (scheme, port) = match to {
            To::Tls if tls => ("https", TLS),
            _ if plain => ("http", PLAIN),
            _ => ("https", TLS),
        };
        addresses(slice).map(|address| format!("{scheme}://{address}:{port}")).collect()
    });
    place.load_at(endpoints, path, rate)
}
