//! What an answer of the API server means to the person who typed a command.

use std::error::Error;

use crate::cli::exit::{CommandError, ExitCode};

/// The message and the exit code for a call that failed. `what` names it with its object, as in `reading EtcdCluster x`.
pub(super) fn of_call(server: &str, what: &str, error: &kube::Error) -> CommandError {
    // By the code: of a path that it does not know, the server says nothing that has a reason in it.
    let (code, why) = match error {
        kube::Error::Api(status) if status.code == 403 => (
            ExitCode::Failed,
            format!(
                "{}; ask for that right: docs/operations.md lists what the commands need",
                status.message
            ),
        ),
        kube::Error::Api(status) if status.code == 401 => (
            ExitCode::Failed,
            format!("{server} does not take your credentials; log in again, or choose another --context"),
        ),
        kube::Error::Api(status) if status.code == 422 => (ExitCode::Refused, status.message.clone()),
        // Its objects are looked for in a way that takes their absence for an answer, so it is their kind that is missing.
        kube::Error::Api(status) if status.code == 404 => (
            ExitCode::NotFound,
            format!(
                "{server} does not know that kind of object ({}); install Quorate there with `kubectl apply \
                 --server-side -f deploy/quorate.yaml`, or choose another --context",
                status.message.trim()
            ),
        ),
        kube::Error::Api(status) if status.code == 409 => (
            ExitCode::Failed,
            format!("it was deleted or made anew meanwhile ({}); look again, then repeat it", status.message),
        ),
        kube::Error::Api(status) => {
            (ExitCode::Failed, format!("{server} answered {}: {}", status.code, status.message))
        }
        kube::Error::SerdeError(error) => (
            ExitCode::Failed,
            format!("{error}; this program and the definition there may be of different versions"),
        ),
        error => (
            ExitCode::Failed,
            format!(
                "no answer from {server}: {}; see whether it is reached, or choose another --context",
                chain(error)
            ),
        ),
    };
    CommandError::new(code, format!("{what}: {why}"))
}

/// An error with what is behind it: the outermost one of a connection says nothing.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        let said = error.to_string();
        if !words.contains(&said) {
            words = format!("{words}: {said}");
        }
        inner = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn every_answer_has_its_exit_code_and_says_what_to_do() {
        let api = |code: u16, message: &str| {
            kube::Error::Api(Box::new(Status { code, message: message.into(), ..Status::default() }))
        };
        for (error, code, words) in [
            (
                api(403, "etcdclusters is forbidden: User \"eve\" cannot list"),
                ExitCode::Failed,
                "ask for that right",
            ),
            (api(401, "Unauthorized"), ExitCode::Failed, "log in again"),
            (api(404, "404 page not found"), ExitCode::NotFound, "install Quorate"),
            (api(422, "spec.size: use 3, 5, 7 or 9"), ExitCode::Refused, "use 3, 5, 7 or 9"),
            (api(409, "the UID in the precondition"), ExitCode::Failed, "look again"),
            (api(500, "etcdserver: request timed out"), ExitCode::Failed, "answered 500: etcdserver"),
            (
                kube::Error::Service("refused".into()),
                ExitCode::Failed,
                "no answer from https://h: ServiceError: refused",
            ),
        ] {
            let said = of_call("https://h", "reading EtcdCluster a/demo", &error);
            assert_eq!(said.code, code, "{said}");
            assert!(said.to_string().starts_with("reading EtcdCluster a/demo: "), "{said}");
            assert!(said.to_string().contains(words), "{said}");
        }
    }
}
