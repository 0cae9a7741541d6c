//! Which rows of the classifier's table real etcd was brought to say.

use std::collections::BTreeMap;

use quorate::{
    etcd::{
        Answer, Call, Class, Failure,
        class::{Row, Scope, Sign, TABLE},
    },
    plan::version::Minor,
};

/// Stands for the member in a failure of a call that the product does not make, such as a put.
const FOREIGN: &str = "foreign";

/// The rows that were brought about, with the words that did it.
pub struct Seen {
    pub minor: Minor,
    rows: BTreeMap<usize, String>,
}

impl Seen {
    /// Nothing seen yet.
    pub fn new(minor: Minor) -> Self {
        Self { minor, rows: BTreeMap::new() }
    }

    /// Notes a failure of a client's call, and gives its class.
    pub fn note(&mut self, failure: &Failure) -> Class {
        let fits = |row: &Row| match row.sign {
            Sign::Says(text) => failure.code.is_some() && failure.message == text,
            Sign::Begins(text) => failure.code.is_some() && failure.message.starts_with(text),
            _ => true,
        };
        let row = TABLE.iter().position(|row| {
            row.scope.covers(failure.call)
                && row.why == failure.why
                && row.class == failure.class
                && fits(row)
        });
        let asked = if failure.member == FOREIGN { "another call, classed as" } else { "the call" };
        let code = failure.code.unwrap_or("not etcd's answer");
        let words = format!("{asked} {}: {} ({code})", failure.call.name(), failure.message);
        self.rows.entry(row.expect("a row of the table")).or_insert(words);
        failure.class
    }

    /// Notes what etcd said to another call of etcd-client's, as if it had been said to `call`.
    pub fn note_raw(&mut self, call: Call, error: &etcd_client::Error) -> Class {
        let etcd_client::Error::GRpcStatus(status) = error else { panic!("{error}") };
        if std::error::Error::source(status).is_some() {
            // The connection broke: no answer of etcd.
            return Class::Ambiguous;
        }
        let answer = Answer::Said { code: status.code().into(), message: status.message() };
        self.note(&Failure::new(call, FOREIGN, answer, String::new()))
    }

    /// Prints the table and checks that only those rows are missing that have a reason to.
    pub fn settle(&self) {
        let mut missing = Vec::new();
        for (index, row) in TABLE.iter().enumerate() {
            let name = format!("{:?} {:?}", row.scope, row.sign);
            match (self.rows.get(&index), excuse(row, self.minor)) {
                (Some(words), _) => println!("etcd {}: produced {name} by {words}", self.minor),
                (None, Some(reason)) => println!("etcd {}: not produced {name}: {reason}", self.minor),
                (None, None) => missing.push(name),
            }
        }
        println!("etcd {}: {} of {} rows produced", self.minor, self.rows.len(), TABLE.len());
        assert!(missing.is_empty(), "etcd {}: rows that should have been produced: {missing:#?}", self.minor);
    }
}

/// Why a row may be missing from what real etcd was brought to say.
fn excuse(row: &Row, minor: Minor) -> Option<&'static str> {
    let read = row.scope == Scope::Reads;
    match row.sign {
        Sign::Codes(_) | Sign::Otherwise => Some("it is for texts that no known version says"),
        Sign::Nonsense => Some("it takes another program on the port: see the tests without etcd"),
        Sign::Says(text) if text.ends_with("has been compacted") => {
            Some("a compaction answers with its own hash")
        }
        Sign::Says("too many requests") => Some("it takes five thousand requests in flight"),
        Sign::Says("server stopped") => {
            Some("a call must be under way as a member stops, and its connection outlive it")
        }
        Sign::Says("leader changed") if !read => Some("only linearizable reads are told so"),
        Sign::Says("leader changed") => Some("a read must be under way at the moment of an election"),
        Sign::Says("raft: stopped") if read => {
            Some("a read that needs raft must be under way as the member stops")
        }
        Sign::Says("raft: stopped") => Some("a put must be under way at the moment a member is removed"),
        Sign::Says("raft proposal dropped") if read => {
            Some("reads of alarms are as a rule answered after it")
        }
        Sign::Says("no leader") if read => Some("only a promotion is told so"),
        Sign::Says(text) if text.starts_with("auth: ") && minor != Minor::V3_5 => Some("only 3.5 says so"),
        Sign::Says("no inflight downgrade job") if minor != Minor::V3_5 => Some("only 3.5 says so"),
        Sign::Says("cluster has a downgrade job in progress") if minor == Minor::V3_5 => {
            Some("no version below it is one of Quorate's")
        }
        _ => None,
    }
}
