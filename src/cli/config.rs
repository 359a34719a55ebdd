//! `config check`.

use std::process::ExitCode;

use crate::config::{Loaded, in_force};

/// Prints what is in force to standard output and every problem to standard error.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what the command is for")]
pub(super) fn check(loaded: &Loaded) -> ExitCode {
    print!("{}", in_force(&loaded.settings));
    let problems = loaded.all_problems();
    eprintln!("{problems}");
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
