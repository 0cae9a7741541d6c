//! Tables: small worlds, and the decision on each.

mod bootstrap;
mod builder;
mod joining;
mod leaving;
mod losing;
mod platforms;
mod properties;
mod rolling;
