//! Making a chosen member of a cluster its leader, since whom a change meets depends on who leads.

use std::time::Duration;

use quorate::{
    etcd::{Endpoint, MemberClient, http::Http},
    plan::MemberId,
};

use super::up::Up;

/// The youngest is the first to go when the cluster shrinks.
pub fn lead_by_youngest(up: &Up) {
    if let Some(name) = by_age(up).pop() {
        lead(up, &name);
    }
}

/// The oldest is the last to go.
pub fn lead_by_oldest(up: &Up) {
    lead(up, &by_age(up)[0]);
}

/// The names of the members, the oldest first.
fn by_age(up: &Up) -> Vec<String> {
    let mut names = up.names();
    names.sort_by_key(|name| {
        let text = std::fs::read_to_string(up.member_dir(name).join("member.yaml")).unwrap();
        text.lines().find(|line| line.starts_with("created: ")).unwrap().to_owned()
    });
    names
}

/// Moves leadership to a member and waits until the status says so.
pub fn lead(up: &Up, name: &str) {
    let leader = up.leader();
    if leader == name {
        return;
    }
    let id = up.member(name).unwrap().id.unwrap();
    let leader = up.member(&leader).unwrap();
    let endpoint = Endpoint { client_url: leader.client_url, peer_url: leader.peer_url, metrics_url: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = MemberClient::new(endpoint, Http::new(), None);
        client.move_leader(MemberId(u64::from_str_radix(&id, 16).unwrap())).await.unwrap();
    });
    up.wait("the chosen one to lead", Duration::from_secs(10), |status| {
        status.leader.as_deref() == Some(name)
    });
}
