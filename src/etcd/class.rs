//! What an answer of etcd means for whoever asked: one table for etcd 3.5, 3.6 and 3.7.
//!
//! Pure. etcd's own errors are told apart by their text, because the same error has another gRPC code in another
//! version: the errors about learners are `Unavailable` on 3.5 and `FailedPrecondition` from 3.6 on.

use std::time::Duration;

use super::Call;

/// What to do about a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What was asked for is so already.
    Done,
    /// The member to add is in the list already, perhaps by an earlier call whose answer got lost: look it up by its URL.
    MineAlready,
    /// Nothing happened, and the same call may succeed after this time.
    RetryAfter(Duration),
    /// It may have happened, or may still happen minutes later: look before doing anything else.
    Ambiguous,
    /// Nothing happened, and the same call won't succeed until a person or another change helps.
    Refused,
    /// A fault of the caller, or damage.
    Broken,
}

impl Class {
    /// A stable name, for metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Class::Done => "done",
            Class::MineAlready => "mine_already",
            Class::RetryAfter(_) => "retry_after",
            Class::Ambiguous => "ambiguous",
            Class::Refused => "refused",
            Class::Broken => "broken",
        }
    }
}

/// How a call ended, other than well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// etcd said no.
    Said {
        /// The gRPC code.
        code: i32,
        /// The message, with or without `etcdserver: ` in front.
        message: &'a str,
    },
    /// No connection could be made, so nothing was asked.
    NotSent,
    /// No answer came within the deadline.
    NoAnswer,
    /// The connection broke while the answer was awaited.
    Lost,
    /// Something answered that does not speak as etcd does.
    Nonsense,
}

/// Which calls a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    Any,
    /// Those that change nothing.
    Reads,
    /// Those that change something.
    Changes,
    /// One.
    Only(Call),
}

/// How a row recognises an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// etcd's whole text, without `etcdserver: `.
    Says(&'static str),
    /// The beginning of etcd's text.
    Begins(&'static str),
    /// One of these gRPC codes, whatever the text.
    Codes(&'static [i32]),
    /// Any other answer.
    Otherwise,
    /// [`Answer::NotSent`].
    NotSent,
    /// [`Answer::NoAnswer`].
    NoAnswer,
    /// [`Answer::Lost`].
    Lost,
    /// [`Answer::Nonsense`].
    Nonsense,
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Which calls it is about.
    pub scope: Scope,
    /// Which answers it is about.
    pub sign: Sign,
    /// What they mean.
    pub class: Class,
    /// Why, and what helps.
    pub why: &'static str,
}

const fn row(scope: Scope, sign: Sign, class: Class, why: &'static str) -> Row {
    Row { scope, sign, class, why }
}

const fn after(millis: u64) -> Class {
    Class::RetryAfter(Duration::from_millis(millis))
}

use Class::{Ambiguous, Broken, Done, MineAlready, Refused};
use Scope::{Any, Changes, Only, Reads};
use Sign::{Begins, Codes, Lost, NoAnswer, Nonsense, NotSent, Otherwise, Says};

const MAY_HAVE: &str =
    "it may have been done, or may be done once a quorum is back: read the member list first";

/// The table. The first row that fits counts, and one always does.
pub const TABLE: &[Row] = &[
    // Membership.
    row(Only(Call::Remove), Says("member not found"), Done, "the member is gone already"),
    row(
        Only(Call::AddLearner),
        Says("member not found"),
        after(1_000),
        "an ID is made from URL and second, and this ID was removed within this second",
    ),
    row(
        Changes,
        Says("member not found"),
        Ambiguous,
        "the member is not listed any more: read the list again",
    ),
    row(
        Only(Call::Promote),
        Says("can only promote a learner member which is in sync with leader"),
        after(500),
        "the learner has not caught up with the leader yet",
    ),
    row(
        Only(Call::Promote),
        Says("can only promote a learner member"),
        Done,
        "the member is a voter already",
    ),
    row(
        Only(Call::AddLearner),
        Says("Peer URLs already exists"),
        MineAlready,
        "a member with this peer URL is listed, perhaps by an earlier call: look it up",
    ),
    row(
        Only(Call::AddLearner),
        Says("member ID already exist"),
        MineAlready,
        "this URL was added a moment ago: look it up",
    ),
    row(Changes, Says("Peer URLs already exists"), Refused, "another member has this peer URL"),
    row(
        Only(Call::AddLearner),
        Says("too many learner members in cluster"),
        after(1_000),
        "there is a learner already: promote or remove it first",
    ),
    row(
        Changes,
        Says("unhealthy cluster"),
        after(1_000),
        "etcd waits until every link is 5 s old, and refuses for as long as a voter too many is down",
    ),
    row(
        Changes,
        Says("re-configuration failed due to not enough started members"),
        after(1_000),
        "a member that was added has not started yet",
    ),
    row(Changes, Says("given member URLs are invalid"), Broken, "a peer URL is not written as etcd wants it"),
    row(Any, Says("not leader"), after(100), "only the leader can do this: ask the leader"),
    row(
        Only(Call::MoveLeader),
        Says("bad leader transferee"),
        Refused,
        "only a voter can lead: choose another member",
    ),
    row(
        Any,
        Says("rpc not supported for learner"),
        after(1_000),
        "a learner does not serve this: ask a voter",
    ),
    row(
        Only(Call::Downgrade),
        Says("cluster has a downgrade job in progress"),
        Done,
        "a downgrade is enabled already: its target shows in the status",
    ),
    row(Only(Call::Downgrade), Says("no inflight downgrade job"), Done, "no downgrade is enabled"),
    row(
        Only(Call::Downgrade),
        Says("invalid downgrade target version"),
        Refused,
        "etcd goes down by one minor version only, from the cluster version",
    ),
    // Data.
    row(
        Any,
        Says("mvcc: database space exceeded"),
        Refused,
        "the alarm NOSPACE is raised: compact, defragment and disarm it, or raise the quota",
    ),
    row(
        Any,
        Says("corrupt cluster"),
        Broken,
        "the alarm CORRUPT is raised and all writes are refused: find the member whose data differs",
    ),
    row(
        Only(Call::HashKv),
        Says("mvcc: required revision is a future revision"),
        after(200),
        "the member has not come as far as this revision",
    ),
    row(
        Only(Call::HashKv),
        Says("mvcc: required revision has been compacted"),
        after(200),
        "the revision was compacted meanwhile: ask at the revision of now",
    ),
    // Authentication.
    row(Any, Says("user name is empty"), Refused, "authentication is on and no credentials were sent"),
    row(Any, Says("auth: user name is empty"), Refused, "authentication is on and no credentials were sent"),
    row(Any, Says("permission denied"), Refused, "the user may not do this: it needs the role root"),
    row(Any, Says("auth: permission denied"), Refused, "the user may not do this: it needs the role root"),
    row(
        Any,
        Says("authentication failed, invalid user ID or password"),
        Refused,
        "the credentials are wrong",
    ),
    row(
        Any,
        Says("invalid auth token"),
        Refused,
        "the token has expired or its member has restarted: log in again",
    ),
    // A quorum or leader that is missing, or a member on its way out.
    row(Changes, Begins("request timed out"), Ambiguous, MAY_HAVE),
    row(Reads, Begins("request timed out"), after(1_000), "no quorum confirmed the answer in time"),
    row(Changes, Says("context deadline exceeded"), Ambiguous, MAY_HAVE),
    row(Reads, Says("context deadline exceeded"), after(1_000), "no leader was there to answer"),
    row(Changes, Says("no leader"), Ambiguous, MAY_HAVE),
    row(Reads, Says("no leader"), after(1_000), "there is no leader to answer"),
    row(Changes, Says("leader changed"), Ambiguous, MAY_HAVE),
    row(Reads, Says("leader changed"), after(200), "the leader changed while the answer was awaited"),
    row(
        Changes,
        Says("raft proposal dropped"),
        Ambiguous,
        "the leadership is being moved; read the list first",
    ),
    row(Reads, Says("raft proposal dropped"), after(500), "the leadership is being moved"),
    row(
        Changes,
        Says("raft: stopped"),
        Ambiguous,
        "the member is stopping or was removed; read the list elsewhere",
    ),
    row(Reads, Says("raft: stopped"), after(500), "the member is stopping or was removed; ask another"),
    row(Changes, Says("server stopped"), Ambiguous, "the member is stopping; read the list elsewhere first"),
    row(Reads, Says("server stopped"), after(500), "the member is stopping; ask another"),
    row(Any, Says("too many requests"), after(1_000), "the member is overloaded and has not begun with it"),
    // The way to the member.
    row(Any, NotSent, after(500), "the member can't be reached, so nothing was asked of it"),
    row(Changes, NoAnswer, Ambiguous, MAY_HAVE),
    row(Reads, NoAnswer, after(1_000), "the member is stopped or overloaded, or there is no quorum"),
    row(Changes, Lost, Ambiguous, "the connection broke before the answer: read the member list first"),
    row(Reads, Lost, after(500), "the connection broke before the answer"),
    row(
        Changes,
        Nonsense,
        Ambiguous,
        "what answers does not speak as etcd does: is another program on this port?",
    ),
    row(
        Reads,
        Nonsense,
        Broken,
        "what answers does not speak as etcd does: is another program on this port?",
    ),
    // Texts that are not known, by their gRPC code: what was refused before it began, and then the rest.
    row(Any, Codes(&[7, 16]), Refused, "etcd does not allow this to the user"),
    row(Any, Codes(&[3]), Broken, "etcd calls the request invalid"),
    row(Any, Codes(&[12]), Broken, "what answers does not know this call: is it etcd 3.5 or newer?"),
    row(Any, Codes(&[15]), Broken, "etcd has found damaged data"),
    row(Any, Codes(&[5, 6, 8, 9, 11]), Refused, "etcd refuses this as things are"),
    row(Changes, Otherwise, Ambiguous, MAY_HAVE),
    row(Reads, Otherwise, after(1_000), "etcd could not answer"),
];

/// What [`classify`] falls back to; the last rows of the table fit every answer, so it never comes up.
const UNKNOWN: Row = row(Any, Otherwise, Ambiguous, MAY_HAVE);

/// The row of the table for an answer to a call.
pub fn classify(call: Call, answer: Answer<'_>) -> &'static Row {
    TABLE.iter().find(|row| row.scope.covers(call) && row.sign.fits(answer)).unwrap_or(&UNKNOWN)
}

/// etcd's message without the name of the part that says it.
pub fn bare(message: &str) -> &str {
    message.strip_prefix("etcdserver: ").unwrap_or(message).trim()
}

/// The name of a gRPC code.
pub fn code_name(code: i32) -> &'static str {
    const NAMES: [&str; 17] = [
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    ];
    usize::try_from(code).ok().and_then(|code| NAMES.get(code)).copied().unwrap_or("Unknown")
}

impl Scope {
    /// Whether a call is one of these.
    pub fn covers(self, call: Call) -> bool {
        match self {
            Scope::Any => true,
            Scope::Reads => !call.changes(),
            Scope::Changes => call.changes(),
            Scope::Only(only) => only == call,
        }
    }
}

impl Sign {
    fn fits(self, answer: Answer<'_>) -> bool {
        match (self, answer) {
            (Sign::Says(text), Answer::Said { message, .. }) => bare(message) == text,
            (Sign::Begins(text), Answer::Said { message, .. }) => bare(message).starts_with(text),
            (Sign::Codes(codes), Answer::Said { code, .. }) => codes.contains(&code),
            (Sign::Otherwise, _)
            | (Sign::NotSent, Answer::NotSent)
            | (Sign::NoAnswer, Answer::NoAnswer)
            | (Sign::Lost, Answer::Lost)
            | (Sign::Nonsense, Answer::Nonsense) => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(call: Call, code: i32, message: &str) -> Class {
        classify(call, Answer::Said { code, message }).class
    }

    #[test]
    fn what_etcd_says_has_a_class() {
        for (call, code, message, class) in [
            (Call::Remove, 5, "etcdserver: member not found", Done),
            (Call::Promote, 5, "etcdserver: member not found", Ambiguous),
            (Call::AddLearner, 5, "etcdserver: member not found", after(1_000)),
            (Call::Promote, 9, "etcdserver: can only promote a learner member", Done),
            (
                Call::Promote,
                9,
                "etcdserver: can only promote a learner member which is in sync with leader",
                after(500),
            ),
            (Call::AddLearner, 9, "etcdserver: Peer URLs already exists", MineAlready),
            (Call::UpdatePeerUrl, 9, "etcdserver: Peer URLs already exists", Refused),
            (Call::AddLearner, 14, "etcdserver: unhealthy cluster", after(1_000)),
            (Call::Members, 14, "etcdserver: rpc not supported for learner", after(1_000)),
            (Call::Members, 9, "etcdserver: rpc not supported for learner", after(1_000)),
            (
                Call::Remove,
                14,
                "etcdserver: request timed out, possibly due to previous leader failure",
                Ambiguous,
            ),
            (Call::Members, 14, "etcdserver: request timed out", after(1_000)),
            (Call::HashKv, 2, "auth: user name is empty", Refused),
            (Call::Remove, 13, "a text of a later version", Ambiguous),
            (Call::Remove, 9, "a text of a later version", Refused),
        ] {
            assert_eq!(said(call, code, message), class, "{call:?} {code} {message}");
        }
    }

    #[test]
    fn a_change_without_an_answer_is_never_asked_again_at_once() {
        for call in Call::ALL.into_iter().filter(|call| call.changes()) {
            for answer in [Answer::NoAnswer, Answer::Lost, Answer::Nonsense] {
                assert_eq!(classify(call, answer).class, Ambiguous, "{call:?} {answer:?}");
            }
            for code in [1, 2, 4, 10, 13, 14, 99] {
                assert_eq!(said(call, code, "unheard of"), Ambiguous, "{call:?} {code}");
            }
            assert_eq!(classify(call, Answer::NotSent).class, after(500));
        }
    }

    #[test]
    fn a_read_is_never_ambiguous_and_every_row_can_be_reached() {
        let mut reached = vec![false; TABLE.len()];
        for call in Call::ALL {
            for (index, row) in TABLE.iter().enumerate() {
                let answer = match row.sign {
                    Says(message) | Begins(message) => Answer::Said { code: 2, message },
                    Codes(codes) => Answer::Said { code: codes[0], message: "" },
                    Otherwise => Answer::Said { code: 13, message: "" },
                    NotSent => Answer::NotSent,
                    NoAnswer => Answer::NoAnswer,
                    Lost => Answer::Lost,
                    Nonsense => Answer::Nonsense,
                };
                let found = classify(call, answer);
                reached[index] |= found == row;
                assert!(call.changes() || found.class != Ambiguous, "{call:?} {answer:?}");
            }
        }
        let missed: Vec<_> =
            TABLE.iter().zip(&reached).filter(|(_, hit)| !**hit).map(|(row, _)| row).collect();
        assert!(missed.is_empty(), "{missed:?}");
    }
}
