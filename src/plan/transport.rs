//! How members are reached: in plain text or under TLS, and whom they trust. Part of what an etcd process is made from.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

/// One value for the way members talk to each other, and one for the way clients talk to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sides<T> {
    /// Among members.
    pub peer: T,
    /// Between clients and members.
    pub client: T,
}

impl<T: Default + PartialEq> Sides<T> {
    /// Whether both are as they are when nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl<T> Sides<T> {
    /// The value that each side has by its name.
    pub fn each(of: impl Fn(Side) -> T) -> Self {
        Self { peer: of(Side::Peer), client: of(Side::Client) }
    }

    /// The value of one side.
    pub fn get(&self, side: Side) -> &T {
        match side {
            Side::Peer => &self.peer,
            Side::Client => &self.client,
        }
    }

    /// The value of one side, to be changed.
    pub fn get_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Peer => &mut self.peer,
            Side::Client => &mut self.client,
        }
    }
}

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Among members.
    Peer,
    /// Between clients and members.
    Client,
}

impl Side {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Peer, Self::Client];

    /// As it is called in `spec.tls` and in names of files and Secrets.
    pub fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Client => "client",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one side of a member is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Channel {
    /// How it listens.
    pub listen: Listen,
    /// The authorities whose certificates it takes: etcd reads them only when it starts.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub trust: BTreeSet<AuthorityId>,
}

/// How a member is reached, on both sides.
pub type Transport = Sides<Channel>;

/// How one side of a member listens. Never in place on one port: each of the two schemes has a port of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listen {
    /// In plain text only.
    #[default]
    Plain,
    /// In plain text on one port and under TLS on another.
    Both,
    /// Under TLS only.
    Tls,
}

impl Listen {
    /// Whether it can be reached under a scheme.
    pub fn has(self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Http => self != Self::Tls,
            Scheme::Https => self != Self::Plain,
        }
    }

    /// As people call it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Both => "both",
            Self::Tls => "TLS",
        }
    }
}

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The one that is not this one.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Http => Self::Https,
            Self::Https => Self::Http,
        }
    }

    /// As it stands in front of `://`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// That of a URL of etcd.
    pub fn of(url: &str) -> Self {
        if url.starts_with("https://") { Self::Https } else { Self::Http }
    }
}

/// Tells a certificate authority from every other one: the beginning of the SHA-256 of its certificate, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AuthorityId(pub String);

impl fmt::Display for AuthorityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
