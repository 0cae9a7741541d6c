//! Services to keys and values: what consumers of etcd read.
//!
//! Pure. Every format has its module, with the consumer it was written for and checked with.

mod grpc;
mod json;
pub mod key;
mod plain;
mod skydns;
mod traefik;

use std::{fmt, str::FromStr};

use super::service::Service;
pub use key::{BadKey, Prefix};

/// What values look like, and where their keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `ip:port`, as the original writes it: confd, go-zero, scripts.
    Plain,
    /// All that is known of the service, as JSON.
    Json,
    /// Records for CoreDNS and SkyDNS.
    Skydns,
    /// Endpoints for the resolver of etcd's Go client (`clientv3/naming`).
    Grpc,
    /// Servers for Traefik's KV provider.
    Traefik,
}

impl Format {
    /// All formats.
    pub const ALL: [Format; 5] = [Format::Plain, Format::Json, Format::Skydns, Format::Grpc, Format::Traefik];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Plain => "plain",
            Format::Json => "json",
            Format::Skydns => "skydns",
            Format::Grpc => "grpc",
            Format::Traefik => "traefik",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is none of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format: plain, json, skydns, grpc and traefik are")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let fits = |format: &&Format| format.name() == text;
        Format::ALL.iter().find(fits).copied().ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// One set of keys: a format under a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// What values look like.
    pub format: Format,
    /// What all keys begin with.
    pub prefix: Prefix,
    /// The name of the host, for values that hold it.
    pub host: String,
    /// How long a resolver may keep a record, in seconds.
    pub ttl: i64,
}

/// A key with its value.
pub type Entry = (String, String);

/// The largest value that is written, in bytes. etcd takes requests of 1.5 MiB with up to 128 of them.
const VALUE_LIMIT: usize = 64 * 1024;

impl Output {
    /// The keys and values of a service.
    ///
    /// # Errors
    /// When a name or an ID makes no key within the prefix, or a value is too large.
    pub fn entries(&self, service: &Service) -> Result<Vec<Entry>, BadKey> {
        let entries = match self.format {
            Format::Plain => plain::entries(self, service),
            Format::Json => json::entries(self, service),
            Format::Skydns => skydns::entries(self, service),
            Format::Grpc => grpc::entries(self, service),
            Format::Traefik => traefik::entries(self, service),
        }?;
        match entries.iter().find(|(_, value)| value.len() > VALUE_LIMIT) {
            Some((key, value)) => Err(BadKey::ValueTooLong { key: key.clone(), bytes: value.len() }),
            None => Ok(entries),
        }
    }

    /// Whether a key of this output belongs to the host by its ID, whoever wrote it.
    pub fn names_host(&self, key: &str) -> bool {
        let by_id = matches!(self.format, Format::Plain | Format::Json | Format::Grpc);
        let id = key.rsplit('/').next().unwrap_or_default();
        by_id && id.strip_prefix(self.host.as_str()).is_some_and(|rest| rest.starts_with(':'))
    }
}

/// `ip:port`, with brackets around an IPv6 address.
pub(super) fn join_host_port(ip: &str, port: u16) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}
