//! The view on a terminal, seen through a real one.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use quorate::plan::version::Minor;

use super::{
    common::{
        etcd::{binary, wait_until},
        up::Up,
    },
    says,
};

/// A terminal of its own; its server ends when it is dropped.
struct Terminal<'a> {
    socket: &'a Path,
}

impl Terminal<'_> {
    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").arg("-S").arg(self.socket).args(arguments).output().unwrap()
    }

    fn screen(&self) -> String {
        let output = self.run(&["capture-pane", "-p", "-t", "0"]);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn colours(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p", "-e", "-t", "0"]).stdout).into_owned()
    }

    fn wait(&self, what: &str, done: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        let limit = Duration::from_secs(60);
        wait_until(what, limit, || {
            screen = self.screen();
            done(&screen)
        });
        screen
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn a_terminal_shows_the_members_and_is_left_in_order() {
    if Command::new("tmux").arg("-V").output().is_err() {
        eprintln!("not checked: tmux is not installed");
        return;
    }
    let mut up = Up::prepare(&binary(Minor::V3_6), 3);
    let socket = up.dir().with_file_name("tmux");
    let terminal = Terminal { socket: &socket };
    assert!(
        terminal
            .run(&["-f", "/dev/null", "new-session", "-d", "-x", "110", "-y", "40", "sh"])
            .status
            .success()
    );
    let command = format!(
        "exec 3>&1; PS1='$ '; clear; {} up --dir {} --etcd {} --port {}; echo code $?",
        env!("CARGO_BIN_EXE_quorate"),
        up.dir().display(),
        up.binary.path.display(),
        up.port()
    );
    terminal.run(&["send-keys", "-l", &command]);
    terminal.run(&["send-keys", "Enter"]);
    let screen = terminal.wait("the members", |screen| screen.contains("everything is as wanted"));
    let lines: Vec<_> = screen.lines().collect();
    let view = &lines[lines.len() - 5..];
    assert!(view[0].starts_with("ready 3/3  version 3.6."), "{screen}");
    assert_eq!(view[4], "everything is as wanted", "no spinner where nothing is in progress: {screen}");
    let names = up.names();
    for name in &names {
        let rows: Vec<_> = view.iter().filter(|line| line.contains(name.as_str())).collect();
        assert!(rows.len() == 1 && rows[0].starts_with("  ● ") && rows[0].contains("http://127"), "{screen}");
    }
    assert_eq!(lines.iter().filter(|line| line.starts_with("ready ")).count(), 1, "one view: {screen}");
    assert!(lines[..lines.len() - 5].iter().any(|line| line.contains("the cluster serves")), "{screen}");
    assert!(terminal.colours().contains("\u{1b}[32m●"));

    up.succeed(&["scale", "5"]);
    up.wait_ready(5);
    up.succeed(&["scale", "3"]);
    let screen = terminal.wait("work in progress", |screen| screen.contains("clients are leaving it"));
    let work = screen.lines().last().unwrap();
    assert!(work.contains(" ScaleIn: demo-") && !work.starts_with("ScaleIn"), "a spinner in front: {screen}");
    says(&screen, &["○ demo-", "clients are told to leave it"]);
    up.wait_ready(3);
    terminal.wait("the view to calm down", |screen| screen.contains("ready 3/3"));

    terminal.run(&["send-keys", "C-c"]);
    let screen = terminal.wait("the end", |screen| screen.contains("code "));
    says(&screen, &["stopping the members", "all members are stopped", "code 0"]);
    assert!(
        !screen.contains('●') && !screen.contains("ready 3/3") && !screen.contains("everything is as wanted"),
        "the view is gone: {screen}"
    );
    // What is typed afterwards stands where it should.
    terminal.run(&["send-keys", "-l", "echo all is well"]);
    terminal.run(&["send-keys", "Enter"]);
    terminal.wait("a line that is typed", |screen| screen.lines().any(|line| line == "all is well"));
    assert!(up.processes().is_empty());
    up.kill();
}
