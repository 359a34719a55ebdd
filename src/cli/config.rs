//! `config check` and `secrets generate`.

use std::process::ExitCode;

use civiclens_actors::domain::entropy::{SystemEntropy, bytes};

use crate::config::{Loaded, in_force};

/// Prints what is in force to standard output and every problem to standard error.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what the command is for")]
pub(super) fn check(loaded: &Loaded) -> ExitCode {
    print!("{}", in_force(&loaded.settings));
    let problems = loaded.all_problems();
    eprintln!("{problems}");
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// New secrets for every key that needs one, as TOML: 32 random bytes each, in hexadecimal.
pub(super) fn generate() -> anyhow::Result<String> {
    let entropy = SystemEntropy::default();
    let sections: [(&str, &[&str]); 4] = [
        ("token", &["secret"]),
        ("otp", &["secret"]),
        ("csrf", &["secret"]),
        ("secrets", &["sealing_key", "hash_key", "password_pepper"]),
    ];
    let mut lines = Vec::new();
    for (section, keys) in sections {
        lines.push(format!("[{section}]\n"));
        for key in keys {
            lines.push(format!("{key} = \"{}\"\n", hex::encode(bytes::<32>(&entropy)?)));
        }
    }
    Ok(lines.concat())
}
