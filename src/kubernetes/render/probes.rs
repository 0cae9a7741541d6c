//! What Kubernetes asks a member, and what follows from the answer.

use serde_json::{Value, json};

use crate::member::guard::words::{GUARD_PORT, METRICS_PORT};

/// When clients are sent to the member: while etcd itself says that it serves linearizable reads. It has to say so
/// within the three seconds after which clients would give up.
pub(super) fn readiness() -> Value {
    json!({
        "httpGet": {"path": "/readyz", "port": METRICS_PORT, "scheme": "HTTP"},
        "periodSeconds": 1,
        "timeoutSeconds": 3,
        "successThreshold": 1,
        "failureThreshold": 2,
    })
}

/// When the other two begin: once the guard answers, which it does after two seconds at most, whatever etcd does. So a
/// member that reads a large database or waits for a snapshot is never killed for taking its time; a node under pressure
/// has two minutes.
pub(super) fn startup() -> Value {
    json!({
        "httpGet": {"path": "/started", "port": GUARD_PORT, "scheme": "HTTP"},
        "periodSeconds": 1,
        "timeoutSeconds": 3,
        "successThreshold": 1,
        "failureThreshold": 120,
    })
}

/// When the container is started again: when the guard is stuck. Never for etcd's own health, since a restart mends
/// nothing of what makes etcd unhealthy (no quorum, no space, a slow disk) and takes one more member away.
pub(super) fn liveness() -> Value {
    json!({
        "httpGet": {"path": "/state", "port": GUARD_PORT, "scheme": "HTTP"},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "successThreshold": 1,
        "failureThreshold": 6,
    })
}
