//! The command line: the flags of gliderlabs/registrator with their meaning, and those that are new.
//!
//! Pure: arguments and a look into the environment in, settings or the words of a refusal out.

pub mod flags;
mod table;
pub mod uri;

use core::net::SocketAddr;
use std::{fmt, time::Duration};

use super::{
    diff::OnConflict,
    layout::{Format, Output, Prefix},
    service::Rules,
    template::Template,
};
use crate::telemetry::logs::LogFormat;
use flags::{FlagError, Given};

/// All that was asked for.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The URI, without a password.
    pub uri: String,
    /// What decides about services.
    pub rules: Rules,
    /// The template of `-tags`.
    pub tags: Template,
    /// Formats with the prefixes that were asked for; the first is that of the URI.
    pub outputs: Vec<(Format, Prefix)>,
    /// How to reach etcd.
    pub etcd: Access,
    /// How long keys live without a sign of this process, in seconds; nothing means without a lease.
    pub lease_ttl: Option<i64>,
    /// How often the lease is kept alive.
    pub refresh: Duration,
    /// How often everything is looked at anew.
    pub resync: Duration,
    /// `-deregister=on-success`: keys of containers that failed stay until their time is over.
    pub on_success: bool,
    /// `-deregister-on-stop`: keys go when a container is asked to stop, before it ends.
    pub on_stop: bool,
    /// Whether keys go when this process is told to end.
    pub on_exit: bool,
    /// What to do about keys of others.
    pub on_conflict: OnConflict,
    /// How many tries follow the first before the program ends; nothing means no end.
    pub retry_attempts: Option<u64>,
    /// How long to wait before the next try at the start.
    pub retry_interval: Duration,
    /// Where metrics and health are served.
    pub listen: Option<SocketAddr>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// `-host-name`.
    pub host_name: Option<String>,
    /// Only print what would be written.
    pub dry_run: bool,
    /// Which engine to listen to.
    pub docker: DockerAccess,
}

/// How to reach etcd.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// URLs of the endpoints.
    pub endpoints: Vec<String>,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// File with the certificates that etcd's is checked against.
    pub ca_file: Option<String>,
    /// File with this program's certificate.
    pub cert_file: Option<String>,
    /// File with its key.
    pub key_file: Option<String>,
    /// File with the password, when it is in one; it is read at every login.
    pub password_file: Option<String>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        f.debug_struct("Access")
            .field("endpoints", &self.endpoints)
            .field("user", &user)
            .finish_non_exhaustive()
    }
}

/// Which engine to listen to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerAccess {
    /// `DOCKER_HOST`, if it is set.
    pub host: Option<String>,
    /// `DOCKER_CERT_PATH`, when `DOCKER_TLS_VERIFY` is set.
    pub cert_path: Option<String>,
    /// `XDG_RUNTIME_DIR`, where sockets of engines without root are.
    pub runtime_dir: Option<String>,
}

/// Why the program does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The exit code: 2 for a wrong command line, 1 for values that don't fit, 0 when help was asked for.
    pub code: u8,
    /// What to say on stderr.
    pub message: String,
}

impl Refusal {
    fn usage(message: &str) -> Self {
        let usage = format!(
            "Usage of registrator:\n  registrator [options] <registry URI>\n\n{}",
            flags::describe(table::FLAGS)
        );
        let message = if message.is_empty() { usage } else { format!("{message}\n\n{usage}") };
        Self { code: 2, message }
    }

    fn value(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// Print the version.
    Version,
    /// Run.
    Run(Box<Settings>),
}

/// How long keys live when nobody says otherwise, in seconds.
const LEASE_TTL: i64 = 30;

/// How often everything is looked at anew, when nobody says otherwise.
const RESYNC: Duration = Duration::from_secs(60);

/// Reads the arguments behind the program's name.
///
/// # Errors
/// With the exit code and the words of the original.
pub fn parse(arguments: &[String], environment: &dyn Fn(&str) -> Option<String>) -> Result<Asked, Refusal> {
    if matches!(arguments, [only] if only == "--version") {
        return Ok(Asked::Version);
    }
    let given = flags::parse(table::FLAGS, arguments).map_err(|error| match error {
        FlagError::Help => Refusal { code: 0, ..Refusal::usage("") },
        FlagError::Wrong(message) => Refusal::usage(&message),
    })?;
    let uri = match given.arguments.as_slice() {
        [] => return Err(Refusal::usage("Missing required argument for registry URI.")),
        [uri] => uri,
        [_, extra @ ..] => {
            let extra = extra.join(" ");
            return Err(Refusal::usage(&format!(
                "Extra unparsed arguments:\n  {extra}\nOptions should come before the registry URI argument."
            )));
        }
    };
    settings(&given, uri, environment).map(|settings| Asked::Run(Box::new(settings)))
}

fn settings(
    given: &Given,
    uri: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Refusal> {
    let (lease_ttl, refresh) = lease(given)?;
    let on_success = match given.text("deregister").unwrap_or("always") {
        "always" => false,
        "on-success" => true,
        _ => return Err(Refusal::value("-deregister must be \"always\" or \"on-success\"")),
    };
    let retry_interval = given.integer("retry-interval").unwrap_or(2000);
    let retry_interval = match u64::try_from(retry_interval) {
        Ok(millis) if millis > 0 => Duration::from_millis(millis),
        _ => return Err(Refusal::value("-retry-interval must be greater than 0")),
    };
    let registry = uri::parse(uri).map_err(|error| Refusal::value(error.to_string()))?;
    let outputs = outputs(given, &registry)?;
    let etcd = access(registry, environment)?;
    let tags = Template::parse(given.text("tags").unwrap_or_default(), given.switch("allow-http-get"))
        .map_err(|error| Refusal::value(error.to_string()))?;
    let choice = |name: &str, allowed: [&str; 2]| match given.text(name).unwrap_or(allowed[0]) {
        value if value == allowed[0] => Ok(false),
        value if value == allowed[1] => Ok(true),
        _ => Err(Refusal::value(format!("-{name} must be {:?} or {:?}", allowed[0], allowed[1]))),
    };
    let listen = given.filled("listen").map(|address| address_of(&address)).transpose()?;
    let resync = u64::try_from(given.integer("resync").unwrap_or(0)).unwrap_or(0);
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    Ok(Settings {
        uri: uri::without_password(uri),
        rules: Rules {
            ip: given.filled("ip"),
            internal: given.switch("internal"),
            explicit: given.switch("explicit"),
            ip_label: given.filled("useIpFromLabel"),
            network: given.filled("network"),
            healthy_only: given.switch("health"),
            unless_paused: choice("pause", ["keep", "remove"])?,
        },
        tags,
        outputs,
        etcd,
        lease_ttl,
        refresh,
        resync: if resync == 0 { RESYNC } else { Duration::from_secs(resync) },
        on_success,
        on_stop: given.switch("deregister-on-stop"),
        on_exit: given.text("deregister-on-exit").is_none() || given.switch("deregister-on-exit"),
        on_conflict: match choice("on-conflict", ["keep", "take"])? {
            true => OnConflict::Take,
            false => OnConflict::Keep,
        },
        retry_attempts: u64::try_from(given.integer("retry-attempts").unwrap_or(0)).ok(),
        retry_interval,
        listen,
        log_format: if choice("log-format", ["text", "json"])? { LogFormat::Json } else { LogFormat::Text },
        host_name: given.filled("host-name"),
        dry_run: given.switch("dry-run"),
        docker: DockerAccess {
            host: set("DOCKER_HOST"),
            cert_path: set("DOCKER_TLS_VERIFY").and(set("DOCKER_CERT_PATH")),
            runtime_dir: set("XDG_RUNTIME_DIR"),
        },
    })
}

/// `-ttl` and `-ttl-refresh` of the original, or `-lease-ttl`.
fn lease(given: &Given) -> Result<(Option<i64>, Duration), Refusal> {
    let ttl = given.integer("ttl").unwrap_or(0);
    let refresh = given.integer("ttl-refresh").unwrap_or(0);
    if (ttl == 0) != (refresh == 0) {
        return Err(Refusal::value("-ttl and -ttl-refresh must be specified together or not at all"));
    }
    if ttl > 0 && ttl <= refresh {
        return Err(Refusal::value("-ttl must be greater than -ttl-refresh"));
    }
    let asked = match given.integer("lease-ttl") {
        Some(asked) => Some(asked),
        None if ttl > 0 => Some(ttl),
        // Keys that outlive their host are what this program is there to prevent, so that has to be said in so many words.
        None => given.integer("ttl").or(Some(LEASE_TTL)).filter(|ttl| *ttl != 0),
    };
    let asked = asked.filter(|ttl| *ttl != 0);
    if asked.is_some_and(|ttl| !(2..=9_000_000_000).contains(&ttl)) {
        return Err(Refusal::value("-ttl and -lease-ttl must be 0 or between 2 and 9000000000 seconds"));
    }
    let third = asked.unwrap_or(LEASE_TTL) * 1000 / 3;
    let millis = if refresh > 0 { third.min(refresh * 1000) } else { third };
    Ok((asked, Duration::from_millis(u64::try_from(millis).unwrap_or(1000))))
}

fn outputs(given: &Given, registry: &uri::Registry) -> Result<Vec<(Format, Prefix)>, Refusal> {
    let format = match given.filled("format") {
        Some(name) => name.parse().map_err(|error| Refusal::value(format!("-format: {error}")))?,
        None => registry.format,
    };
    let mut outputs = vec![output(format, &registry.path)];
    for text in given.all("output") {
        let Some((format, prefix)) = text.split_once('=') else {
            let words = "-output must be FORMAT=PREFIX, for instance skydns=/skydns/local/cluster";
            return Err(Refusal::value(words));
        };
        let format = format.parse().map_err(|error| Refusal::value(format!("-output: {error}")))?;
        outputs.push(output(format, prefix));
    }
    // CoreDNS fails a whole answer for one value below its path that is not its own, and Traefik refuses the update.
    for (at, (format, prefix)) in outputs.iter().enumerate() {
        for (other, elsewhere) in outputs.iter().skip(at + 1) {
            let (a, b) = (prefix.as_str(), elsewhere.as_str());
            if a.starts_with(b) || b.starts_with(a) {
                return Err(Refusal::value(format!(
                    "the outputs {format} and {other} share the prefix {prefix}: give each its own"
                )));
            }
        }
    }
    Ok(outputs)
}

/// Keys begin with a slash, except where the consumer wants none.
fn output(format: Format, prefix: &str) -> (Format, Prefix) {
    (format, Prefix::new(prefix, !matches!(format, Format::Grpc | Format::Traefik)))
}

impl Settings {
    /// The outputs for a host.
    pub fn outputs_of(&self, host: &str) -> Vec<Output> {
        let ttl = self.lease_ttl.unwrap_or(LEASE_TTL);
        let output = |(format, prefix): &(Format, Prefix)| Output {
            format: *format,
            prefix: prefix.clone(),
            host: host.to_owned(),
            ttl,
        };
        self.outputs.iter().map(output).collect()
    }
}

fn access(registry: uri::Registry, environment: &dyn Fn(&str) -> Option<String>) -> Result<Access, Refusal> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty());
    let ca_file = set("ETCD_CA_CERT_FILE");
    let (cert_file, key_file) = (set("ETCD_CERT_FILE"), set("ETCD_KEY_FILE"));
    if cert_file.is_some() != key_file.is_some() {
        return Err(Refusal::value("ETCD_CERT_FILE and ETCD_KEY_FILE must be set together or not at all"));
    }
    let scheme = if registry.tls || ca_file.is_some() || cert_file.is_some() { "https" } else { "http" };
    let url = |host: &str| match host.contains("://") {
        true => host.trim_end_matches('/').to_owned(),
        false => format!("{scheme}://{}", uri::with_port(host)),
    };
    let endpoints = match set("ETCD_ENDPOINTS") {
        Some(list) => list.split(',').map(str::trim).filter(|one| !one.is_empty()).map(url).collect(),
        None => registry.hosts.iter().map(|host| url(host)).collect(),
    };
    let password_file = set("ETCD_PASSWORD_FILE");
    let credentials = match set("ETCD_USERNAME") {
        Some(user) => Some((user, set("ETCD_PASSWORD").unwrap_or_default())),
        None => registry.credentials,
    };
    Ok(Access { endpoints, credentials, ca_file, cert_file, key_file, password_file })
}

/// `:9100` means all addresses, as in Go.
fn address_of(text: &str) -> Result<SocketAddr, Refusal> {
    let whole = if text.starts_with(':') { format!("[::]{text}") } else { text.to_owned() };
    whole
        .parse()
        .map_err(|_| Refusal::value(format!("-listen: {text:?} is no address and port, such as :9100")))
}
