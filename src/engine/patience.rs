//! How long to rest between two passes.

use std::time::Duration;

use crate::plan::Decision;

/// How soon a wait is looked at again at first; each further look takes half as long again, up to what the plan says.
const FIRST_LOOK: Duration = Duration::from_millis(150);

/// How long to rest between passes: shortly while something is about to happen, longer the longer it takes.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waited: u32,
}

impl Patience {
    pub(super) fn rest(&mut self, decision: &Decision, settled: Duration) -> Duration {
        match decision {
            Decision::Act { .. } => {
                self.waited = 0;
                Duration::ZERO
            }
            Decision::Wait { again, .. } => {
                let rest = FIRST_LOOK.mul_f64(1.5_f64.powi(self.waited.min(20).cast_signed()));
                self.waited += 1;
                rest.min(*again)
            }
            Decision::Settled => {
                self.waited = 0;
                settled
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(2);

    #[test]
    fn a_wait_is_looked_at_soon_and_then_less_often() {
        let mut patience = Patience::default();
        let wait = Decision::Wait { operation: None, reason: String::new(), again: Duration::from_secs(1) };
        let rests: Vec<_> = (0..8).map(|_| patience.rest(&wait, REST).as_millis()).collect();
        assert_eq!(rests, [150, 225, 337, 506, 759, 1000, 1000, 1000]);
        assert_eq!(patience.rest(&Decision::Settled, REST), REST);
        assert_eq!(patience.rest(&wait, REST).as_millis(), 150);
    }
}
