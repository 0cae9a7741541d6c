//! Log lines on stderr, as text or as JSON.

use std::io::{self, IsTerminal, Write};

use jiff::Zoned;
use tracing_subscriber::{
    EnvFilter,
    fmt::{MakeWriter, format::Writer, time::FormatTime},
};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where log lines go: above the live view, if there is one, so that both stay readable.
#[derive(Debug, Clone, Default)]
pub struct Above(pub Option<indicatif::MultiProgress>);

impl<'a> MakeWriter<'a> for Above {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { above: self.0.clone(), text: Vec::new() }
    }
}

/// One log line in the making; written when it is dropped.
#[derive(Debug)]
pub struct Line {
    above: Option<indicatif::MultiProgress>,
    text: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let print = || io::stderr().write_all(&self.text);
        // A closed stderr is no reason to stop looking after a cluster.
        let _ = match &self.above {
            Some(view) => view.suspend(print),
            None => print(),
        };
    }
}

/// The time of day, for people who watch.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, writer: &mut Writer<'_>) -> std::fmt::Result {
        write!(writer, "{}", Zoned::now().strftime("%H:%M:%S"))
    }
}

/// What is logged when nothing else is asked for. kube would tell each failed call a second time, as an error.
const FILTER: &str = "info,kube_client::client::builder=off";

/// A filter that leaves out what must not be told, whatever is asked for: bollard writes whole answers of the engine into
/// its log, with the environment variables of containers, and those hold passwords.
fn discreet(filter: &str) -> String {
    let kept = filter.split(',').filter(|one| !one.trim().starts_with("bollard"));
    kept.chain(["bollard=off"]).collect::<Vec<_>>().join(",")
}

/// Begins to log. `RUST_LOG` chooses what; without it, everything from `info` up.
pub fn init(format: LogFormat, above: Above) {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|text| EnvFilter::try_new(text).is_ok());
    let filter = EnvFilter::new(discreet(asked.as_deref().unwrap_or(FILTER)));
    let watched = io::stderr().is_terminal();
    let colours = watched && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(above).with_ansi(colours);
    // A second call, as from several tests of one program, keeps the first subscriber.
    let _ = match format {
        LogFormat::Text if watched => subscriber.with_target(false).with_timer(TimeOfDay).try_init(),
        LogFormat::Text => subscriber.with_target(false).try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bollard_says_is_left_out_whatever_is_asked_for() {
        assert_eq!(discreet("debug"), "debug,bollard=off");
        assert_eq!(discreet("info, bollard::docker=trace,bollard=debug,h2=warn"), "info,h2=warn,bollard=off");
    }
}
