//! The live view: a line a member, and one for what is in progress.

use std::{collections::BTreeMap, io::stderr, time::Duration};

use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table;
use crate::plan::status::{ClusterStatus, MemberStatus};

/// How a line looks while something is in progress, and while nothing is.
const BUSY: &str = "{spinner} {wide_msg}";
const CALM: &str = "{wide_msg}";
/// An empty line comes first: the `^C` that a terminal echoes moves the picture by a line, and the one that is then left
/// behind should be this one.
const HEAD: &str = " \n{wide_msg}";

/// Draws on standard error as long as it lives, and leaves nothing there: what is worth keeping stands in the log lines
/// above it, or is printed after it.
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
        let head = lines.add(line(HEAD));
        let work = lines.add(line(CALM));
        Self { lines, head, members: BTreeMap::new(), work }
    }

    /// Where log lines have to go so that they appear above the view.
    pub(super) fn lines(&self) -> MultiProgress {
        self.lines.clone()
    }

    /// Draws a status.
    pub(super) fn show(&mut self, status: &ClusterStatus) {
        self.head.set_message(format!(
            "ready {}/{}  version {}  {}",
            status.ready_members,
            status.size,
            status.version.as_deref().unwrap_or("-"),
            status.condition("Ready").map_or("-", |one| one.reason.as_str())
        ));
        self.members.retain(|name, bar| {
            let stays = status.members.iter().any(|one| one.name == *name);
            if !stays {
                bar.finish_and_clear();
                self.lines.remove(bar);
            }
            stays
        });
        for one in &status.members {
            let bar = self
                .members
                .entry(one.name.clone())
                .or_insert_with(|| self.lines.insert_before(&self.work, line("  {wide_msg}")));
            bar.set_message(describe(one));
        }
        match &status.operation {
            Some(operation) => {
                self.in_progress(format!("{}: {}", operation.kind, operation.reason));
            }
            None => {
                self.work.disable_steady_tick();
                set_template(&self.work, CALM);
                let calm = status.condition("Progressing").map_or("", |one| one.message.as_str());
                self.work.set_message(calm.to_owned());
            }
        }
    }

    /// Shows what is in progress, with a spinner in front.
    pub(super) fn in_progress(&self, what: String) {
        set_template(&self.work, BUSY);
        self.work.enable_steady_tick(Duration::from_millis(120));
        self.work.set_message(what);
    }
}

impl Drop for LiveView {
    fn drop(&mut self) {
        for bar in self.members.values().chain([&self.head, &self.work]) {
            bar.finish_and_clear();
        }
    }
}

fn line(template: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    set_template(&bar, template);
    bar
}

fn set_template(bar: &ProgressBar, template: &str) {
    // A template that indicatif refuses would only cost the looks of a line.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

fn describe(one: &MemberStatus) -> String {
    let size = one.db_size.and_then(|size| u64::try_from(size).ok());
    let mark = if one.ready { "●" } else { "○" };
    let detail = match (&one.message, size) {
        (Some(message), _) if !one.ready => message.clone(),
        (_, Some(size)) => format!("{}  {}", one.client_url, HumanBytes(size)),
        _ => one.client_url.clone(),
    };
    let text = format!("{mark} {:<24} {:<10} {detail}", one.name, one.role);
    match (one.ready, table::colours(&stderr())) {
        (_, false) => text,
        (true, true) => text.replacen(mark, &table::green(mark), 1),
        (false, true) => text.replacen(mark, &table::red(mark), 1),
    }
}
