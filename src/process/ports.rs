//! Choosing ports: free now, not given to another member, and not used a moment ago.

use std::net::{Ipv4Addr, TcpListener};

use super::state::Ports;
use crate::plan::Sides;

/// How many ports lie between the first ports of two members, so that a member's ports look alike: 2379, 2380, 2381.
const STRIDE: u16 = 10;
/// How many places there are before the search comes round again.
const PLACES: u16 = 200;

/// Chooses the ports of the `serial`-th member, from `base` on; `secured` says which sides begin under TLS. Later members get later places, so that an address is
/// seldom used again soon: peers of a removed member still dial it for a while.
///
/// `None` when all places are taken.
pub fn choose(base: u16, serial: u64, secured: Sides<bool>, taken: &[Ports]) -> Option<Ports> {
    let first = u16::try_from(serial.saturating_sub(1) % u64::from(PLACES)).unwrap_or_default();
    (0..PLACES)
        .map(|n| (first + n) % PLACES)
        .filter_map(|place| base.checked_add(place.checked_mul(STRIDE)?))
        .filter_map(|client| {
            Some(Ports { client, peer: client.checked_add(1)?, metrics: client.checked_add(2)?, secured })
        })
        .find(|ports| {
            taken.iter().all(|one| one.client != ports.client) && ports.all().into_iter().all(is_free)
        })
}

/// Whether nobody listens on a port of the loopback address now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_ports_are_passed_over() {
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = busy.local_addr().unwrap().port();
        assert!(!is_free(port));
        if let Some(ports) = choose(port - 1, 1, Sides::default(), &[]) {
            assert!(!ports.all().contains(&port), "{ports:?}");
        }
    }

    #[test]
    fn members_get_different_places() {
        let one = choose(21_379, 1, Sides::default(), &[]).unwrap();
        let two = choose(21_379, 2, Sides::default(), &[one]).unwrap();
        assert_ne!(one, two);
        assert_eq!(choose(u16::MAX - 1, 1, Sides::default(), &[]), None, "no place is left above");
    }
}
