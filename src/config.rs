//! The one way in: sources (YAML text, environment) -> [`document`] -> [`plan`], or diagnostics.

pub mod plan;
