//! A call that failed, with its class.

use std::error::Error;

use super::{
    Call,
    class::{Answer, Class, bare, classify, code_name},
};

/// A call to a member that failed: which, where, why, and what that means.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot {call} at {member}: {}: {why}", self.said())]
pub struct Failure {
    /// The call.
    pub call: Call,
    /// The URL that was asked.
    pub member: String,
    /// What to do about it.
    pub class: Class,
    /// The name of the gRPC code, when etcd itself answered.
    pub code: Option<&'static str>,
    /// What etcd or the connection said, without `etcdserver: `.
    pub message: String,
    /// Why it failed in this class, and what helps.
    pub why: &'static str,
}

impl Failure {
    /// A failure of a call at a member, classified; `message` says what happened when etcd itself said nothing.
    pub fn new(call: Call, member: &str, answer: Answer<'_>, message: String) -> Self {
        let row = classify(call, answer);
        let (code, message) = match answer {
            Answer::Said { code, message } => (Some(code_name(code)), bare(message).to_owned()),
            _ => (None, message),
        };
        Self { call, member: member.to_owned(), class: row.class, code, message, why: row.why }
    }

    /// The deadline of the call passed.
    pub(super) fn no_answer(call: Call, member: &str) -> Self {
        let message = format!("no answer within {} s", call.deadline().as_secs_f64());
        Self::new(call, member, Answer::NoAnswer, message)
    }

    /// Something answered that does not speak as etcd does.
    pub(super) fn nonsense(call: Call, member: &str, message: String) -> Self {
        Self::new(call, member, Answer::Nonsense, message)
    }

    /// Nothing was sent, because the URL itself is no good.
    pub(super) fn bad_url(call: Call, member: &str, error: &dyn Error) -> Self {
        let why = "the URL of the member can't be used";
        let message = chain(error);
        Self { call, member: member.to_owned(), class: Class::Broken, code: None, message, why }
    }

    /// What the client library reports.
    pub(super) fn of_client(call: Call, member: &str, error: &etcd_client::Error) -> Self {
        let etcd_client::Error::GRpcStatus(status) = error else {
            return Self::new(call, member, Answer::Lost, chain(error));
        };
        // What etcd answered has no source; what the transport made up has one.
        let answer = match status.source() {
            None => Answer::Said { code: status.code().into(), message: status.message() },
            Some(source) if never_sent(source) => Answer::NotSent,
            Some(_) if status.code() == tonic::Code::Internal => Answer::Nonsense,
            Some(_) => Answer::Lost,
        };
        Self::new(call, member, answer, status.source().map(chain).unwrap_or_default())
    }

    fn said(&self) -> String {
        match self.code {
            Some(code) => format!("{} ({code})", self.message),
            None => self.message.clone(),
        }
    }
}

/// Whether the connection could not even be made.
fn never_sent(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(one) = next {
        if one.is::<tonic::ConnectError>() {
            return true;
        }
        next = one.source();
    }
    false
}

/// An error with all that caused it, each said once.
pub(super) fn chain(error: &(dyn Error + '_)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let words = source.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_which_call_failed_where_and_why() {
        let answer = Answer::Said { code: 14, message: "etcdserver: unhealthy cluster" };
        let text = Failure::new(Call::AddLearner, "http://a:1", answer, String::new()).to_string();
        assert!(
            text.starts_with(
                "cannot add a learner at http://a:1: unhealthy cluster (Unavailable): etcd waits"
            ),
            "{text}"
        );
        let text = Failure::no_answer(Call::Status, "http://a:1").to_string();
        assert!(text.contains("no answer within 1.5 s"), "{text}");
    }
}
