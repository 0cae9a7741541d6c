//! What Quorate tells about itself: log lines, metrics, health.

pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
pub mod operator;
