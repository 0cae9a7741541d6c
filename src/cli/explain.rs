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
    plan::{self, Decision, Policy},
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
    let now = Timestamp::now();
    let decision = plan::decide(&world, now);
    let status = plan::status::describe(&world, &decision, None, None, now);
    let applied = status.condition("SpecApplied").filter(|condition| condition.status == "False");
    let mut members = Vec::new();
    for one in &world.incarnations {
        let flags = platform.flags(&one.name).map_err(CommandError::failed)?;
        members.push(Member { name: one.name.0.clone(), version: one.version.to_string(), flags });
    }
    let explanation = Explanation {
        cluster: world.cluster.clone(),
        as_of: None,
        decision: verb(&decision),
        operation: decision.operation().map(|operation| operation.kind.name().to_owned()),
        reason: decision.reason().to_owned(),
        steps: decision
            .steps()
            .iter()
            .map(|step| Planned { step: step.kind().to_owned(), member: step.member().to_owned() })
            .collect(),
        not_applied: applied.map(|condition| condition.message.clone()).into_iter().collect(),
        members,
    };
    exit::print(&explanation.text(output))
}

/// What would be done next and why, on any platform.
pub(super) struct Explanation {
    /// The cluster.
    pub cluster: String,
    /// Who saw it so and when, unless it was looked at just now.
    pub as_of: Option<String>,
    /// `Act`, `Wait` or `Settled`; `InProgress` when it is not known whether it acts or waits.
    pub decision: &'static str,
    /// The work in progress.
    pub operation: Option<String>,
    /// Why.
    pub reason: String,
    /// What is done for it.
    pub steps: Vec<Planned>,
    /// What the spec says and is not applied.
    pub not_applied: Vec<String>,
    /// The members.
    pub members: Vec<Member>,
}

/// A step.
#[derive(Serialize)]
pub(super) struct Planned {
    /// Its kind.
    pub step: String,
    /// The member it is about; empty when it is about none.
    pub member: String,
}

/// A member and the flags it would be started with now; none while it is not admitted.
#[derive(Serialize)]
pub(super) struct Member {
    /// Its name.
    pub name: String,
    /// The version of etcd it was made for.
    pub version: String,
    /// Each as `--name=value`.
    pub flags: Option<Vec<String>>,
}

fn verb(decision: &Decision) -> &'static str {
    match decision {
        Decision::Act { .. } => "Act",
        Decision::Wait { .. } => "Wait",
        Decision::Settled => "Settled",
    }
}

impl Explanation {
    /// As it is printed.
    pub(super) fn text(&self, output: ExplainOutput) -> String {
        match output {
            ExplainOutput::Json => self.as_json(),
            ExplainOutput::Text => self.as_text(),
        }
    }

    fn as_json(&self) -> String {
        let mut value = json!({
            "decision": self.decision,
            "operation": self.operation,
            "reason": self.reason,
            "steps": self.steps,
            "members": self.members,
        });
        // What one sees oneself is of now, and the spec is at hand.
        if let (Some(as_of), Some(fields)) = (&self.as_of, value.as_object_mut()) {
            fields.insert("asOf".into(), json!(as_of));
            fields.insert("notApplied".into(), json!(self.not_applied));
        }
        format!("{value:#}\n")
    }

    fn as_text(&self) -> String {
        let mut text = format!("cluster {}: {}\n", self.cluster, self.reason);
        if let Some(as_of) = &self.as_of {
            text.push_str(&format!("{as_of}\n"));
        }
        for (n, Planned { step, member }) in self.steps.iter().enumerate() {
            text.push_str(&format!("  {}. {step} {member}\n", n + 1));
        }
        for reason in &self.not_applied {
            text.push_str(&format!("not applied: {reason}\n"));
        }
        for Member { name, version, flags } in &self.members {
            let flags = match flags {
                Some(flags) => format!("\n  etcd {}", flags.join(" \\\n    ")),
                None => " not admitted yet or not readable, so it has no flags".to_owned(),
            };
            text.push_str(&format!("\n{name}, etcd {version}:{flags}\n"));
        }
        text
    }
}
