//! Which cluster a command is about: that of a folder on this machine, or one on Kubernetes.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, builder::NonEmptyStringValueParser, error::ErrorKind,
    parser::ValueSource,
};

use super::{Cli, Command, Dir, MemberCommand};

/// Over the flags in `--help`.
pub(super) const HEADING: &str = "On Kubernetes";
/// The name by which kubectl finds the program as its plugin.
const PLUGIN: &str = "kubectl-quorate";

/// Which cluster. It is one on Kubernetes if a flag of those is given, or if the program is kubectl's plugin.
#[derive(Debug, Clone, Args)]
pub struct Target {
    #[command(flatten)]
    dir: Dir,
    /// The namespace; without it, that of the kubeconfig's context.
    #[arg(short, long, help_heading = HEADING, value_parser = NonEmptyStringValueParser::new())]
    pub(super) namespace: Option<String>,
    /// The context of the kubeconfig; without it, its current one.
    #[arg(long, help_heading = HEADING, value_name = "NAME")]
    pub(super) context: Option<String>,
    /// The kubeconfig; without it, what KUBECONFIG names, else ~/.kube/config.
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    pub(super) kubeconfig: Option<PathBuf>,
    #[arg(skip)]
    on_kubernetes: bool,
}

impl Target {
    /// The folder; `None` when the cluster is on Kubernetes.
    pub(super) fn folder(&self) -> Option<&Dir> {
        (!self.on_kubernetes).then_some(&self.dir)
    }

    fn has_flags(&self) -> bool {
        self.namespace.is_some() || self.context.is_some() || self.kubeconfig.is_some()
    }
}

impl Cli {
    /// Reads a command line. Its first word, the name of the program, tells whether it is kubectl's plugin.
    ///
    /// # Errors
    /// When it is wrong, or asks for help.
    pub fn of(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words: Vec<_> = words.into_iter().collect();
        let program = words.first().and_then(|program| Path::new(program).file_stem());
        let plugin = program.is_some_and(|name| name == PLUGIN);
        let mut command = if plugin { as_plugin(Self::command()) } else { Self::command() };
        let matches = command.try_get_matches_from_mut(words)?;
        let mut cli = Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        choose(&mut cli.command, plugin, &matches)
            .map_err(|why| command.error(ErrorKind::ArgumentConflict, why))?;
        Ok(cli)
    }
}

/// The command line as people see it behind `kubectl`: what is for folders only is not shown.
fn as_plugin(command: clap::Command) -> clap::Command {
    hide_folders(command.name(PLUGIN).bin_name("kubectl quorate"))
        .mut_subcommand("up", |up| up.hide(true))
        .mut_subcommand("down", |down| down.hide(true))
}

fn hide_folders(command: clap::Command) -> clap::Command {
    command.mut_subcommands(hide_folders).mut_args(|one| {
        let hidden = one.is_hide_set() || one.get_id() == "dir";
        one.hide(hidden)
    })
}

/// Folder or Kubernetes, and whether everything that was said fits to that.
fn choose(command: &mut Command, plugin: bool, matches: &ArgMatches) -> Result<(), &'static str> {
    let (target, named) = match command {
        Command::Status { target, cluster, all_namespaces, .. } => {
            target.on_kubernetes = *all_namespaces;
            (target, cluster.is_some())
        }
        Command::Scale { target, cluster, .. }
        | Command::Explain { target, cluster, .. }
        | Command::Member(MemberCommand::List { target, cluster, .. }) => (target, cluster.is_some()),
        Command::Replace(args) => (&mut args.target, false),
        Command::Restart(args) => (&mut args.target, args.all && args.name.is_some()),
        _ => return Ok(()),
    };
    target.on_kubernetes |= plugin || target.has_flags();
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    // A folder of the environment is for other commands of the same terminal, and no contradiction.
    let folder = innermost.value_source("dir") == Some(ValueSource::CommandLine);
    match target.on_kubernetes {
        true if folder => Err(
            "--dir names a cluster on this machine, and the rest one on Kubernetes: leave one of them out",
        ),
        false if named => Err(
            "only clusters on Kubernetes are called by name: add -n NAMESPACE, or leave the name out for \
                               the cluster of a folder (--dir)",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::of(line.split_whitespace().map(OsString::from))
    }

    fn target(line: &str) -> Target {
        match parse(line).unwrap().command {
            Command::Status { target, .. }
            | Command::Scale { target, .. }
            | Command::Explain { target, .. }
            | Command::Member(MemberCommand::List { target, .. }) => target,
            Command::Replace(args) => args.target,
            Command::Restart(args) => args.target,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_folder_is_meant_unless_something_speaks_of_kubernetes() {
        for (line, kubernetes) in [
            ("quorate status", false),
            ("quorate status --dir x", false),
            ("quorate status -A", true),
            ("quorate status -n a", true),
            ("quorate status -n a demo -o json", true),
            ("quorate status --context c", true),
            ("quorate status demo --kubeconfig f", true),
            ("kubectl-quorate status", true),
            ("/usr/bin/kubectl-quorate status demo", true),
            ("quorate member list -n a demo", true),
            ("quorate explain -n a demo", true),
            ("kubectl-quorate explain -n a", true),
            ("quorate replace demo-x", false),
            ("quorate replace -n a demo-x --wait", true),
            ("kubectl-quorate restart demo-x", true),
            ("quorate scale 5", false),
            ("kubectl-quorate scale 5 --wait", true),
        ] {
            assert_eq!(target(line).folder().is_none(), kubernetes, "{line}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (line, words) in [
            ("quorate status demo", "add -n NAMESPACE"),
            ("quorate explain demo", "add -n NAMESPACE"),
            ("quorate scale demo 5", "add -n NAMESPACE"),
            ("quorate status --dir x -n a", "leave one of them out"),
            ("kubectl-quorate status --dir x", "leave one of them out"),
            ("quorate status -A -n a", "cannot be used with"),
            ("quorate status -n", "a value is required"),
        ] {
            let said = parse(line).map(|cli| cli.command).unwrap_err();
            assert!(said.to_string().contains(words), "{line}: {said}");
            assert_eq!(said.exit_code(), 2);
        }
    }

    #[test]
    fn a_size_may_follow_a_name() {
        for (line, name, wanted) in [
            ("quorate scale 5", None, 5),
            ("quorate scale -n a demo 7 --wait", Some("demo"), 7),
            ("quorate scale -n a 7 --wait", None, 7),
            ("kubectl-quorate scale demo -3", Some("demo"), -3),
        ] {
            let Command::Scale { cluster, size, .. } = parse(line).unwrap().command else { panic!("{line}") };
            assert_eq!((cluster.as_deref(), size), (name, wanted), "{line}");
        }
    }

    #[test]
    fn help_calls_the_program_as_people_do() {
        let help = |line: &str| parse(line).unwrap_err().to_string();
        let own = help("quorate status --help");
        assert!(
            own.contains("Usage: quorate status") && own.contains("--dir") && own.contains(HEADING),
            "{own}"
        );
        let plugin = help("kubectl-quorate status --help");
        assert!(plugin.contains("Usage: kubectl quorate status") && !plugin.contains("--dir"), "{plugin}");
        let all = help("kubectl-quorate --help");
        assert!(all.contains("Usage: kubectl quorate") && !all.contains("\n  up "), "{all}");
    }
}
