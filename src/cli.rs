//! The program's commands, one file each.

pub mod banner;
pub mod check;
