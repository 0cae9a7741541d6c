//! The commands: what a person types, and what they see.

mod ask;
mod cluster;
mod down;
mod exit;
mod explain;
mod guard;
mod live;
mod manifest;
mod operator;
mod scale;
mod show;
mod table;
mod target;
mod up;
mod version;
mod wait;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use exit::{CommandError, ExitCode, note};
pub use operator::OperatorArgs;
pub use target::Target;
pub use version::Build;

use crate::telemetry::logs::LogFormat;

/// Runs etcd clusters: scale, replace and repair members without losing a write.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, arg_required_else_help = true, after_long_help = exit::HELP)]
pub struct Cli {
    /// How log lines look.
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The folder of a cluster.
#[derive(Debug, Clone, Args)]
pub struct Dir {
    /// The cluster's folder.
    #[arg(long, env = "QUORATE_DIR", default_value = "./quorate", value_name = "DIR")]
    pub dir: PathBuf,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a cluster on this machine, and keep it as its manifest says until told to stop.
    Up(UpArgs),
    /// Show the cluster's status.
    Status {
        /// Which cluster.
        #[command(flatten)]
        target: Target,
        /// The EtcdCluster, on Kubernetes; without it, the only one of the namespace.
        #[arg(value_name = "CLUSTER")]
        cluster: Option<String>,
        /// Show all clusters of all namespaces of Kubernetes, a line each.
        #[arg(short = 'A', long, conflicts_with_all = ["namespace", "cluster"], help_heading = target::HEADING)]
        all_namespaces: bool,
        /// How to print it; `json` and `yaml` have exactly the fields of the resource's status.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Show the members as etcdctl does.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Change the size of the cluster: odd, 3 to 9.
    #[command(allow_missing_positional = true)]
    Scale {
        /// Which cluster.
        #[command(flatten)]
        target: Target,
        /// The EtcdCluster, on Kubernetes; without it, the only one of the namespace.
        #[arg(value_name = "CLUSTER", allow_negative_numbers = true)]
        cluster: Option<String>,
        /// How many members.
        #[arg(allow_negative_numbers = true, value_parser = whole)]
        size: i64,
        /// Whether to wait for it.
        #[command(flatten)]
        wait: WaitArgs,
    },
    /// Replace a member by a new one with a new name and new data.
    Replace(AskArgs),
    /// Restart a member on its own data, or all members of a cluster one by one.
    Restart(RestartArgs),
    /// Replace the certificate authorities of a cluster by new ones, step by step, while it serves.
    RotateCertificates(RotateArgs),
    /// Say what would be done next and why, and the exact etcd flags of each member.
    Explain {
        /// Which cluster.
        #[command(flatten)]
        target: Target,
        /// The EtcdCluster, on Kubernetes; without it, the only one of the namespace.
        #[arg(value_name = "CLUSTER")]
        cluster: Option<String>,
        /// How to print it.
        #[arg(short, long, value_enum, default_value = "text")]
        output: ExplainOutput,
    },
    /// Check a manifest by the rules of the CustomResourceDefinition, without a cluster.
    Validate {
        /// The manifest; `-` for standard input.
        #[arg(short = 'f', long = "filename", value_name = "FILE")]
        file: PathBuf,
    },
    /// Print the CustomResourceDefinitions.
    Crds {
        /// Print only that of one kind.
        #[arg(value_name = "PLURAL", value_parser = crate::api::crds::PLURALS)]
        plural: Option<String>,
    },
    /// Look after the EtcdClusters of a Kubernetes cluster; this runs in a Pod there.
    Operator(OperatorArgs),
    /// Stop the cluster's members; their data stays.
    Down {
        /// Which cluster.
        #[command(flatten)]
        dir: Dir,
        /// Delete the members with their data too; only the manifest stays.
        #[arg(long)]
        wipe: bool,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
    /// Print the version of this program, the commit it was built from, and the versions of etcd that it runs.
    Version {
        /// How to print it.
        #[arg(short, long, value_enum, default_value = "text")]
        output: VersionOutput,
    },
}

/// `quorate up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    dir: Dir,
    /// The EtcdCluster manifest, the document that kubectl takes; without it, the folder's cluster.yaml.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    file: Option<PathBuf>,
    /// An etcd binary; repeatable, one a version. Without it, `etcd` in PATH.
    #[arg(long, env = "QUORATE_ETCD", value_delimiter = ':', value_name = "PATH")]
    etcd: Vec<PathBuf>,
    /// Where to serve /metrics, /healthz and /readyz, for instance 127.0.0.1:9180.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// The first port to try for members; each takes five of every ten from there on.
    #[arg(long, default_value_t = 2379, value_name = "PORT")]
    port: u16,
}

/// `quorate restart`.
#[derive(Debug, Args)]
pub struct RestartArgs {
    #[command(flatten)]
    target: Target,
    /// The member; with --all the cluster, on Kubernetes, unless it is the only one of the namespace.
    #[arg(required_unless_present = "all")]
    name: Option<String>,
    /// Restart all members, one at a time.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

/// `quorate rotate-certificates`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    #[command(flatten)]
    target: Target,
    /// The EtcdCluster, on Kubernetes; without it, the only one of the namespace.
    #[arg(value_name = "CLUSTER")]
    cluster: Option<String>,
}

/// `quorate replace`, and `quorate restart` of one member.
#[derive(Debug, Args)]
pub struct AskArgs {
    #[command(flatten)]
    target: Target,
    /// The member.
    name: String,
    #[command(flatten)]
    wait: WaitArgs,
}

/// Whether to wait for what was asked for.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Show the progress and return when it is done.
    #[arg(long)]
    wait: bool,
    /// Give up waiting after this many seconds; what was asked for goes on.
    #[arg(long, default_value = "600", value_name = "SECONDS", value_parser = seconds)]
    timeout: Duration,
}

fn whole(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "it is not a whole number; use 3, 5, 7 or 9")
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

/// `quorate member`.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List the members in etcdctl's own columns.
    List {
        /// Which cluster.
        #[command(flatten)]
        target: Target,
        /// The EtcdCluster, on Kubernetes; without it, the only one of the namespace.
        #[arg(value_name = "CLUSTER")]
        cluster: Option<String>,
        /// How to print it, as etcdctl's `-w`.
        #[arg(short = 'w', short_alias = 'o', long = "write-out", value_enum, default_value = "simple")]
        output: ListOutput,
    },
    /// Guard a member's etcd: what the container of its Pod runs.
    #[command(hide = true)]
    Run(Box<guard::RunArgs>),
    /// Copy this program into a folder: what the init container of a member's Pod runs.
    #[command(hide = true)]
    Install(guard::InstallArgs),
}

/// How a status is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For people with wide terminals.
    Wide,
    /// The status of the resource.
    Yaml,
    /// The status of the resource.
    Json,
}

/// How an explanation is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExplainOutput {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How the version is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VersionOutput {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How a member list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListOutput {
    /// A line a member, the fields behind commas.
    Simple,
    /// A table with lines.
    Table,
    /// For programs.
    Json,
}

/// Does what was asked for. What the build of the binary knows comes from there, since only that is compiled anew for it.
///
/// # Errors
/// When it could not be done; the error knows the exit code.
pub async fn run(cli: Cli, build: Build) -> Result<(), CommandError> {
    match cli.command {
        Command::Up(args) => up::run(args, cli.log_format).await,
        Command::Status { target, cluster, all_namespaces, output } => match target.folder() {
            Some(dir) => show::status(dir, output),
            None if all_namespaces => cluster::status_of_all(&target, output).await,
            None => cluster::status(&target, cluster.as_deref(), output).await,
        },
        Command::Member(MemberCommand::List { target, cluster, output }) => match target.folder() {
            Some(dir) => show::member_list(dir, output),
            None => cluster::member_list(&target, cluster.as_deref(), output).await,
        },
        Command::Member(MemberCommand::Run(args)) => guard::run(*args, cli.log_format).await,
        Command::Member(MemberCommand::Install(args)) => guard::install(&args),
        Command::Scale { target, cluster, size, wait } => match target.folder() {
            Some(dir) => scale::run(dir, size, &wait).await,
            None => cluster::scale(&target, cluster.as_deref(), size, &wait).await,
        },
        Command::Replace(args) => match args.target.folder() {
            Some(dir) => ask::replace(dir, &args).await,
            None => cluster::replace(&args).await,
        },
        Command::Restart(args) => match args.target.folder() {
            Some(dir) => ask::restart(dir, &args).await,
            None => cluster::restart(&args).await,
        },
        Command::RotateCertificates(args) => match args.target.folder() {
            Some(dir) => ask::rotate_certificates(dir),
            None => cluster::rotate_certificates(&args.target, args.cluster.as_deref()).await,
        },
        Command::Explain { target, cluster, output } => match target.folder() {
            Some(dir) => explain::run(dir, output).await,
            None => cluster::explain(&target, cluster.as_deref(), output).await,
        },
        Command::Validate { file } => manifest::validate(&file),
        Command::Crds { plural } => crds(plural.as_deref()),
        Command::Operator(args) => operator::run(args, cli.log_format).await,
        Command::Down { dir, wipe } => down::run(&dir, wipe).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "quorate", &mut script);
            exit::print(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).map_err(|error| {
                CommandError::failed(format!("the manual page could not be made: {error}"))
            })?;
            exit::print(&String::from_utf8_lossy(&page))
        }
        Command::Version { output } => exit::print(&version::text(build, output)?),
    }
}

/// `quorate crds`.
fn crds(plural: Option<&str>) -> Result<(), CommandError> {
    use crate::api::crds;

    let text = match plural {
        Some(plural) => crds::render_one(plural).map_err(CommandError::failed)?.unwrap_or_default(),
        None => crds::render().map_err(CommandError::failed)?,
    };
    exit::print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_negative_size_reaches_the_rule_that_explains_it() {
        let cli = Cli::try_parse_from(["quorate", "scale", "-3"]).unwrap();
        assert!(matches!(cli.command, Command::Scale { size: -3, .. }));
    }

    #[test]
    fn the_operator_needs_its_image_and_some_workers() {
        let parse = |args: &[&str]| {
            let start = ["quorate", "operator"];
            Cli::try_parse_from(start.iter().chain(args)).map_err(|error| error.to_string())
        };
        assert!(parse(&["--image", "quorate:1", "--namespace", "a", "--namespace", "b,c"]).is_ok());
        assert!(parse(&["--image", "quorate:1", "--no-leader-election", "--http", "[::]:9180"]).is_ok());
        assert!(parse(&[]).is_err_and(|said| said.contains("--image <IMAGE>")));
        for wrong in ["0", "-1", "many"] {
            let said = parse(&["--image", "quorate:1", &format!("--workers={wrong}")]).unwrap_err();
            assert!(said.contains("it is not a number of 1 or more"), "{said}");
        }
    }
}
