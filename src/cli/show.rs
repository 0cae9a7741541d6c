//! `quorate status` and `quorate member list`: the status file, for people and programs.

use std::io::stdout;

use indicatif::HumanBytes;
use serde::Serialize;

use super::{
    Dir, ListOutput, Output,
    exit::{self, CommandError, ExitCode},
    table,
};
use crate::{
    plan::status::{ClusterStatus, MemberStatus, SideStatus},
    process::{files, folder::Folder, lock::Lock},
    yaml,
};

/// The role of a member that etcd lists and that never ran.
const UNSTARTED: &str = "unstarted";

/// `quorate status`.
pub(super) fn status(dir: &Dir, output: Output) -> Result<(), CommandError> {
    let folder = Folder::new(&dir.dir);
    let status = read(&folder)?;
    warn_if_not_running(&folder);
    exit::print(&status_text(&status, output)?)
}

/// A status as it is printed.
pub(super) fn status_text(status: &ClusterStatus, output: Output) -> Result<String, CommandError> {
    Ok(match output {
        Output::Json => serde_json::to_string_pretty(status).map_err(CommandError::failed)? + "\n",
        Output::Yaml => yaml::to_string(status).map_err(CommandError::failed)?,
        Output::Table => for_people(status, false),
        Output::Wide => for_people(status, true),
    })
}

/// `quorate member list`, in the columns of `etcdctl member list`.
pub(super) fn member_list(dir: &Dir, output: ListOutput) -> Result<(), CommandError> {
    let folder = Folder::new(&dir.dir);
    let status = read(&folder)?;
    warn_if_not_running(&folder);
    exit::print(&list_text(&status, output)?)
}

/// A member list as it is printed.
pub(super) fn list_text(status: &ClusterStatus, output: ListOutput) -> Result<String, CommandError> {
    let mut members: Vec<&MemberStatus> = status.members.iter().filter(|one| one.id.is_some()).collect();
    // etcdctl's order: IDs as numbers, which in hex are as long as each other or shorter.
    members.sort_by_key(|one| one.id.as_ref().map(|id| (id.len(), id)));
    let rows: Vec<Vec<String>> = members.iter().map(|one| etcdctl_row(one)).collect();
    Ok(match output {
        ListOutput::Simple => rows.iter().map(|row| row.join(", ") + "\n").collect(),
        ListOutput::Table => {
            table::framed(&["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"], &rows)
        }
        ListOutput::Json => {
            let list = etcdctl_list(status, &members);
            serde_json::to_string(&list).map_err(CommandError::failed)? + "\n"
        }
    })
}

/// The status that `up` wrote last.
pub(super) fn read(folder: &Folder) -> Result<ClusterStatus, CommandError> {
    let status = files::read_yaml(&folder.status()).map_err(CommandError::failed)?;
    status.ok_or_else(|| {
        let root = folder.root().display();
        if Lock::is_held(folder) {
            return CommandError::failed(format!(
                "`quorate up` runs on {root} and has written no status yet; if that lasts, its log says why"
            ));
        }
        CommandError::new(
            ExitCode::NotFound,
            format!("there is no status in {root}: start the cluster with `quorate up --dir {root}`, or name its folder with --dir"),
        )
    })
}

/// A status nobody renews may be wrong; that is said where it does not disturb a program that reads the output.
fn warn_if_not_running(folder: &Folder) {
    if !Lock::is_held(folder) {
        let root = folder.root().display();
        exit::note(&format!("`quorate up` does not run on {root}: this is the last status it wrote"));
    }
}

fn etcdctl_row(one: &MemberStatus) -> Vec<String> {
    let started = one.role != UNSTARTED;
    vec![
        one.id.clone().unwrap_or_default(),
        if started { "started" } else { "unstarted" }.to_owned(),
        if started { one.name.clone() } else { String::new() },
        one.peer_url.clone(),
        if started { one.client_url.clone() } else { String::new() },
        (one.role == "learner").to_string(),
    ]
}

/// The answer of `etcdctl member list -w json`: the same fields in the same order, false and empty ones left out.
#[derive(Serialize)]
struct EtcdctlList<'a> {
    header: EtcdctlHeader,
    members: Vec<EtcdctlMember<'a>>,
}

#[derive(Serialize)]
struct EtcdctlHeader {
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster_id: Option<u64>,
    /// The list is read through the leader.
    #[serde(skip_serializing_if = "Option::is_none")]
    member_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raft_term: Option<i64>,
}

#[derive(Serialize)]
struct EtcdctlMember<'a> {
    #[serde(rename = "ID")]
    id: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(rename = "peerURLs")]
    peer_urls: [&'a str; 1],
    #[serde(rename = "clientURLs", skip_serializing_if = "Option::is_none")]
    client_urls: Option<[&'a str; 1]>,
    #[serde(rename = "isLearner", skip_serializing_if = "std::ops::Not::not")]
    is_learner: bool,
}

fn etcdctl_list<'a>(status: &'a ClusterStatus, members: &[&'a MemberStatus]) -> EtcdctlList<'a> {
    let number = |id: Option<&String>| id.and_then(|id| u64::from_str_radix(id, 16).ok());
    let leader = status.members.iter().find(|one| one.role == "leader");
    let member = |one: &&'a MemberStatus| {
        let started = one.role != UNSTARTED;
        EtcdctlMember {
            id: number(one.id.as_ref()),
            name: if started { &one.name } else { "" },
            peer_urls: [&one.peer_url],
            client_urls: started.then_some([&one.client_url]),
            is_learner: one.role == "learner",
        }
    };
    EtcdctlList {
        header: EtcdctlHeader {
            cluster_id: number(status.cluster_id.as_ref()),
            member_id: number(leader.and_then(|one| one.id.as_ref())),
            raft_term: status.term,
        },
        members: members.iter().map(member).collect(),
    }
}

fn for_people(status: &ClusterStatus, wide: bool) -> String {
    let dash = || "-".to_owned();
    let mut text = format!(
        "cluster {}  version {}  ready {}/{}  leader {}  term {}\n\n",
        status.cluster_id.as_deref().unwrap_or("(forming)"),
        status.version.as_deref().unwrap_or("-"),
        status.ready_members,
        status.size,
        status.leader.as_deref().unwrap_or("-"),
        status.term.map_or_else(dash, |term| term.to_string()),
    );
    let mut header = vec![
        "NAME",
        "ID",
        "ROLE",
        "READY",
        "VERSION",
        "PEER URL",
        "CLIENT URL",
        "DB SIZE",
        "RAFT INDEX",
        "ALARMS",
    ];
    if wide {
        header.extend(["IN USE", "NODE", "MESSAGE"]);
    }
    let rows: Vec<_> = status.members.iter().map(|one| row(one, wide)).collect();
    text.push_str(&table::columns(&header, &rows));
    let conditions: Vec<_> = status
        .conditions
        .iter()
        .map(|one| {
            vec![
                coloured(&one.kind, &one.status),
                one.status.clone(),
                one.reason.clone(),
                one.message.clone(),
            ]
        })
        .collect();
    if let Some(certificates) = &status.certificates {
        let sides = [("peer", &certificates.peer), ("client", &certificates.client)];
        let rows: Vec<_> = sides
            .into_iter()
            .filter_map(|(name, side)| Some(certificates_row(name, side.as_ref()?)))
            .collect();
        text.push('\n');
        let header = ["CERTIFICATES", "SOURCE", "EXPIRE", "AUTHORITY", "AUTHORITY EXPIRES", "ROTATION"];
        text.push_str(&table::columns(&header, &rows));
    }
    text.push('\n');
    text.push_str(&table::columns(&["CONDITION", "STATUS", "REASON", "MESSAGE"], &conditions));
    if let Some(operation) = &status.operation {
        let member = operation.member.as_deref().unwrap_or("-");
        let since = operation.since.as_deref().map(|since| format!(" since {since}")).unwrap_or_default();
        text.push_str(&format!("\noperation {} of {member}{since}: {}\n", operation.kind, operation.reason));
    }
    text
}

fn certificates_row(name: &str, side: &SideStatus) -> Vec<String> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    vec![
        name.to_owned(),
        side.source.clone(),
        or_dash(&side.expires),
        or_dash(&side.authority),
        or_dash(&side.authority_expires),
        or_dash(&side.step),
    ]
}

fn row(one: &MemberStatus, wide: bool) -> Vec<String> {
    let dash = || "-".to_owned();
    let bytes = |size: Option<i64>| {
        size.and_then(|size| u64::try_from(size).ok()).map_or_else(dash, |size| HumanBytes(size).to_string())
    };
    let mut cells = vec![
        one.name.clone(),
        one.id.clone().unwrap_or_else(dash),
        one.role.clone(),
        one.ready.to_string(),
        one.version.clone().unwrap_or_else(dash),
        one.peer_url.clone(),
        one.client_url.clone(),
        bytes(one.db_size),
        one.raft_index.map_or_else(dash, |index| index.to_string()),
        if one.alarms.is_empty() { dash() } else { one.alarms.join(",") },
    ];
    if wide {
        cells.push(bytes(one.db_size_in_use));
        cells.push(if one.node.is_empty() { dash() } else { one.node.clone() });
        cells.push(one.message.clone().unwrap_or_else(dash));
    }
    cells
}

/// The name of a condition, red when it is bad news. All names get the same number of invisible characters, so that the
/// columns still line up.
fn coloured(kind: &str, status: &str) -> String {
    if !table::colours(&stdout()) {
        return kind.to_owned();
    }
    let good = match kind {
        "Progressing" | "Paused" => true,
        "Degraded" | "QuorumLost" => status == "False",
        _ => status == "True",
    };
    if good { table::green(kind) } else { table::red(kind) }
}
