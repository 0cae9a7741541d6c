//! The flags.

use super::flags::{Flag, Kind};

const fn text(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::Text, default, help }
}

const fn integer(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::Integer, default, help }
}

const fn switch(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::Switch, default, help }
}

/// All flags, by name as Go lists them.
pub(super) const FLAGS: &[Flag] = &[
    switch("allow-http-get", "", "Let the template of -tags ask other servers with httpGet"),
    switch("cleanup", "", "Remove dangling services; always done, accepted for old command lines"),
    text("deregister", "always", "Deregister exited services \"always\" or \"on-success\""),
    switch("deregister-on-exit", "true", "Remove the keys of this host when the registrator is told to end"),
    switch("deregister-on-stop", "", "Remove keys when a container is asked to stop, before it ends"),
    switch("dry-run", "", "Print what would be written, then exit"),
    switch("explicit", "", "Only register containers which have SERVICE_NAME label set"),
    text("format", "plain", "Format of values below the URI's prefix: plain, json, skydns, grpc or traefik"),
    switch("health", "", "Register containers with a health check only while it passes"),
    text("host-name", "", "Name of this host in service IDs, instead of the system's"),
    switch("internal", "", "Use internal ports instead of published ones"),
    text("ip", "", "IP for ports mapped to the host"),
    integer("lease-ttl", "30", "Seconds that keys live without a sign of this registrator (0: for ever)"),
    text("listen", "", "Serve /metrics, /healthz and /readyz at this address, such as :9100"),
    text("log-format", "text", "Log lines as \"text\" or \"json\""),
    text("network", "", "Whose address -internal takes for containers in several networks"),
    text("on-conflict", "keep", "Keys that somebody else wrote: \"keep\" them or \"take\" them over"),
    text("output", "", "A further FORMAT=PREFIX to write; may be given several times"),
    text("pause", "keep", "Keys of paused containers: \"keep\" or \"remove\""),
    integer("resync", "60", "Frequency with which services are resynchronized, in seconds"),
    integer(
        "retry-attempts",
        "0",
        "Max retry attempts to reach etcd and Docker at the start. Use -1 for infinite retries",
    ),
    integer("retry-interval", "2000", "Interval (in millisecond) between retry-attempts."),
    text("tags", "", "Append tags for all registered services (supports Go template)"),
    integer("ttl", "0", "TTL for services (given as 0: keys without a lease)"),
    integer("ttl-refresh", "0", "Frequency with which service TTLs are refreshed"),
    text("useIpFromLabel", "", "Use IP which is stored in a label assigned to the container"),
];
