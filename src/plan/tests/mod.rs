//! Tables: small worlds, and the decision on each.

mod bootstrap;
mod builder;
mod joining;
mod leaving;
mod losing;
mod moving;
mod platforms;
mod properties;
mod relocating;
mod rolling;
mod rotating;
mod trust;
