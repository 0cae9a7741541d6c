//! Faults under load: a member's folder deleted under its process, a member's process killed.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{
    budget::Budget,
    common::{SECONDS, etcd::Binary, load::Load, up::Up},
    machine,
    report::Report,
    runs,
    tally::{HEAD, RATE, Tally, Till},
};

/// The load runs this long without any fault, for the ratios.
const BASELINE: Duration = Duration::from_secs(15);
/// How long the load runs before a fault and after it is mended.
const AROUND: Duration = Duration::from_secs(2);
/// Rest between two faults, so that none meets what the last one left.
const REST: Duration = Duration::from_secs(4);

struct Fault {
    name: &'static str,
    victim: fn(&Up) -> String,
    strike: fn(&Up, &str),
    /// Whether the member is replaced, and not just started again.
    replaces: bool,
}

const FAULTS: [Fault; 4] = [
    Fault {
        name: "folder of a follower deleted",
        victim: Up::follower,
        strike: Up::delete_data,
        replaces: true,
    },
    Fault {
        name: "folder of the leader deleted",
        victim: Up::leader,
        strike: Up::delete_data,
        replaces: true,
    },
    Fault { name: "SIGKILL of a follower", victim: Up::follower, strike: kill, replaces: false },
    Fault { name: "SIGKILL of the leader", victim: Up::leader, strike: kill, replaces: false },
];

pub fn measure(report: &mut Report, versions: &[Binary], budget: &mut Budget) {
    report.say("### Faults under load");
    report.say(&format!(
        "{} run(s) of each, the same load. It took until the member was replaced by a new one, or ready again on its own \
         data, and the whole cluster `Ready`. Before: {}.",
        runs(),
        machine::busy()
    ));
    for binary in versions {
        let mut baseline = Tally::default();
        let mut rows = FAULTS.map(|fault| (fault, Tally::default()));
        for _ in 0..runs() {
            let up = Up::start(binary, 3);
            up.wait_ready(3);
            sleep(REST);
            let load = Load::start(&up.dir(), RATE);
            let till = Till::open(&up);
            sleep(BASELINE);
            let price = till.close(&up);
            baseline.add(BASELINE, &load.finish(), price);
            for (fault, tally) in &mut rows {
                one(&up, fault, tally);
                sleep(REST);
            }
        }
        let mut lines = vec![baseline.row("no fault", &baseline)];
        lines.extend(rows.iter().map(|(fault, tally)| tally.row(fault.name, &baseline)));
        let title = format!("etcd {}", binary.version);
        let head: Vec<_> = std::iter::once(title.as_str()).chain(HEAD).collect();
        report.table(&head, &lines);
        for (fault, tally) in rows {
            budget.lost += tally.lost;
            if fault.replaces {
                budget.replaced.extend(tally.took);
            }
        }
    }
}

fn one(up: &Up, fault: &Fault, tally: &mut Tally) {
    let victim = (fault.victim)(up);
    let load = Load::start(&up.dir(), RATE);
    let till = Till::open(up);
    sleep(AROUND);
    let began = Instant::now();
    (fault.strike)(up, &victim);
    // The last status before the fault says Ready too.
    up.wait("the fault to be noticed", SECONDS(30), |status| !status.is("Ready"));
    up.wait("the fault to be mended", SECONDS(90), |status| {
        status.is("Ready")
            && status.ready_members == 3
            && status.members.iter().all(|one| one.name != victim) == fault.replaces
    });
    let took = began.elapsed();
    sleep(AROUND);
    let price = till.close(up);
    tally.add(took, &load.finish(), price);
}

fn kill(up: &Up, name: &str) {
    up.signal_member(name, Signal::KILL);
}
