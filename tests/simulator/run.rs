//! One seed from nothing to rest: faults for a while, then none, until everything is as wanted.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quorate::plan::Decision;

use crate::{
    coverage::Coverage,
    invariants::{self, Violation},
    minors,
    model::Model,
    mutations::Mutation,
};

/// Rest has to be reached within this time after the last fault, in ms.
const PATIENCE: i64 = 900_000;
/// And has to last this long.
const REST: i64 = 10_000;

pub struct Failure {
    pub seed: u64,
    pub violation: Violation,
    pub trace: String,
}

impl Failure {
    pub fn report(&self) -> String {
        format!(
            "{}\nseed {} breaks \"{}\": {}\nreplay: QUORATE_SIM_SEED={} cargo test --test simulator",
            self.trace, self.seed, self.violation.invariant, self.violation.detail, self.seed
        )
    }
}

/// Runs a seed; a second time with a trace if it fails.
///
/// A mutation comes with the one invariant that is looked for; that it breaks others, too, is no news.
pub fn seed(seed: u64, mutation: Option<(Mutation, &str)>, traced: bool) -> Result<Coverage, Box<Failure>> {
    let mut model = Model::new(seed, traced);
    let (wanted, whole) = (mutation.map(|one| one.1), mutation);
    let mutation = mutation.map(|one| one.0);
    if let Some(mutation) = mutation {
        model.guard = mutation.keeps_guard();
        model.renews = mutation.keeps_renewal();
    }
    let outcome = catch_unwind(AssertUnwindSafe(|| live(&mut model, mutation)))
        .unwrap_or_else(|_| Err(Violation::new("no panic", "deciding or describing panicked")));
    let failed = |violation: &Violation| wanted.is_none_or(|wanted| wanted == violation.invariant);
    match outcome {
        Err(violation) if !failed(&violation) => Ok(model.cover),
        Ok(()) => {
            if let Some(trace) = &model.trace {
                println!("{trace}");
            }
            Ok(model.cover)
        }
        Err(violation) if !traced => match self::seed(seed, whole, true) {
            Ok(_) => Err(Box::new(Failure { seed, violation, trace: "its replay went another way".into() })),
            failure => failure,
        },
        Err(violation) => Err(Box::new(Failure { seed, violation, trace: model.trace.unwrap_or_default() })),
    }
}

fn live(model: &mut Model, mutation: Option<Mutation>) -> Result<(), Violation> {
    let size = model.desired.size;
    model.say(|| format!("size {size}"));
    let turns = model.rng.between(50, 200);
    // Some seeds are wild and some are quiet, so that long changes get through, too.
    let faults = [20, 80, 200][model.rng.below(3)];
    for _ in 0..turns {
        let pause = model.rng.between(50, 1500);
        model.pass_time(pause)?;
        model.heal();
        if model.rng.per_mille(faults) {
            model.fault();
        }
        if model.now >= model.away_until {
            model.pass(mutation)?;
        }
        invariants::state(model)?;
    }
    model.calm();
    rest(model, mutation)
}

fn rest(model: &mut Model, mutation: Option<Mutation>) -> Result<(), Violation> {
    let start = model.now;
    let mut resting: Option<i64> = None;
    let mut last = None;
    // A broken rule that never comes to rest need not be watched for long.
    let patience = if mutation.is_some() { PATIENCE / 5 } else { PATIENCE };
    while model.now - start < patience {
        let pause = model.rng.between(300, 1100);
        model.pass_time(pause)?;
        model.put_back();
        let decision = model.pass(mutation)?;
        let at_rest = match &decision {
            Decision::Settled => true,
            Decision::Wait { reason, .. } => {
                invariants::majority_lost(model)
                    && invariants::intact_run(model)
                    && reason.contains("the data of")
            }
            Decision::Act { .. } => false,
        };
        if !at_rest {
            resting = None;
        } else if model.now - *resting.get_or_insert(model.now) >= REST {
            model.cover.longest = model.now - start;
            if decision != Decision::Settled {
                model.cover.hit("end: majority of data lost");
                return Ok(());
            }
            model.cover.hit("end: converged");
            minors::at_rest(model)?;
            return invariants::converged(model)
                .map_err(|detail| Violation::new("settles only when all is as wanted", detail));
        }
        last = Some(decision);
    }
    Err(Violation::new("comes to rest when faults stop", format!("{last:?}")))
}
