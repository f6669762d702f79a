//! What unit tests share with the tests over sockets in `tests/`.

#[path = "../tests/support/plan.rs"]
mod plans;
#[path = "../tests/support/world.rs"]
pub(crate) mod world;

pub(crate) use plans::{plan, provider, route};
