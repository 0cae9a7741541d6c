//! One life of the operator after the other, each of which ends at a write.

use std::time::{Duration, Instant};

use crate::{look::Look, operator::Operator, script::Script, world::World};

/// How long a stage may take: the slowest is some twenty lives long, each of which reads everything anew.
const STAGE: Duration = Duration::from_secs(150);

/// Lives by a script each.
pub struct Lives<'w, S> {
    world: &'w World,
    script: S,
    current: Option<Operator>,
    lives: usize,
    writes: usize,
}

impl<'w, S: Fn(usize) -> Script> Lives<'w, S> {
    /// `script` answers that of the n-th life.
    pub fn new(world: &'w World, script: S) -> Self {
        Self { world, script, current: None, lives: 0, writes: 0 }
    }

    /// Lives until something is so, and tells how many that were.
    pub fn until(&mut self, what: &str, done: impl Fn(&Look) -> bool + Send) -> Look {
        let (start, lives, writes) = (Instant::now(), self.lives, self.writes);
        let world = self.world;
        std::thread::scope(|scope| {
            // Looking takes longer than a life does, and must not hold the next one up.
            let looking = scope.spawn(|| world.until(what, STAGE, done));
            while !looking.is_finished() {
                self.live();
                std::thread::sleep(Duration::from_millis(5));
            }
            let look = looking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            world.tell(&format!(
                "{what}: {} lives, {} writes, {:.1} s",
                self.lives - lives,
                self.writes - writes,
                start.elapsed().as_secs_f64()
            ));
            look
        })
    }

    fn live(&mut self) {
        if let Some(operator) = &mut self.current {
            if operator.ended().is_none() {
                return;
            }
            self.writes += operator.link.writes().len();
        }
        self.lives += 1;
        self.current = Some(self.world.operator((self.script)(self.lives)));
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.lives
    }
}
