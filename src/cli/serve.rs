//! `vestibule serve` and `vestibule demo`: run until a signal says stop.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::{ConfigArguments, banner::banner, exit};
use crate::{
    config::{self, plan::Plan},
    demo,
    server::{self, Running, ServeError},
    telemetry,
};
