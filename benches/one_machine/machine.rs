//! The machine that the figures are of, and how busy it was with other things.

use std::{fs, io::Write, time::Instant};

use jiff::Timestamp;

pub use super::report::busy::busy;
use super::{
    common::etcd::Binary,
    report::{Report, ms, quantile},
};

/// Says what this machine is.
pub fn describe(report: &mut Report, versions: &[Binary]) {
    let versions: Vec<_> = versions.iter().map(|one| one.version.to_string()).collect();
    let rows = [
        ("measured", Timestamp::now().strftime("%F %R UTC").to_string()),
        ("Quorate", format!("{}, release profile", env!("CARGO_PKG_VERSION"))),
        ("etcd", versions.join(", ")),
        ("CPU", format!("{} × {}", cores(), field("/proc/cpuinfo", "model name"))),
        ("memory", memory()),
        ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease"))),
        ("data folders on", file_system()),
        ("4 KiB appended and synced there", synced()),
        ("before the start", busy()),
    ];
    report.say("### Machine");
    report.table(&["what", "value"], &rows.map(|(what, value)| vec![what.to_owned(), value]));
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

fn memory() -> String {
    let text = field("/proc/meminfo", "MemTotal");
    let kib: u64 = text.trim_end_matches(" kB").parse().unwrap_or_default();
    format!("{:.0} GiB", kib as f64 / f64::from(1 << 20))
}

/// The file system that holds the temporary folders, from the longest mount point above them.
fn file_system() -> String {
    let folder = fs::canonicalize(std::env::temp_dir()).unwrap();
    let mounts = read("/proc/self/mounts");
    let mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let above = mounts.filter(|mount| mount.len() > 3 && folder.starts_with(mount[1]));
    let found = above.max_by_key(|mount| mount[1].len());
    found.map_or_else(|| "?".into(), |mount| format!("{} on {}", mount[2], mount[0]))
}

/// What etcd waits for at each write: the log is on the disk before anybody is told.
fn synced() -> String {
    let mut file = tempfile::tempfile().unwrap();
    let times: Vec<_> = (0..200)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[0x5a; 4096]).unwrap();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    format!("p50 {}, p99 {}", ms(quantile(&times, 0.5)), ms(quantile(&times, 0.99)))
}

/// The first `key: value` of a file of `/proc`.
fn field(path: &str, key: &str) -> String {
    let text = read(path);
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
