//! What `quorate up` itself takes: memory at its highest, and CPU.

use std::{thread::sleep, time::Duration};

use super::{
    budget::Budget,
    common::{etcd::Binary, up::Up},
    machine,
    report::{
        Report,
        process::{cpu, mib, peak_kib},
    },
};

/// How long an idle cluster is watched.
const IDLE: Duration = Duration::from_secs(60);
/// How long after everything is ready it counts as idle.
const CALM: Duration = Duration::from_secs(5);

pub fn measure(report: &mut Report, versions: &[Binary], budget: &mut Budget) {
    report.say("### Memory and CPU of `quorate up`");
    report.say(&format!(
        "VmHWM and utime + stime of its process; the members' own processes are not in it. Idle is {} s with three members \
         and no clients. Before: {}.",
        IDLE.as_secs(),
        machine::busy()
    ));
    let mut rows = Vec::new();
    for binary in versions {
        let up = Up::start(binary, 3);
        up.wait_ready(3);
        let started = cpu(up.pid());
        sleep(CALM);
        let before = cpu(up.pid());
        sleep(IDLE);
        let idle = 100.0 * (cpu(up.pid()) - before) / IDLE.as_secs_f64();
        let idle_memory = peak_kib(up.pid());
        let before = cpu(up.pid());
        for size in [7, 3] {
            up.succeed(&["scale", &size.to_string()]);
            up.wait_ready(size);
        }
        let scaling = cpu(up.pid()) - before;
        let peak = peak_kib(up.pid());
        rows.push(vec![
            binary.version.to_string(),
            format!("{started:.2} s"),
            format!("{idle:.2} %"),
            mib(idle_memory),
            format!("{scaling:.2} s"),
            mib(peak),
        ]);
        budget.idle_cpu.push(idle);
        budget.idle_kib.push(idle_memory);
        budget.peak_kib.push(peak);
    }
    let head =
        ["etcd", "CPU until ready", "idle: of one core", "idle: VmHWM", "3 → 7 → 3: CPU", "3 → 7 → 3: VmHWM"];
    report.table(&head, &rows);
}
