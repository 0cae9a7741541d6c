//! What Quorate tells about itself: log lines, metrics, health.

mod clusters;
pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod operator;
