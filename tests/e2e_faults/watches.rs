//! A watch whose events come late or not at all, and which ends early.

use std::{io, time::Duration};

use axum::body::Body;
use futures::{StreamExt, channel::mpsc};
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, sleep_until};

use crate::script::{Dice, Watches};

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_secs(3600);

type Lines = mpsc::UnboundedSender<io::Result<Vec<u8>>>;

/// Passes a watch on, event by event.
pub fn follow(body: kube::client::Body, watches: Watches, mut dice: Dice) -> Body {
    let (sender, lines) = mpsc::unbounded();
    tokio::spawn(async move {
        sleep(watches.held).await;
        let whole = if watches.cut { dice.millis(2000, 5000) } else { FOR_EVER };
        // Whoever is cut off goes on from the last event that came through, so these are only late.
        let silent = Instant::now() + whole - dice.millis(0, 1000).min(whole);
        let end = Instant::now() + whole;
        let broken = dice.below(2) == 0;
        tokio::select! {
            () = pass(body, watches, dice, silent, &sender) => {}
            () = sleep_until(end) => {
                if broken {
                    let _ = sender.unbounded_send(Err(io::ErrorKind::ConnectionReset.into()));
                }
            }
            // The one who watches is gone.
            () = closed(&sender) => {}
        }
    });
    Body::from_stream(lines)
}

async fn closed(sender: &Lines) {
    while !sender.is_closed() {
        sleep(Duration::from_millis(500)).await;
    }
}

async fn pass(body: kube::client::Body, watches: Watches, mut dice: Dice, silent: Instant, sender: &Lines) {
    let mut frames = body.into_data_stream();
    let mut rest = Vec::new();
    while let Some(Ok(bytes)) = frames.next().await {
        rest.extend_from_slice(&bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if dice.below(100) < watches.late {
                sleep(dice.millis(0, 1500)).await;
            }
            if dice.below(100) < watches.swallowed {
                continue;
            }
            if watches.cut && Instant::now() > silent {
                return std::future::pending().await;
            }
            let _ = sender.unbounded_send(Ok(line));
        }
    }
}
