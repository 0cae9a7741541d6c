//! The live view: a line a member, and one for what is in progress.

use std::{collections::BTreeMap, time::Duration};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::plan::status::{ClusterStatus, MemberStatus};

/// Draws on standard error as long as it lives; leaves the last picture there.
#[derive(Debug)]
pub(super) struct LiveView {
    lines: MultiProgress,
    head: ProgressBar,
    members: BTreeMap<String, ProgressBar>,
    work: ProgressBar,
}

impl LiveView {
    pub(super) fn new() -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let head = lines.add(line("{msg}"));
        let work = lines.add(line("{spinner} {wide_msg}"));
        Self { lines, head, members: BTreeMap::new(), work }
    }

    /// Where log lines have to go so that they appear above the view.
    pub(super) fn lines(&self) -> MultiProgress {
        self.lines.clone()
    }

    /// Draws a status.
    pub(super) fn show(&mut self, status: &ClusterStatus) {
        let condition = |kind: &str| status.condition(kind).map_or("-", |one| one.reason.as_str());
        self.head.set_message(format!(
            "ready {}/{}  version {}  {}",
            status.ready_members,
            status.size,
            status.version.as_deref().unwrap_or("-"),
            condition("Ready")
        ));
        self.members.retain(|name, bar| {
            let stays = status.members.iter().any(|one| one.name == *name);
            if !stays {
                bar.finish_and_clear();
            }
            stays
        });
        for one in &status.members {
            let bar = self
                .members
                .entry(one.name.clone())
                .or_insert_with(|| self.lines.insert_before(&self.work, line("  {msg}")));
            bar.set_message(describe(one));
        }
        match &status.operation {
            Some(operation) => {
                self.work.enable_steady_tick(Duration::from_millis(120));
                self.work.set_message(format!("{}: {}", operation.kind, operation.reason));
            }
            None => {
                self.work.disable_steady_tick();
                self.work.set_message(
                    status.condition("Progressing").map_or(String::new(), |one| one.message.clone()),
                );
            }
        }
    }
}

impl Drop for LiveView {
    fn drop(&mut self) {
        for bar in self.members.values().chain([&self.head, &self.work]) {
            bar.abandon();
        }
    }
}

fn line(template: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // A template that indicatif refuses would only cost the looks of a line.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn describe(one: &MemberStatus) -> String {
    let size = one.db_size.and_then(|size| u64::try_from(size).ok());
    let mark = if one.ready { "●" } else { "○" };
    let detail = match (&one.message, size) {
        (Some(message), _) if !one.ready => message.clone(),
        (_, Some(size)) => format!("{}  {}", one.client_url, HumanBytes(size)),
        _ => one.client_url.clone(),
    };
    format!("{mark} {:<24} {:<10} {detail}", one.name, one.role)
}
