//! What happens to the calls of one life of the operator.

use std::{collections::BTreeMap, time::Duration};

use hyper::http::Method;

/// splitmix64: the same seed gives the same choices.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }
}

/// When the operator dies.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    /// At which of its writes, counted from 1.
    pub at: usize,
    /// Whether that one is carried out before.
    pub carried_out: bool,
}

/// What happens to watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watches {
    /// They end after 2 to 5 s, the last of which they may be silent in.
    pub cut: bool,
    /// Nothing comes through them for so long at first.
    pub held: Duration,
    /// How many of a hundred events are late.
    pub late: u64,
    /// How many of a hundred events never come.
    pub swallowed: u64,
}

/// Answers to lists, by what was asked for.
pub type Lists = BTreeMap<String, Vec<u8>>;

/// All of it. The default passes everything on.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub kill: Option<Kill>,
    /// The answers to writes that get lost, after those were carried out: counted from 1.
    pub lost: Option<usize>,
    /// How many of a hundred calls meet a fault.
    pub faults: u64,
    pub watches: Watches,
    /// What the first list of each kind is answered with.
    pub stale: Lists,
}

impl Script {
    /// Dies at a write.
    pub fn dying(at: usize, carried_out: bool) -> Self {
        Self { kill: Some(Kill { at, carried_out }), ..Self::default() }
    }
}

/// What a call meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An answer that is made up; whether the call was carried out before.
    Answer(u16, bool),
    /// The connection is cut; whether the call was carried out before.
    Cut(bool),
    /// No answer until whoever asks gives up; whether the call was carried out before.
    Silence(bool),
}

impl Fault {
    /// One of those that a server or a network has.
    pub fn any(dice: &mut Dice, writes: bool) -> Self {
        match dice.below(40) {
            0..8 if writes => Self::Answer(409, false),
            0..12 => Self::Answer(429, false),
            12..17 => Self::Answer(500, false),
            17..21 => Self::Answer(500, true),
            21..27 => Self::Answer(503, false),
            27..33 => Self::Cut(false),
            33..39 => Self::Cut(true),
            _ => Self::Silence(dice.below(2) == 0),
        }
    }
}

/// A call, as far as a script looks at it.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: Method,
    pub path: String,
}

impl Call {
    /// Whether it changes something; leases and events are no part of what the operator does.
    pub fn writes(&self) -> bool {
        let apart = ["/leases", "/events"].iter().any(|kind| self.path.contains(kind));
        self.method != Method::GET && !apart
    }

    pub fn watches(&self) -> bool {
        self.path.contains("watch=true") || self.path.contains("watch=1")
    }

    /// Only lists are asked for in pages.
    pub fn lists(&self) -> bool {
        self.method == Method::GET && !self.watches() && self.path.contains("limit=")
    }
}
