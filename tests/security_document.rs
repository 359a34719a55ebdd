//! Holds `docs/security.md` to the repository: the tests and files it names exist, and no requirement is left out.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const DOCUMENT: &str = include_str!("../docs/security.md");

/// The folders with Rust code of ours.
const CODE: [&str; 5] = ["src", "actors", "nats", "bench", "tests"];

/// Endings by which a quoted word is taken for a file.
const ENDINGS: [&str; 6] = ["rs", "md", "sql", "json", "toml", "conf"];

/// What the audit found broken and what must not wait. Each stands under "Held" or under "Open, and must not wait".
const REQUIRED: [&str; 17] = [
    "V6.3.4",
    "V7.5.1",
    "V6.6.2",
    "V6.5.6",
    "V12.3.2",
    "V12.2.1",
    "V13.2.4",
    "V13.2.3",
    "RFC 8725 3.5",
    "V11.1.1",
    "V14.3.2",
    "NIST 3.2.2",
    "V2.2.1",
    "V2.1.1",
    "V15.3.7",
    "V16.2.4",
    "V16.2.5",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files below `folder`.
fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The names of the test functions of a file.
fn tests_of(text: &str) -> Vec<&str> {
    let mut is_test = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            is_test |= line.ends_with("test]");
            continue;
        }
        let line = line.strip_prefix("async ").unwrap_or(line);
        if let Some(name) = line.strip_prefix("fn ").filter(|_| is_test) {
            found.push(name.split('(').next().unwrap());
        }
        is_test &= line.starts_with("//");
    }
    found
}

/// The modules of a file, without folders that are none and without a last `tests`: `src/config/tests.rs` is `config`.
fn modules_of(path: &Path) -> Vec<String> {
    let path = path.strip_prefix(root()).unwrap().with_extension("");
    let parts = path.iter().map(|part| part.to_str().unwrap().to_owned());
    parts.filter(|part| !["src", "mod", "lib", "tests"].contains(&part.as_str())).collect()
}

/// Every test of the repository: function, and the modules of the files that have it.
fn all_tests() -> BTreeMap<String, Vec<Vec<String>>> {
    let mut files = Vec::new();
    for folder in CODE {
        rust_files(&root().join(folder), &mut files);
    }
    let mut all: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for file in files {
        for name in tests_of(&fs::read_to_string(&file).unwrap()) {
            all.entry(name.to_owned()).or_default().push(modules_of(&file));
        }
    }
    all
}

/// Whether `module::function` is among the tests.
fn is_there(all: &BTreeMap<String, Vec<Vec<String>>>, named: &str) -> bool {
    let (modules, function) = named.rsplit_once("::").unwrap();
    let modules: Vec<_> = modules.split("::").filter(|part| *part != "tests").map(str::to_owned).collect();
    all.get(function).is_some_and(|places| places.iter().any(|place| place.ends_with(&modules)))
}

/// The words of `text` that stand between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn is_test_name(word: &str) -> bool {
    word.contains("::")
}

fn is_file_name(word: &str) -> bool {
    let ending = Path::new(word).extension().and_then(|ending| ending.to_str());
    word.contains('/') && !word.contains(' ') && ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// The rows of the table under the heading `title`, by cells.
fn rows(title: &str) -> Vec<Vec<&'static str>> {
    let heading = format!("## {title}");
    let lines = DOCUMENT.lines().skip_while(|line| *line != heading).skip(1);
    let table = lines.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with('|')).skip(2);
    table.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_test_and_file_that_is_named_exists() {
    let all = all_tests();
    for word in quoted(DOCUMENT) {
        if is_test_name(word) {
            assert!(is_there(&all, word), "no such test: {word}");
        } else if is_file_name(word) {
            assert!(root().join(word).is_file(), "no such file: {word}");
        }
    }
    let links = DOCUMENT.split("](").skip(1).map(|rest| rest.split([')', '#']).next().unwrap());
    for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
        assert!(root().join("docs").join(link).is_file(), "a dead link: {link}");
    }
}

#[test]
fn every_row_has_its_evidence_or_its_reason() {
    let held = rows("Held");
    let open = rows("Open, and must not wait");
    for row in &held {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "an empty cell: {row:?}");
        assert!(quoted(row[3]).any(is_test_name), "no test holds it: {row:?}");
    }
    for row in open.iter().chain(&rows("Open, for later")) {
        assert!(row.len() >= 2 && row.iter().all(|cell| !cell.is_empty()), "an empty cell: {row:?}");
    }
    assert!(open.iter().all(|row| row.len() == 3), "no reason: {open:?}");
    let named: BTreeSet<_> = held.iter().chain(&open).flat_map(|row| row[0].split(", ")).collect();
    let missing: Vec<_> = REQUIRED.iter().filter(|id| !named.contains(*id)).collect();
    assert!(missing.is_empty(), "in neither table: {missing:?}");
}

#[test]
fn what_does_not_exist_is_not_found() {
    let text = "#[test]\n#[ignore]\nfn one() {}\nfn two() {}\n#[actix::test]\n/// Why.\nasync fn three() {}\n";
    assert_eq!(tests_of(text), ["one", "three"]);
    let all = all_tests();
    assert!(is_there(&all, "security_document::what_does_not_exist_is_not_found"));
    assert!(!is_there(&all, "policy::what_does_not_exist_is_not_found"), "in another module");
    assert!(!is_there(&all, "security_document::is_there"), "no test");
    assert!(is_file_name("nats/server.conf") && !is_file_name("/auth/2fa") && !is_file_name("sms.base_url"));
}
