//! The `civiclens` program.

use std::process::ExitCode;

use civiclens::cli::{Cli, run};
use civiclens::telemetry::report_failure;
use clap::Parser;

/// Hashing and JSON make many small allocations on many threads, which this allocator is good at. Without huge pages, of which
/// each that is touched counts whole: they made an idle node twice as large.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // One provider of cryptography for every TLS connection. An error says that it is installed already.
    let _already_installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    run(Cli::parse()).unwrap_or_else(|error| {
        report_failure(&error);
        ExitCode::FAILURE
    })
}
