//! The registry URI: `etcd://[user:password@]host:port[,host:port…]/prefix`.
//!
//! Pure.

use crate::registrator::layout::Format;

/// A registry URI that was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Registry {
    /// `host:port` of each endpoint.
    pub hosts: Vec<String>,
    /// Whether the endpoints are spoken to with TLS.
    pub tls: bool,
    /// User and password, when the URI has them.
    pub credentials: Option<(String, String)>,
    /// What all keys begin with, as it was written.
    pub path: String,
    /// The format that the scheme stands for.
    pub format: Format,
}

/// Why a URI can't be used. Passwords are in none of the messages.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// The words of the original.
    #[error("unrecognized adapter: {0}")]
    Unknown(String),
    /// A backend of the original that is not here.
    #[error("{scheme}:// is not supported: {instead}")]
    Elsewhere {
        /// Its scheme.
        scheme: String,
        /// What to use.
        instead: &'static str,
    },
    /// The words of the original.
    #[error("skydns2: dns domain required e.g.: skydns2://<host>/<domain>")]
    DomainRequired,
}

/// Where etcd is when nobody says so.
const DEFAULT_HOST: &str = "127.0.0.1:2379";

/// Reads a registry URI.
///
/// # Errors
/// When its scheme is not one of etcd, or its domain is missing.
pub fn parse(uri: &str) -> Result<Registry, UriError> {
    let unknown = || UriError::Unknown(without_password(uri));
    let (scheme, rest) = uri.split_once("://").ok_or_else(unknown)?;
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (format, tls) = match scheme {
        "etcd" => (Format::Plain, false),
        "etcds" => (Format::Plain, true),
        "skydns2" => (Format::Skydns, false),
        _ => return Err(elsewhere(scheme).unwrap_or_else(unknown)),
    };
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let credentials = user.map(|user| match user.split_once(':') {
        Some((user, password)) => (unescape(user), unescape(password)),
        None => (unescape(user), String::new()),
    });
    let mut hosts: Vec<String> =
        hosts.split(',').map(str::trim).filter(|host| !host.is_empty()).map(with_port).collect();
    if hosts.is_empty() {
        hosts.push(DEFAULT_HOST.to_owned());
    }
    let mut path = unescape(path);
    if format == Format::Skydns {
        let domain = path.trim_matches('/');
        if domain.is_empty() {
            return Err(UriError::DomainRequired);
        }
        let labels: Vec<&str> = domain.split('.').rev().collect();
        path = format!("skydns/{}", labels.join("/"));
    }
    Ok(Registry { hosts, tls, credentials, path, format })
}

/// What to use instead of a backend of the original.
fn elsewhere(scheme: &str) -> Option<UriError> {
    let instead = match scheme {
        "consul" | "consul-unix" | "consul-tls" | "consulkv" | "consulkv-unix" => {
            "this registrator writes to etcd v3 only; stay with gliderlabs/registrator for Consul, or use etcd://"
        }
        "zookeeper" => "this registrator writes to etcd v3 only; use etcd:// with -format json",
        _ => return None,
    };
    Some(UriError::Elsewhere { scheme: scheme.to_owned(), instead })
}

/// An endpoint with its port. An IPv6 address has to stand in brackets.
pub(super) fn with_port(host: &str) -> String {
    let after_brackets = host.rsplit_once(']').map_or(host, |(_, rest)| rest);
    if after_brackets.contains(':') { host.to_owned() } else { format!("{host}:2379") }
}

/// Takes percent-encoding away; what is none stays as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let digits = (ahead.next(), ahead.next());
        let value = |byte: u8| char::from(byte).to_digit(16);
        match (byte, digits) {
            (b'%', (Some(high), Some(low))) => match (value(high), value(low)) {
                (Some(high), Some(low)) => {
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                    rest = ahead;
                }
                _ => bytes.push(byte),
            },
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A URI as it may be shown.
pub fn without_password(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, hosts)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}:…@{hosts}{path}")
        }
        None => uri.to_owned(),
    }
}
