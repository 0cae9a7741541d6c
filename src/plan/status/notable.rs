//! How soon people have to see a new status: each one that is shown costs a write.

use std::time::Duration;

use super::ClusterStatus;
use crate::plan::Policy;

/// The shortest time since the last status after which this one is worth a write. A condition that changed is shown at
/// once.
pub fn due_after(old: &ClusterStatus, new: &ClusterStatus, policy: &Policy) -> Duration {
    let (old, new) = (without_sizes(old), without_sizes(new));
    if old == new {
        return policy.sizes;
    }
    let (old, new) = (without_words(old), without_words(new));
    if old == new {
        return policy.words;
    }
    if without_members(old) == without_members(new) { policy.members } else { Duration::ZERO }
}

fn without_sizes(status: &ClusterStatus) -> ClusterStatus {
    let mut status = status.clone();
    status.db.clear();
    for member in &mut status.members {
        member.db_size = None;
        member.db_size_in_use = None;
        member.raft_index = None;
    }
    status
}

fn without_words(mut status: ClusterStatus) -> ClusterStatus {
    for member in &mut status.members {
        member.message = None;
    }
    for condition in &mut status.conditions {
        condition.message.clear();
    }
    if let Some(operation) = &mut status.operation {
        operation.reason.clear();
    }
    status
}

fn without_members(mut status: ClusterStatus) -> ClusterStatus {
    status.members.clear();
    status.certificates = None;
    status.cluster_id = None;
    status.size = 0;
    status.ready.clear();
    status.ready_members = 0;
    status.updated_members = 0;
    status.version = None;
    status.leader = None;
    status.term = None;
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::status::{CertificatesStatus, Condition, MemberStatus};

    fn status() -> ClusterStatus {
        ClusterStatus {
            members: vec![MemberStatus { name: "a".into(), ..MemberStatus::default() }],
            conditions: vec![Condition {
                kind: "Ready".into(),
                status: "True".into(),
                reason: "AllMembersReady".into(),
                message: "3 of 3".into(),
                last_transition_time: "then".into(),
                observed_generation: None,
            }],
            ..ClusterStatus::default()
        }
    }

    #[test]
    fn the_more_it_says_the_sooner_it_is_shown() {
        let policy = Policy::kubernetes();
        let due = |change: &dyn Fn(&mut ClusterStatus)| {
            let mut new = status();
            change(&mut new);
            due_after(&status(), &new, &policy)
        };
        assert_eq!(due(&|new| new.members[0].raft_index = Some(7)), policy.sizes);
        assert_eq!(due(&|new| new.db = "20.00 KiB".into()), policy.sizes);
        assert_eq!(due(&|new| new.conditions[0].message = "2 of 3".into()), policy.words);
        assert_eq!(due(&|new| new.members[0].ready = true), policy.members);
        assert_eq!(due(&|new| new.ready = "2/3".into()), policy.members);
        assert_eq!(due(&|new| new.certificates = Some(CertificatesStatus::default())), policy.members);
        assert_eq!(due(&|new| new.conditions[0].status = "False".into()), Duration::ZERO);
        assert_eq!(due(&|new| new.observed_generation = Some(2)), Duration::ZERO);
    }
}
