//! One life of the operator after the other, each of which ends at a write.

use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

use crate::{look::Look, operator::Operator, script::Script, world::World};

/// How long a stage may take: the slowest is some twenty lives long, each of which reads everything anew.
const STAGE: Duration = Duration::from_secs(150);

/// How many lives a stage ends at the least; with fewer it was not the one that was meant.
const LEAST: usize = 4;

/// Lives by a script each.
pub struct Lives<'w> {
    world: &'w World,
    script: Box<dyn Fn(usize) -> Script>,
    current: Option<Operator>,
    lives: usize,
    killed: usize,
    writes: usize,
}

impl<'w> Lives<'w> {
    /// `script` answers that of the n-th life.
    pub fn new(world: &'w World, script: impl Fn(usize) -> Script + 'static) -> Self {
        Self { world, script: Box::new(script), current: None, lives: 0, killed: 0, writes: 0 }
    }

    /// Lives until something is so, and tells how many that were.
    pub fn until(&mut self, what: &str, done: impl Fn(&Look) -> bool + Send) -> Look {
        let (start, lives, killed, writes) = (Instant::now(), self.lives, self.killed, self.writes);
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
                "{what}: {} lives, {} killed, {} writes, {:.1} s",
                self.lives - lives,
                self.killed - killed,
                self.writes - writes,
                start.elapsed().as_secs_f64()
            ));
            assert!(self.killed - killed >= LEAST, "{what}: only {} lives ended", self.killed - killed);
            look
        })
    }

    fn live(&mut self) {
        if let Some(operator) = &mut self.current {
            let Some(ended) = operator.ended() else { return };
            // One that ends by itself is no operator.
            assert_eq!(ended.signal(), Some(9), "it was not killed\n{}", operator.log());
            self.killed += 1;
            self.writes += operator.link.writes().len();
        }
        self.lives += 1;
        self.current = Some(self.world.operator((self.script)(self.lives)));
    }

    /// How many were ended.
    pub fn killed(&self) -> usize {
        self.killed
    }
}
