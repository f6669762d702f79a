//! The endpoints from outside: requests in, responses out, against a scriptable provider on
//! loopback, the real authority and a store in memory.

mod authorize;
mod callback;
mod consent;
mod programs;
mod story;
mod world;
