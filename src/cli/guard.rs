//! `quorate member run` and `quorate member install`: what the containers of a member's Pod run.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;

use super::{CommandError, exit::note};
use crate::{
    member::{
        Addresses,
        guard::{
            self, Setup,
            words::{ASSIGNMENT, Assignment, CERTIFICATES, GUARD_PORT, POD_FOLDER, VOLUME},
        },
    },
    telemetry::logs::{self, Above, LogFormat},
};

/// `quorate member run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// What the operator says about the member, as JSON.
    #[arg(long, env = ASSIGNMENT, hide_env_values = true, value_parser = assignment, value_name = "JSON")]
    assignment: Assignment,
    /// The etcd binary.
    #[arg(long, default_value = "/usr/local/bin/etcd", value_name = "PATH")]
    etcd: PathBuf,
    /// The member's volume.
    #[arg(long, default_value = VOLUME, value_name = "DIR")]
    volume: PathBuf,
    /// A folder that lives as long as the Pod.
    #[arg(long, default_value = POD_FOLDER, value_name = "DIR")]
    pod_folder: PathBuf,
    /// The folder of the member's certificates.
    #[arg(long, default_value = CERTIFICATES, value_name = "DIR")]
    certificates: PathBuf,
    /// The Pod's own address, which tells IPv4 from IPv6.
    #[arg(long, env = "POD_IP", value_name = "ADDRESS")]
    pod_ip: Option<IpAddr>,
    /// Where the guard answers; without it, on all addresses.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where etcd listens for clients; without it, on all addresses.
    #[arg(long, value_name = "URL")]
    client_listen: Option<String>,
    /// Where etcd listens for its peers; without it, on all addresses.
    #[arg(long, value_name = "URL")]
    peer_listen: Option<String>,
    /// Where etcd listens for health and metrics; without it, on all addresses.
    #[arg(long, value_name = "URL")]
    metrics_listen: Option<String>,
}

/// `quorate member install`.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// The folder to copy the program to.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

fn assignment(text: &str) -> Result<Assignment, serde_json::Error> {
    serde_json::from_str(text)
}

impl RunArgs {
    fn setup(self) -> Setup {
        let usual = guard::addresses(&self.assignment, self.pod_ip);
        let addresses = Addresses {
            listen_client_url: self.client_listen.unwrap_or(usual.listen_client_url),
            listen_peer_url: self.peer_listen.unwrap_or(usual.listen_peer_url),
            listen_metrics_url: self.metrics_listen.or(usual.listen_metrics_url),
            ..usual
        };
        let everywhere = SocketAddr::new(guard::everywhere(self.pod_ip), GUARD_PORT);
        Setup {
            assignment: self.assignment,
            etcd: self.etcd,
            volume: self.volume,
            pod_folder: self.pod_folder,
            certificates: self.certificates,
            listen: self.listen.unwrap_or(everywhere),
            addresses,
        }
    }
}

/// Guards a member, and ends the program as its etcd ends.
pub(super) async fn run(args: RunArgs, format: LogFormat) -> Result<(), CommandError> {
    logs::init(format, Above::default());
    let code = guard::run(args.setup()).await.map_err(CommandError::failed)?;
    // At once: a look-up of a name that hangs in the resolver must not hold the end of the Pod up.
    std::process::exit(i32::from(code))
}

/// Copies the program into a folder.
pub(super) fn install(args: &InstallArgs) -> Result<(), CommandError> {
    let path = guard::install(&args.to).map_err(CommandError::failed)?;
    note(&format!("the program was copied to {}", path.display()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command, MemberCommand};

    const MINIMAL: &str = r#"{"name":"demo-a","uid":"u","version":"3.6.16","peerUrl":"http://a:2380","clientUrl":"http://a:2379","peers":"demo"}"#;

    fn setup(further: &[&str]) -> Setup {
        let flags = ["quorate", "member", "run", "--assignment", MINIMAL];
        let cli = Cli::try_parse_from(flags.iter().chain(further)).unwrap();
        let Command::Member(MemberCommand::Run(args)) = cli.command else { panic!("{cli:?}") };
        args.setup()
    }

    #[test]
    fn in_a_pod_it_listens_on_all_addresses_of_its_family() {
        for (further, listen, client) in [
            (&["--pod-ip", "10.1.2.3"][..], "0.0.0.0:2382", "http://0.0.0.0:2379"),
            (&["--pod-ip", "fd00::3"], "[::]:2382", "http://[::]:2379"),
            (
                &["--listen", "127.0.0.1:5", "--client-listen", "http://127.0.0.1:6"],
                "127.0.0.1:5",
                "http://127.0.0.1:6",
            ),
        ] {
            let setup = setup(further);
            assert_eq!(setup.listen.to_string(), listen);
            assert_eq!(setup.addresses.listen_client_url, client);
            assert_eq!(setup.addresses.advertise_client_url, "http://a:2379");
            assert_eq!(setup.etcd, PathBuf::from("/usr/local/bin/etcd"));
        }
    }
}
