//! What must hold of the source itself: which part may use which, what comes in from outside, how long a file may get.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use civiclens::config::Settings;
use serde_json::Value;

/// The longest a file may be before its tests.
const MAX_LINES: usize = 400;

const LICENCES: [&str; 14] = [
    "MIT",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "BSL-1.0",
    "0BSD",
    "CDLA-Permissive-2.0",
    "MPL-2.0",
    "Unlicense",
];

/// One TLS and one cryptography library are enough, and neither is the system's.
const BANNED: [&str; 4] = ["ring", "openssl", "openssl-sys", "native-tls"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let run = Command::new(program).args(arguments).current_dir(root()).output().unwrap();
    assert!(run.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// Who needs whom, on this machine.
struct Graph {
    packages: BTreeMap<String, Value>,
    dependencies: BTreeMap<String, Vec<(String, bool)>>,
}

impl Graph {
    fn read() -> Self {
        let versions = output("rustc", &["-vV"]);
        let host = versions.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let arguments = ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", host];
        let metadata: Value = serde_json::from_str(&output(env!("CARGO"), &arguments)).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let packages =
            metadata["packages"].as_array().unwrap().iter().map(|package| (text(&package["id"]), package.clone()));
        let node = |node: &Value| {
            let dependencies = node["deps"].as_array().unwrap().iter().map(|dependency| {
                let kinds = dependency["dep_kinds"].as_array().unwrap();
                (text(&dependency["pkg"]), kinds.iter().all(|kind| kind["kind"] == "dev"))
            });
            (text(&node["id"]), dependencies.collect())
        };
        let dependencies = metadata["resolve"]["nodes"].as_array().unwrap().iter().map(node).collect();
        Self { packages: packages.collect(), dependencies }
    }

    fn name(&self, id: &str) -> &str {
        self.packages[id]["name"].as_str().unwrap()
    }

    fn ours(&self, name: &str) -> &str {
        let is_it = |id: &&String| self.packages[*id]["source"].is_null() && self.name(id) == name;
        self.packages.keys().find(is_it).unwrap()
    }

    /// The names of everything that `start` needs, but for its tests.
    fn reached_names(&self, start: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut next = vec![self.ours(start)];
        while let Some(id) = next.pop() {
            for (to, _) in self.dependencies[id].iter().filter(|(_, only_dev)| !only_dev) {
                if seen.insert(to.as_str()) {
                    next.push(to);
                }
            }
        }
        seen.into_iter().map(|id| self.name(id)).collect()
    }
}

/// Everything that is built here, with the features that are on: name and licence. `cargo metadata` would also tell of
/// what only a feature that is off brings in.
fn built() -> BTreeSet<(String, String)> {
    let arguments = ["tree", "--workspace", "--offline", "--locked", "--prefix", "none", "--format", "{p}\t{l}"];
    let tree = output(env!("CARGO"), &arguments);
    let lines = tree.lines().filter_map(|line| line.split_once('\t')).map(|(package, licence)| {
        let name = package.split(' ').next().unwrap_or_default();
        (name.to_owned(), licence.trim_end_matches(" (*)").to_owned())
    });
    let built: BTreeSet<_> = lines.collect();
    assert!(built.len() > 200, "this is not everything: {}", built.len());
    built
}

/// Whether an SPDX expression (or the old form with a slash) can be met with what is allowed.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.trim();
    let expression = match expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(inner) if balanced(inner) => return is_allowed(inner),
        _ => expression.replace('/', " OR "),
    };
    let split = |word: &str| split_outside(&expression, word);
    if let Some((left, right)) = split(" OR ") {
        return is_allowed(left) || is_allowed(right);
    }
    if let Some((left, right)) = split(" AND ") {
        return is_allowed(left) && is_allowed(right);
    }
    let licence = expression.split(" WITH ").next().unwrap_or_default().trim();
    LICENCES.contains(&licence)
}

fn balanced(text: &str) -> bool {
    let mut depth = 0_i32;
    text.chars().all(|character| {
        depth += i32::from(character == '(') - i32::from(character == ')');
        depth >= 0
    }) && depth == 0
}

fn split_outside<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    text.match_indices(word)
        .map(|(at, _)| (&text[..at], &text[at + word.len()..]))
        .find(|(left, right)| balanced(left) && balanced(right))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), extension, &mut found);
    assert!(!found.is_empty(), "no {extension} files in {folder}");
    found
}

#[test]
fn dependencies_point_one_way() {
    let graph = Graph::read();
    let workspace = |name: &str| -> Vec<String> {
        let reached = graph.reached_names(name).into_iter();
        reached.filter(|name| name.starts_with("civiclens")).map(str::to_owned).collect()
    };
    assert!(workspace("civiclens-nats").is_empty(), "nats is a leaf");
    assert_eq!(workspace("civiclens-actors"), ["civiclens-nats"]);
    for part in ["civiclens-nats", "civiclens-actors"] {
        assert!(!graph.reached_names(part).contains("actix-web"), "{part} knows nothing of HTTP");
    }
}

/// The words behind each `crate::` of the code in `text`: where it reaches outside its own folder.
fn reaches(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut reached = BTreeSet::new();
    for part in code.split("crate::").skip(1) {
        // One word, or a list in braces of which each entry begins with one.
        let list = part.strip_prefix('{').map(|rest| rest.split('}').next().unwrap_or_default());
        for entry in list.unwrap_or(part).split(if list.is_some() { "," } else { "\0" }) {
            let word = entry.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            reached.insert(word.to_owned());
        }
    }
    reached
}

#[test]
fn inside_actors_too_dependencies_point_one_way() {
    let allowed = [("actors/src/domain", vec!["domain"]), ("actors/src/store", vec!["domain", "store"])];
    let mut wrong = Vec::new();
    for (folder, allowed) in allowed {
        for path in files(folder, "rs") {
            let reached = reaches(&fs::read_to_string(&path).unwrap());
            for name in reached.iter().filter(|name| !allowed.contains(&name.as_str())) {
                wrong.push(format!("{} names crate::{name}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "domain names nothing else, store no component:\n{}", wrong.join("\n"));
}

#[test]
fn rules_do_no_input_or_output() {
    let doors =
        ["sqlx::", "redis::", "reqwest::", "async_nats::", "civiclens_nats::", "actix::", "tokio::", "async fn"];
    for path in files("actors/src/domain", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
            assert!(!doors.iter().any(|door| line.contains(door)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn what_a_file_reaches_is_found() {
    let text =
        "use crate::accounts::User;\n// crate::nothing\nuse crate::{audit, otp::Error};\nfn f(c: crate::store::Db) {}";
    assert_eq!(reaches(text).into_iter().collect::<Vec<_>>(), ["accounts", "audit", "otp", "store"]);
}

/// Every key of the configuration.
fn keys(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value.as_object() {
        Some(fields) => {
            for (name, value) in fields {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                keys(&key, value, found);
            }
        }
        None => drop(found.insert(prefix.to_owned())),
    }
}

#[test]
fn the_readme_tells_of_every_setting_and_of_no_other() {
    let mut known = BTreeSet::new();
    keys("", &serde_json::to_value(Settings::default()).unwrap(), &mut known);
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Configuration\n").unwrap();
    let section = section.split("\n## ").next().unwrap_or_default();
    let told: BTreeSet<String> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .map(str::to_owned)
        .collect();
    let list = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>().join("\n");
    let (missing, unknown) = (known.difference(&told).collect::<Vec<_>>(), told.difference(&known).collect::<Vec<_>>());
    assert!(missing.is_empty(), "README's table of settings lacks:\n{}", list(missing));
    assert!(unknown.is_empty(), "README's table of settings has what is no setting:\n{}", list(unknown));
}

#[test]
fn http_names_neither_sqlx_nor_an_actor_address() {
    for path in files("src/http", "rs") {
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let names = |word: &str| {
                line.split(|character: char| !character.is_alphanumeric() && character != '_' && character != ':')
                    .any(|token| token == word || token.starts_with(&format!("{word}::")))
            };
            let address = line.contains("actix::Addr") || line.contains("Addr<");
            assert!(!names("sqlx") && !address, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn every_licence_is_allowed() {
    let refused: Vec<_> = built().into_iter().filter(|(_, licence)| !is_allowed(licence)).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn licence_expressions_are_understood() {
    for allowed in
        ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND ISC", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT AND GPL-2.0) OR AGPL-3.0", "(MIT) AND (GPL-2.0)"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

#[test]
fn no_banned_crate_is_built() {
    let found: Vec<_> = built().into_iter().filter(|(name, _)| BANNED.contains(&name.as_str())).collect();
    assert!(found.is_empty(), "{found:?}: see cargo tree -i");
}

#[test]
fn no_file_is_long() {
    let sources = ["src", "actors/src", "nats/src"].into_iter().flat_map(|folder| files(folder, "rs"));
    for path in sources.filter(|path| !path.ends_with("tests.rs")) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn migrations_are_ordered_by_name() {
    for path in files("migrations", "sql") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (time, what) = name.split_once('_').unwrap_or_default();
        let dated = time.len() == 14 && time.bytes().all(|byte| byte.is_ascii_digit());
        let named =
            !what.is_empty() && what.bytes().all(|byte| byte.is_ascii_lowercase() || b"_0123456789".contains(&byte));
        assert!(dated && named, "{name} is not <timestamp>_<name>");
    }
}

/// Where a task may be started that no loop is: each ends by itself, with what it was started for.
const TASKS: [(&str, &str); 7] = [
    ("actors/src/supervision/loops.rs", "the loops themselves"),
    ("actors/src/audit/actor.rs", "a batch, the end of loops"),
    ("actors/src/limits/one_by_one.rs", "its tests"),
    ("actors/src/settlement.rs", "an unclear outcome, tried so often"),
    ("nats/src/delivery.rs", "a job"),
    ("nats/src/consume.rs", "deliveries"),
    ("src/app/listeners.rs", "the HTTP servers"),
];

/// A loop can only be started with a bound, and nothing runs again and again that is none.
#[test]
fn what_runs_again_and_again_is_a_loop_with_a_bound() {
    let mut loops = 0;
    for file in ["actors/src", "nats/src", "src"].iter().flat_map(|folder| files(folder, "rs")) {
        let name = file.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in text.lines().enumerate() {
            let place = format!("{name}:{}: {}", number + 1, line.trim());
            assert!(!line.contains("run_interval"), "no loop of supervision::Loops: {place}");
            if line.contains("tokio::spawn(") || line.contains("actix::spawn(") {
                let known = TASKS.iter().any(|(file, _)| *file == name) || name.ends_with("tests.rs");
                assert!(known, "say in TASKS why it is no loop: {place}");
            }
            loops += usize::from(line.contains("Loop::start("));
        }
    }
    assert!(loops >= 12, "{loops}");
}
