//! Each change that a person can ask for, under load, beside the same load without any change.

use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use quorate::plan::{Decision, Policy, World, status::ClusterStatus};

use super::{
    budget::Budget,
    common::{
        SECONDS,
        etcd::Binary,
        inside::{Then, brisk, drive, runtime, settled},
        leader::{lead_by_oldest, lead_by_youngest},
        load::{Load, Outcome},
        up::Up,
        watch::Watch,
    },
    machine,
    report::Report,
    runs,
    tally::{HEAD, Price, RATE, Tally, Till},
};

/// How long the load runs without any change.
const BASELINE: Duration = Duration::from_secs(15);
/// How long the load runs before a change and after it: what comes late belongs to the change too.
const AROUND: Duration = Duration::from_secs(2);
/// Rest between two changes, longer than Quorate's own between two disruptions, so that none waits for the last one.
const REST: Duration = Duration::from_secs(4);

/// How long certificates live that shall be seen ending.
const LIFE: Duration = Duration::from_secs(30);

struct Change {
    name: &'static str,
    prepare: fn(&Up),
    make: fn(&Up),
}

/// In this order on one cluster, each finding the three, five or seven members that it begins with.
const CHANGES: [Change; 14] = [
    Change { name: "3 → 5", prepare: |_| {}, make: |up| scale(up, 5) },
    Change { name: "5 → 3, followers go", prepare: lead_by_oldest, make: |up| scale(up, 3) },
    Change { name: "3 → 5", prepare: |_| {}, make: |up| scale(up, 5) },
    Change { name: "5 → 3, the leader goes first", prepare: lead_by_youngest, make: |up| scale(up, 3) },
    Change { name: "3 → 7", prepare: |_| {}, make: |up| scale(up, 7) },
    Change { name: "7 → 3, the leader goes first", prepare: lead_by_youngest, make: |up| scale(up, 3) },
    Change { name: "replace a follower", prepare: |_| {}, make: |up| replace(up, &up.follower()) },
    Change { name: "replace the leader", prepare: |_| {}, make: |up| replace(up, &up.leader()) },
    Change { name: "restart a follower", prepare: |_| {}, make: |up| restart(up, &up.follower()) },
    Change { name: "restart the leader", prepare: |_| {}, make: |up| restart(up, &up.leader()) },
    Change { name: "a flag, all three roll", prepare: |_| {}, make: roll },
    Change { name: "plain text → TLS", prepare: |_| {}, make: |up| talk(up, "Managed", "https://") },
    Change { name: "new authorities of certificates", prepare: |_| {}, make: rotate },
    Change { name: "TLS → plain text", prepare: |_| {}, make: |up| talk(up, "Disabled", "http://") },
];

pub fn measure(report: &mut Report, versions: &[Binary], budget: &mut Budget) {
    report.say("### Planned changes under load");
    report.say(&format!(
        "{} run(s) of each, {RATE} puts a second sent at a steady rate whatever becomes of them, 1 s a try, one retry at \
         the next endpoint, endpoints from the status. A gap is the time between two acknowledged puts; in brackets, its \
         ratio to the same load without any change. The term is how far the raft term rose, and members say themselves \
         whether they are ready; the worst of all runs. Before: {}.",
        runs(),
        machine::busy()
    ));
    for binary in versions {
        let mut baseline = Tally::default();
        let mut rows: Vec<(&str, Tally)> = Vec::new();
        for _ in 0..runs() {
            one_run(binary, &mut baseline, &mut rows);
        }
        let mut lines = vec![baseline.row("no change", &baseline)];
        lines.extend(rows.iter().map(|(name, tally)| tally.row(name, &baseline)));
        let title = format!("etcd {}", binary.version);
        let head: Vec<_> = std::iter::once(title.as_str()).chain(HEAD).collect();
        report.table(&head, &lines);
        budget.planned.extend(rows.into_iter().map(|(_, tally)| tally));
        budget.baseline.push(baseline);
    }
}

/// From each version to the next one, and so on to the newest.
pub fn upgrade(report: &mut Report, versions: &[Binary], budget: &mut Budget) {
    let [first, later @ ..] = versions else { return };
    if later.is_empty() {
        return;
    }
    report.say("### Upgrades under load");
    report.say(&format!("{} run(s), the same load. Before: {}.", runs(), machine::busy()));
    let mut baseline = Tally::default();
    let mut rows: Vec<(String, Tally)> = Vec::new();
    for _ in 0..runs() {
        let mut up = Up::prepare(first, 3);
        up.others = later.to_vec();
        up.run();
        up.wait_ready(3);
        sleep(REST);
        without_change(&up, &mut baseline);
        for (from, to) in versions.iter().zip(later) {
            let name = format!("{} → {}", from.version, to.version);
            add(&mut rows, name, &under_load(&up, |up| to_version(up, to)));
        }
    }
    let mut lines = vec![baseline.row("no change", &baseline)];
    lines.extend(rows.iter().map(|(name, tally)| tally.row(name, &baseline)));
    report.table(&std::iter::once("upgrade").chain(HEAD).collect::<Vec<_>>(), &lines);
    budget.planned.extend(rows.into_iter().map(|(_, tally)| tally));
    budget.baseline.push(baseline);
}

fn to_version(up: &Up, to: &Binary) {
    let wanted = to.version.to_string();
    up.write_manifest(&format!("{{size: 3, version: {wanted}}}"));
    up.wait("the upgrade", SECONDS(180), |status| {
        let all = status.members.iter().all(|one| one.version.as_deref() == Some(wanted.as_str()));
        all && status.updated_members == 3 && status.is("Ready")
    });
}

/// How long a change took, what came of the load, and what it cost the cluster.
type Made = (Duration, Outcome, Price);

/// Makes a change while the load runs.
fn under_load(up: &Up, change: impl FnOnce(&Up)) -> Made {
    let (load, till) = (Load::start(&up.dir(), RATE), Till::open(up));
    sleep(AROUND);
    let began = Instant::now();
    change(up);
    let took = began.elapsed();
    sleep(AROUND);
    let price = till.close(up);
    (took, load.finish(), price)
}

/// Adds one run to the row of that name, which is made if it is the first.
fn add<N: PartialEq>(rows: &mut Vec<(N, Tally)>, name: N, (took, outcome, price): &Made) {
    let at = rows.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
        rows.push((name, Tally::default()));
        rows.len() - 1
    });
    rows[at].1.add(*took, outcome, *price);
}

fn one_run(binary: &Binary, baseline: &mut Tally, rows: &mut Vec<(&'static str, Tally)>) {
    let up = Up::start(binary, 3);
    up.wait_ready(3);
    sleep(REST);
    without_change(&up, baseline);
    for change in &CHANGES {
        (change.prepare)(&up);
        sleep(REST);
        add(rows, change.name, &under_load(&up, change.make));
    }
    drop(up);
    add(rows, "certificates renewed", &renewal(binary));
}

fn without_change(up: &Up, baseline: &mut Tally) {
    let (load, till) = (Load::start(&up.dir(), RATE), Till::open(up));
    sleep(BASELINE);
    let price = till.close(up);
    baseline.add(BASELINE, &load.finish(), price);
}

/// All certificates of a cluster are renewed, and those of before end, while the load runs. `up` gives them a year, so its
/// engine runs here with shorter lives.
fn renewal(binary: &Binary) -> Made {
    let up = Up::prepare(binary, 3);
    up.write_spec(&format!("{{size: 3, version: {}}}", binary.version));
    let policy = || Policy { leaf_life: LIFE, ..brisk() };
    let go_on = |_: &_, _: &_, _: &_| Then::GoOn;
    let term = |world: &World| {
        let reports = world.incarnations.iter().filter_map(|one| one.report.as_ref());
        reports.map(|report| report.term).max().unwrap_or_default()
    };
    let runtime = runtime();
    let before = runtime.block_on(drive(&up, policy(), SECONDS(90), go_on, settled(3)));
    let urls: Vec<_> = before.incarnations.iter().map(|one| one.client_url.clone()).collect();
    let load = Load::secured(Arc::new(move || urls.clone()), up.dir().join("tls"), RATE);
    let watch = Watch::begin(&up);
    let began = Instant::now();
    let ended = |_: &World, _: &Decision| began.elapsed() > LIFE + AROUND;
    let after = runtime.block_on(drive(&up, policy(), LIFE * 3, go_on, ended));
    let took = began.elapsed();
    let terms = i64::try_from(term(&after) - term(&before)).unwrap_or_default();
    let price = Price { terms, ready: watch.lowest().own };
    (took, load.finish(), price)
}

fn scale(up: &Up, size: i64) {
    up.succeed(&["scale", &size.to_string()]);
    up.wait_ready(size);
}

fn roll(up: &Up) {
    let generation = up.status().observed_generation;
    up.write_manifest(&format!("{{size: 3, version: {}, etcd: {{snapshotCount: 5000}}}}", up.binary.version));
    up.wait("the roll", SECONDS(90), |status| {
        status.observed_generation > generation && status.updated_members == 3 && status.is("Ready")
    });
}

fn talk(up: &Up, mode: &str, scheme: &str) {
    let tls = format!("{{peer: {{mode: {mode}}}, client: {{mode: {mode}}}}}");
    let version = up.binary.version;
    up.write_spec(&format!("{{size: 3, version: {version}, tls: {tls}, etcd: {{snapshotCount: 5000}}}}"));
    up.wait("the move", SECONDS(180), |status| {
        let mut urls = status.members.iter().flat_map(|one| [&one.peer_url, &one.client_url]);
        urls.all(|url| url.starts_with(scheme)) && status.updated_members == 3 && status.is("Ready")
    });
}

fn rotate(up: &Up) {
    let signs = |status: &ClusterStatus| {
        let sides = status.certificates.clone().unwrap_or_default();
        [sides.peer, sides.client]
            .map(|side| side.unwrap_or_default())
            .map(|side| (side.authority, side.step))
    };
    let before = signs(&up.status());
    up.succeed(&["rotate-certificates"]);
    up.wait("new authorities", SECONDS(180), |status| {
        let now = signs(status);
        let replaced = now.iter().zip(&before).all(|(now, old)| now.0 != old.0 && now.1.is_none());
        replaced && status.updated_members == 3 && status.is("Ready")
    });
}

fn replace(up: &Up, name: &str) {
    up.succeed(&["replace", name]);
    up.wait("the replacement", SECONDS(90), |status| {
        status.is("Ready") && status.ready_members == 3 && status.members.iter().all(|one| one.name != name)
    });
}

fn restart(up: &Up, name: &str) {
    let before = up.member_pid(name);
    up.succeed(&["restart", name]);
    up.wait("the restart", SECONDS(90), |status| status.is("Ready") && up.member_pid(name) != before);
}
