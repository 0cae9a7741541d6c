//! The command line: the original's cases, and what is new.

use std::time::Duration;

use quorate::registrator::{
    cli::{self, Asked, Refusal, Settings},
    layout::Format,
};

use crate::cases;

fn parse(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Asked, Refusal> {
    let arguments: Vec<String> = arguments.iter().map(|&one| one.to_owned()).collect();
    let find =
        |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    cli::parse(&arguments, &find)
}

fn settings(arguments: &[&str], environment: &[(&str, &str)]) -> Settings {
    match parse(arguments, environment) {
        Ok(Asked::Run(settings)) => *settings,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

#[test]
fn command_lines_end_as_those_of_the_original() {
    let file = cases::file();
    let all = file["cli"].as_array().unwrap();
    assert_eq!(all.len(), 17);
    for case in all {
        let arguments: Vec<&str> =
            case["args"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        let asked = parse(&arguments, &[]);
        if let [only] = arguments.as_slice()
            && *only == "--version"
        {
            assert!(matches!(asked, Ok(Asked::Version)), "{case}");
            continue;
        }
        // What deviates runs here: a list of endpoints, and credentials in the URI.
        let exit = case["exit"].as_u64().filter(|_| case["deviation"].is_null());
        match (exit, asked) {
            (None, Ok(Asked::Run(_))) => {}
            (Some(code), Err(refusal)) => {
                assert_eq!(u64::from(refusal.code), code, "{case}");
                let words = case["err"].as_str().unwrap().replace("\\n", "\n");
                assert!(refusal.message.starts_with(&words), "{case}: {}", refusal.message);
            }
            (_, asked) => panic!("{case}: {asked:?}"),
        }
    }
}

#[test]
fn flags_are_read_as_go_reads_them() {
    for arguments in [
        ["-ip=10.9.17.201"].as_slice(),
        &["--ip=10.9.17.201"],
        &["-ip", "10.9.17.201"],
        &["--ip", "10.9.17.201"],
    ] {
        let mut arguments = arguments.to_vec();
        arguments.push("etcd://h/p");
        assert_eq!(settings(&arguments, &[]).rules.ip.as_deref(), Some("10.9.17.201"), "{arguments:?}");
    }
    for (value, is) in
        [("1", true), ("t", true), ("TRUE", true), ("0", false), ("F", false), ("False", false)]
    {
        assert_eq!(
            settings(&[&format!("-internal={value}"), "etcd://h/p"], &[]).rules.internal,
            is,
            "{value}"
        );
    }
    for (value, seconds) in
        [("0x1e", 30), ("036", 30), ("0b11110", 30), ("3_0", 30), ("0o36", 30), ("+30", 30)]
    {
        let found = settings(&[&format!("-ttl={value}"), "-ttl-refresh=10", "etcd://h/p"], &[]);
        assert_eq!(found.lease_ttl, Some(seconds), "{value}");
        assert_eq!(found.refresh, Duration::from_secs(10), "{value}");
    }
    for (arguments, words) in [
        (["-internal", "false", "etcd://h/p"].as_slice(), "Extra unparsed arguments:\n  etcd://h/p"),
        (&["-internal=maybe", "etcd://h/p"], "invalid boolean value \"maybe\" for -internal: parse error"),
        (&["-ttl=1_", "etcd://h/p"], "invalid value \"1_\" for flag -ttl: parse error"),
        (&["-ttl=", "etcd://h/p"], "invalid value \"\" for flag -ttl: parse error"),
        (&["-ip"], "flag needs an argument: -ip"),
        (&["---ip", "x"], "bad flag syntax: ---ip"),
        (&["-=x"], "bad flag syntax: -=x"),
        (&["--", "-x", "etcd://h/p"], "Extra unparsed arguments:\n  etcd://h/p"),
    ] {
        let refusal = parse(arguments, &[]).unwrap_err();
        assert_eq!(refusal.code, 2, "{arguments:?}");
        assert!(refusal.message.starts_with(words), "{arguments:?}: {}", refusal.message);
        assert!(refusal.message.contains("-retry-interval int"), "{}", refusal.message);
    }
    assert_eq!(parse(&["-h"], &[]).unwrap_err().code, 0);
}

#[test]
fn a_lease_is_left_out_only_when_that_is_said() {
    assert_eq!(settings(&["etcd://h/p"], &[]).lease_ttl, Some(30));
    assert_eq!(settings(&["-ttl", "0", "etcd://h/p"], &[]).lease_ttl, None);
    assert_eq!(settings(&["-lease-ttl=0", "etcd://h/p"], &[]).lease_ttl, None);
    assert_eq!(settings(&["-lease-ttl=7", "etcd://h/p"], &[]).lease_ttl, Some(7));
    assert_eq!(parse(&["-lease-ttl=1", "etcd://h/p"], &[]).unwrap_err().code, 1);
}

#[test]
fn etcd_is_found_by_uri_and_environment() {
    let of = |uri: &str, environment: &[(&str, &str)]| settings(&[uri], environment).etcd;
    assert_eq!(of("etcd://10.9.17.201:2379/registrator", &[]).endpoints, ["http://10.9.17.201:2379"]);
    assert_eq!(of("etcd://a,b:23790/p", &[]).endpoints, ["http://a:2379", "http://b:23790"]);
    assert_eq!(of("etcd:///p", &[]).endpoints, ["http://127.0.0.1:2379"]);
    assert_eq!(of("etcd://[::1]:2379/p", &[]).endpoints, ["http://[::1]:2379"]);
    assert_eq!(of("etcds://a/p", &[]).endpoints, ["https://a:2379"]);
    assert_eq!(of("etcd://a/p", &[("ETCD_CA_CERT_FILE", "/ca")]).endpoints, ["https://a:2379"]);
    let list = [("ETCD_ENDPOINTS", "https://x:1/, y")];
    assert_eq!(of("etcd://a/p", &list).endpoints, ["https://x:1", "http://y:2379"]);
    let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    assert_eq!(of("etcd://me:p%40ss@a/p", &[]).credentials, pair("me", "p@ss"));
    let account = [("ETCD_USERNAME", "root"), ("ETCD_PASSWORD", "secret")];
    assert_eq!(of("etcd://me:x@a/p", &account).credentials, pair("root", "secret"));
    let all = settings(&["etcd://me:hidden@a/p"], &account);
    assert_eq!(all.uri, "etcd://me:…@a/p");
    let shown = format!("{all:?}");
    assert!(!shown.contains("hidden") && !shown.contains("secret"), "{shown}");
    assert_eq!(parse(&["etcd://a/p"], &[("ETCD_CERT_FILE", "/c")]).unwrap_err().code, 1);
}

#[test]
fn backends_that_are_not_here_say_what_to_use() {
    for scheme in ["consul", "consul-unix", "consul-tls", "consulkv", "consulkv-unix", "zookeeper"] {
        let refusal = parse(&[&format!("{scheme}://h:1/p")], &[]).unwrap_err();
        assert_eq!(refusal.code, 1);
        assert!(refusal.message.contains("etcd://"), "{}", refusal.message);
    }
}

#[test]
fn several_outputs_have_prefixes_of_their_own() {
    let found = settings(
        &["-output", "skydns=/skydns/local/cluster", "-output=grpc=grpc", "etcd://h/registrator/"],
        &[],
    );
    let shown: Vec<_> = found.outputs.iter().map(|(format, prefix)| (*format, prefix.as_str())).collect();
    assert_eq!(
        shown,
        [
            (Format::Plain, "/registrator/"),
            (Format::Skydns, "/skydns/local/cluster/"),
            (Format::Grpc, "grpc/")
        ]
    );
    for arguments in [
        ["-output", "json=/registrator/json", "etcd://h/registrator"],
        ["-output", "json", "etcd://h/registrator"],
        ["-output", "toml=/x", "etcd://h/registrator"],
        ["-pause", "maybe", "etcd://h/registrator"],
        ["-listen", "nowhere", "etcd://h/registrator"],
        ["-tags", "{{ nosuch . }}", "etcd://h/registrator"],
    ] {
        assert_eq!(parse(&arguments, &[]).unwrap_err().code, 1, "{arguments:?}");
    }
}
