//! The operator as an engine runs it: observe, decide, carry the steps out in order, stop at the first that fails.
//! It keeps nothing from one pass to the next, so ending it is nothing but not going on.

use quorate::plan::{self, Decision, Incarnation, Listed, Membership, Report, Step, World, status, upgrade};

use crate::{
    invariants::{self, Violation},
    model::{Model, at, id_of},
    mutations::Mutation,
};

impl Model {
    pub fn pass(&mut self, mutation: Option<Mutation>) -> Result<Decision, Violation> {
        self.cover.passes += 1;
        self.renew_leaves();
        let (world, from) = self.observe()?;
        let decision = match mutation {
            None => plan::decide(&world, at(self.now)),
            Some(mutation) => {
                let mut shown = world.clone();
                mutation.before(&mut shown, at(self.now));
                let mut decision = plan::decide(&shown, at(self.now));
                mutation.after(&mut decision, &world);
                decision
            }
        };
        // Chance first: a traced run has to be the same run.
        if self.rng.per_mille(20) || self.trace.is_some() {
            let words = status::describe(&world, &decision, None, None, at(self.now));
            assert_eq!(words.conditions.len(), 8, "every condition is there");
        }
        self.say(|| format!("decided: {} {}", kinds(&decision), decision.reason()));
        let seen = !mutation.is_some_and(Mutation::unseen);
        if seen {
            invariants::decision(&world, &decision)?;
        }
        for step in decision.steps() {
            if self.faulty && self.rng.per_mille(10) {
                self.cover.hit("operator crashed before an effect");
                self.say(|| format!("fault: the operator ends before {}", step.kind()));
                self.end_operator();
                break;
            }
            if seen {
                invariants::step(self, &world, from, step)?;
            }
            let answer = self.carry_out(step)?;
            self.cover.steps += 1;
            self.count(&decision, step);
            self.say(|| format!("    {} {}: {answer:?}", step.kind(), step.member()));
            self.look_around();
            invariants::state(self)?;
            if self.faulty && self.rng.per_mille(10) {
                self.cover.hit("operator crashed after an effect");
                self.say(|| format!("fault: the operator ends after {}", step.kind()));
                self.end_operator();
                break;
            }
            if answer.is_err() {
                break;
            }
            if self.faulty && self.rng.per_mille(30) {
                self.fault();
            }
        }
        Ok(decision)
    }

    fn look_around(&mut self) {
        if let Some(etcd) = self.etcd.take() {
            self.look(&etcd);
            self.etcd = Some(etcd);
        }
    }

    fn count(&mut self, decision: &Decision, step: &Step) {
        let kind = decision.operation().map(|operation| operation.kind);
        match step {
            Step::Remove { .. } if decision.reason().contains("the storage of the spec") => {
                self.cover.hit("replacement for storage");
            }
            Step::Remove { .. } if kind == Some(plan::OperationKind::Replace) => {
                self.cover.hit("replacement of lost data");
            }
            Step::Remove { .. } if decision.reason().contains("are wanted") => self.cover.hit("scale in"),
            Step::Remove { .. } => self.cover.hit("learner given up"),
            _ => {}
        }
    }

    /// What a pass sees, and since when it is true.
    fn observe(&mut self) -> Result<(World, i64), Violation> {
        let mut from = self.now;
        self.look_around();
        let membership = self.member_list();
        if self.faulty && self.rng.per_mille(100) {
            let slice = self.rng.between(1, 300);
            self.pass_time(slice)?;
        }
        let mut incarnations: Vec<Incarnation> = Vec::with_capacity(self.places.len());
        for index in 0..self.places.len() {
            let place = &self.places[index];
            let fresh = self.etcd.as_ref().and_then(|etcd| {
                // A straggler of another attempt would answer for another cluster.
                etcd.entry(place.uid).and_then(|_| etcd.report(place, &self.places))
            });
            let said = place.said.clone();
            self.places[index].said = fresh.clone().map(|report| (self.now, report));
            let report = match said {
                Some((when, old)) if self.faulty && self.now - when < 2000 && self.rng.per_mille(20) => {
                    self.cover.hit("probe: stale");
                    from = from.min(when);
                    Some(old)
                }
                _ if self.faulty && fresh.is_some() && self.rng.per_mille(20) => {
                    self.cover.hit("probe: unanswered");
                    None
                }
                _ => fresh,
            };
            let report = self.asked(index, report);
            incarnations.push(self.incarnation(&self.places[index], report));
        }
        let world = World {
            left: Vec::new(),
            snapshots: self.shown_snapshots(),
            cluster: "demo".into(),
            uid: "uid".into(),
            desired: self.desired.clone(),
            record: self.record.clone(),
            incarnations,
            membership,
            certificates: self.shown_certificates(),
            divergence: self.divergence.clone(),
            domain: None,
            policy: self.policy,
        };
        Ok((world, from))
    }

    /// What is asked only while the minor version is about to change.
    fn asked(&mut self, index: usize, report: Option<Report>) -> Option<Report> {
        let (own, wanted) = (self.places[index].version, self.desired.version);
        let mut report = report?;
        let mut silent = || self.faulty && self.rng.per_mille(30);
        if !upgrade::asks_cluster_version(own, wanted) || silent() {
            report.cluster_version = None;
        }
        if !upgrade::asks_raft_snapshots(own, wanted) || silent() {
            report.raft_snapshots = None;
        }
        Some(report)
    }

    fn member_list(&mut self) -> Membership {
        let unknown = |why: &str, hearsay| Membership::Unknown { why: why.into(), hearsay };
        let Some(etcd) = &self.etcd else { return unknown("there is no cluster", Vec::new()) };
        let list: Vec<Listed> = etcd
            .entries
            .iter()
            .map(|entry| Listed {
                id: id_of(entry.uid),
                name: entry.name.clone(),
                peer_urls: vec![entry.url.clone()],
                learner: entry.learner,
            })
            .collect();
        if etcd.serving(&self.places).is_some() && !(self.faulty && self.rng.per_mille(20)) {
            return Membership::Known(list);
        }
        let somebody = self.places.iter().any(|place| place.joined);
        unknown("etcdserver: request timed out", if somebody { list } else { Vec::new() })
    }
}

fn kinds(decision: &Decision) -> String {
    let kinds: Vec<_> = decision.steps().iter().map(Step::kind).collect();
    match decision {
        Decision::Act { .. } => kinds.join(", ") + ":",
        Decision::Wait { .. } => "wait:".into(),
        Decision::Settled => "settled:".into(),
    }
}
