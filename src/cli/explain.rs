//! `quorate explain`: what would be done next and why, and the exact flags of each member. It changes nothing.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::{
    Dir, ExplainOutput,
    exit::{self, CommandError, ExitCode},
};
use crate::{
    engine::{Clients, look},
    plan::{self, Decision, Policy, World},
    process::{ProcessPlatform, binaries::Binaries, folder::Folder},
    telemetry::metrics::Metrics,
};

pub(super) async fn run(dir: &Dir, output: ExplainOutput) -> Result<(), CommandError> {
    let folder = Folder::new(&dir.dir);
    if !folder.record().exists() {
        let root = folder.root().display();
        return Err(CommandError::new(
            ExitCode::NotFound,
            format!("there is no cluster in {root}: name its folder with --dir"),
        ));
    }
    let platform = ProcessPlatform::new(folder, Binaries::default(), 0);
    let (observed, _) = platform.glance().map_err(CommandError::failed)?;
    let mut clients = Clients::new(Arc::new(Metrics::default()));
    let world = look(observed, &mut clients, Policy::default(), None).await;
    let decision = plan::decide(&world, Timestamp::now());
    let mut members = Vec::new();
    for one in &world.incarnations {
        let flags = platform.flags(&one.name).map_err(CommandError::failed)?;
        members.push(Member { name: one.name.0.clone(), version: one.version.to_string(), flags });
    }
    exit::print(&match output {
        ExplainOutput::Json => as_json(&decision, &members),
        ExplainOutput::Text => as_text(&world, &decision, &members),
    })
}

/// A member and the flags it would be started with now; none while it is not admitted.
#[derive(Serialize)]
struct Member {
    name: String,
    version: String,
    flags: Option<Vec<String>>,
}

fn verb(decision: &Decision) -> &'static str {
    match decision {
        Decision::Act { .. } => "Act",
        Decision::Wait { .. } => "Wait",
        Decision::Settled => "Settled",
    }
}

fn as_json(decision: &Decision, members: &[Member]) -> String {
    let steps: Vec<_> =
        decision.steps().iter().map(|step| json!({"step": step.kind(), "member": step.member()})).collect();
    let value = json!({
        "decision": verb(decision),
        "operation": decision.operation().map(|operation| operation.kind.name()),
        "reason": decision.reason(),
        "steps": steps,
        "members": members,
    });
    format!("{value:#}\n")
}

fn as_text(world: &World, decision: &Decision, members: &[Member]) -> String {
    let mut text = format!("cluster {}: {}\n", world.cluster, decision.reason());
    for (n, step) in decision.steps().iter().enumerate() {
        text.push_str(&format!("  {}. {} {}\n", n + 1, step.kind(), step.member()));
    }
    for reason in &world.desired.not_applied {
        text.push_str(&format!("not applied: {reason}\n"));
    }
    for Member { name, version, flags } in members {
        let flags = match flags {
            Some(flags) => format!("\n  etcd {}", flags.join(" \\\n    ")),
            None => " not admitted yet or not readable, so it has no flags".to_owned(),
        };
        text.push_str(&format!("\n{name}, etcd {version}:{flags}\n"));
    }
    text
}
