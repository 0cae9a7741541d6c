//! How busy the machine is with other things.

use std::{fs, time::Duration};

/// How long the machine is watched to see what else runs on it.
const WATCHED: Duration = Duration::from_secs(5);

/// What other programs take of this machine now: nothing of ours runs while this looks.
pub fn busy() -> String {
    let before = ticks();
    std::thread::sleep(WATCHED);
    let after = ticks();
    let share = |of: fn(&Ticks) -> u64| {
        100.0 * (of(&after) - of(&before)) as f64 / (after.all - before.all).max(1) as f64
    };
    let load: Vec<_> = read("/proc/loadavg").split(' ').take(3).map(str::to_owned).collect();
    format!(
        "other programs take {:.1} % of the CPU, the hypervisor {:.1} %, load average {}",
        share(|one| one.busy),
        share(|one| one.stolen),
        load.join(" ")
    )
}

struct Ticks {
    all: u64,
    busy: u64,
    stolen: u64,
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn ticks() -> Ticks {
    let text = read("/proc/stat");
    let line = text.lines().next().unwrap_or_default();
    let counts: Vec<u64> = line.split_whitespace().skip(1).take(8).flat_map(str::parse).collect();
    let all = counts.iter().sum();
    Ticks { all, busy: all - counts[3] - counts[4] - counts[7], stolen: counts[7] }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}
