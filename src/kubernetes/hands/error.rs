//! Calls to the API server that failed, and what follows from how.

use kube::Resource;

/// The cause that the API server's namespace life cycle gives when it refuses to make an object.
const NAMESPACE_TERMINATING: &str = "NamespaceTerminating";

/// A call to the API server that did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{verb} {kind} {name}: {}", words(.source))]
pub struct CallError {
    verb: &'static str,
    kind: String,
    name: String,
    #[source]
    source: Box<kube::Error>,
}

impl CallError {
    /// Whether the object is not there (any more).
    pub fn not_found(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.is_not_found())
    }

    /// Whether an object of that name is there already.
    pub fn already_exists(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.is_already_exists())
    }

    pub(super) fn namespace_ends(&self) -> bool {
        let kube::Error::Api(status) = &*self.source else { return false };
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == NAMESPACE_TERMINATING)
    }

    /// Whether the API server understood it and does not do it, as it is.
    pub fn refused(&self) -> bool {
        let status = match &*self.source {
            kube::Error::Api(status) => status.code,
            _ => return false,
        };
        (400..500).contains(&status) && ![409, 429].contains(&status)
    }

    /// Whether the object is not the one, or not in the state, that was read.
    pub fn conflict(&self) -> bool {
        matches!(&*self.source, kube::Error::Api(status) if status.is_conflict())
    }
}

/// The API server's own sentence, where there is one.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

/// A call that did not do what it should, of the verb and kind.
pub(super) fn failed<K>(verb: &'static str, name: &str, source: kube::Error) -> CallError
where
    K: Resource,
    K::DynamicType: Default,
{
    let kind = K::kind(&K::DynamicType::default()).into_owned();
    CallError { verb, kind, name: name.to_owned(), source: Box::new(source) }
}
