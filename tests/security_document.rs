//! The evidence that `docs/security.md` names must exist: its tests and its files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Whether `function` stands in a file of the name `module`, or in `module/…`.
fn is_there(files: &[PathBuf], module: &str, function: &str) -> bool {
    let definition = format!("fn {function}(");
    files.iter().any(|path| {
        let in_module = path.file_stem().is_some_and(|stem| stem == module) || path.iter().any(|part| part == module);
        in_module && fs::read_to_string(path).unwrap().contains(&definition)
    })
}

#[test]
fn every_requirement_that_is_held_names_evidence_that_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).unwrap();
    let held = page.split("\n## Held\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = held.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    assert!(rows.len() > 8, "{rows:?}");
    let mut files = Vec::new();
    for folder in ["src", "tests", "actors", "nats"] {
        sources(&root().join(folder), &mut files);
    }
    for row in rows {
        let evidence: Vec<&str> = row.split('|').nth(3).unwrap().split('`').skip(1).step_by(2).collect();
        assert!(!evidence.is_empty(), "{row} names no evidence");
        for name in evidence {
            let exists = match name.split_once("::") {
                Some((module, function)) => is_there(&files, module, function),
                None => root().join(name).is_file(),
            };
            assert!(exists, "{name} does not exist: {row}");
        }
    }
}
