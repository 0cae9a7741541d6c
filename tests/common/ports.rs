//! Ports that no other test gets, in this process or in another.
//!
//! To try a port and to leave it to somebody else is a race, and a cluster under `quorate up` takes ports over minutes.
//! So the ports from 10,000 to 28,000, below the range that the kernel gives to outgoing connections, are cut into 60
//! places, and whoever uses one listens on its last port. The kernel gives it back when a process ends.

use std::{
    net::TcpListener,
    sync::{
        OnceLock,
        atomic::{AtomicU16, Ordering},
    },
};

const FIRST: u16 = 10_000;
const PLACES: u16 = 60;
/// Ports that a place has to give: a cluster rarely gives out more than 25 names, each ten ports wide.
const WIDTH: u16 = 299;

/// A range of ports. It is free for others once this is dropped.
pub struct Place {
    /// The first port of the range.
    pub first: u16,
    _claim: TcpListener,
}

impl Place {
    /// A range that nobody holds and in which nobody listens.
    pub fn claim() -> Self {
        // From another place each time, because a port that was left a moment ago may still be known to somebody.
        static NEXT: OnceLock<AtomicU16> = OnceLock::new();
        let next = NEXT.get_or_init(|| {
            AtomicU16::new((std::process::id().wrapping_mul(7_919) % u32::from(PLACES)) as u16)
        });
        for _ in 0..PLACES {
            let first = FIRST + next.fetch_add(1, Ordering::Relaxed) % PLACES * (WIDTH + 1);
            let Ok(claim) = listen(first + WIDTH) else { continue };
            if (first..first + WIDTH).all(|port| listen(port).is_ok()) {
                return Self { first, _claim: claim };
            }
        }
        panic!("no free range of ports between {FIRST} and {}", FIRST + PLACES * (WIDTH + 1));
    }
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind(("127.0.0.1", port))
}

/// A port of 127.0.0.1 that nobody uses now, from a range of this process.
pub fn free_port() -> u16 {
    static MINE: OnceLock<Place> = OnceLock::new();
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mine = MINE.get_or_init(Place::claim);
    let ports = (0..WIDTH).map(|_| mine.first + NEXT.fetch_add(1, Ordering::Relaxed) % WIDTH);
    ports.into_iter().find(|port| listen(*port).is_ok()).expect("a free port of the range")
}
