//! Which connections to members stay open between passes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Which clusters' connections to their members stay open from one pass to the next. An operator may have hundreds of
/// clusters, and each connection takes 60 KiB.
#[derive(Debug, Clone)]
pub struct Kept {
    busy: Arc<Semaphore>,
    settled: Arc<AtomicBool>,
}

impl Kept {
    /// Those of so many clusters that something happens to, and of none at rest.
    pub fn new(busy: usize) -> Self {
        Self { busy: Arc::new(Semaphore::new(busy)), settled: Arc::default() }
    }

    /// Whether those of clusters at rest do, too.
    pub fn settled(&self, kept: bool) {
        self.settled.store(kept, Ordering::Relaxed);
    }
}

/// What one cluster has of that.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    shared: Option<Kept>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Keeping {
    /// One of many clusters.
    pub(super) fn sharing(shared: Kept) -> Self {
        Self { shared: Some(shared), permit: None }
    }

    /// Whether its connections stay open. One that is looked after alone keeps them while something happens to it.
    pub(super) fn goes_on(&mut self, settled: bool) -> bool {
        let Some(shared) = &self.shared else { return !settled };
        if settled {
            self.permit = None;
            return shared.settled.load(Ordering::Relaxed);
        }
        if self.permit.is_none() {
            self.permit = Arc::clone(&shared.busy).try_acquire_owned().ok();
        }
        self.permit.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_kept_as_far_as_there_is_room() {
        let room = Kept::new(1);
        let [mut first, mut second] = [(); 2].map(|()| Keeping::sharing(room.clone()));
        assert_eq!([first.goes_on(false), second.goes_on(false)], [true, false]);
        assert_eq!([first.goes_on(false), second.goes_on(false)], [true, false]);
        assert_eq!([first.goes_on(true), second.goes_on(false)], [false, true]);
        assert_eq!([first.goes_on(false), second.goes_on(false)], [false, true]);
        room.settled(true);
        assert_eq!([first.goes_on(true), second.goes_on(true)], [true, true]);
        assert_eq!([first.goes_on(false), second.goes_on(true)], [true, true], "those at rest take no room");
        let mut alone = Keeping::default();
        assert_eq!([alone.goes_on(false), alone.goes_on(true)], [true, false]);
    }
}
