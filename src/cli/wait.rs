//! `--wait`: watching the status until what was asked for is there.

use std::{io::IsTerminal, time::Duration};

use tokio::time::Instant;

use super::{
    WaitArgs,
    exit::{self, CommandError, ExitCode},
    live::LiveView,
    show,
};
use crate::{
    plan::status::ClusterStatus,
    process::{folder::Folder, lock::Lock},
};

const LOOK: Duration = Duration::from_millis(200);

/// Who acts on what was asked for, and how often it is looked whether it is done.
pub(super) struct Actor {
    /// What people call it.
    pub name: &'static str,
    /// From one look to the next.
    pub look: Duration,
}

/// Follows the status in a folder until `done` says so.
pub(super) async fn until(
    folder: &Folder,
    args: &WaitArgs,
    done: impl Fn(&ClusterStatus) -> bool,
) -> Result<(), CommandError> {
    let actor = Actor { name: "`quorate up`", look: LOOK };
    follow(&actor, args, async || {
        if !Lock::is_held(folder) {
            return Err(not_running(folder));
        }
        let status = show::read(folder)?;
        let done = done(&status);
        Ok((status, done))
    })
    .await
}

/// Looks until it is done. On a terminal with a live view, else with a line whenever the reason changes.
pub(super) async fn follow(
    actor: &Actor,
    args: &WaitArgs,
    look: impl AsyncFn() -> Result<(ClusterStatus, bool), CommandError>,
) -> Result<(), CommandError> {
    let mut view = std::io::stderr().is_terminal().then(LiveView::new);
    let deadline = Instant::now() + args.timeout;
    let mut said = String::new();
    loop {
        let (status, done) = look().await?;
        if done {
            drop(view);
            return exit::print(&format!(
                "done: {} of {} members are ready\n",
                status.ready_members, status.size
            ));
        }
        let reason = reason(&status, actor);
        match &mut view {
            Some(view) => view.show(&status),
            None if reason != said => exit::print(&format!("{reason}\n"))?,
            None => {}
        }
        said = reason;
        if Instant::now() >= deadline {
            drop(view);
            let seconds = args.timeout.as_secs();
            return Err(CommandError::new(
                ExitCode::TimedOut,
                format!("not done after {seconds} s: {said}; it goes on"),
            ));
        }
        tokio::time::sleep(actor.look).await;
    }
}

/// What is done or waited for now.
fn reason(status: &ClusterStatus, actor: &Actor) -> String {
    match (&status.operation, status.condition("Progressing")) {
        (Some(operation), _) => format!("{}: {}", operation.kind, operation.reason),
        (None, Some(condition)) if condition.reason == "Settled" => {
            format!("waiting for {} to notice", actor.name)
        }
        (None, Some(condition)) => condition.message.clone(),
        (None, None) => "no status yet".to_owned(),
    }
}

/// Nobody acts on what was asked for.
pub(super) fn not_running(folder: &Folder) -> CommandError {
    let root = folder.root().display();
    CommandError::new(
        ExitCode::NotFound,
        format!("`quorate up` does not run on {root}: start it with `quorate up --dir {root}`"),
    )
}
