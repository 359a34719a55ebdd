//! Measures what a request costs: CPU seconds of the `civiclens` process for 1 000 operations, as a multiple of a bare
//! actix-web JSON handler measured in the same run, with all limits on and the real servers beside it. Then what passwords
//! and revocations cost, against the same work without the service.
//!
//! `make bench` builds both in release and runs this. `civiclens-bench bare` is the bare handler.
#![expect(clippy::print_stdout, reason = "the figures are the product")]

mod bare;
mod client;
mod flood;
mod process;
mod sessions;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use civiclens::embedded::{Binaries, Durability, Options, Stack};
use serde_json::{Value, json};

use client::Request;
use process::Server;

/// Connections that send at the same time.
const CONNECTIONS: usize = 16;
/// Where the service listens.
const SERVICE: &str = "127.0.0.1:18182";
/// Where another node of the service listens.
const OTHER: &str = "127.0.0.1:18184";
/// What signs access tokens.
const TOKEN_SECRET: &str = "token-secret-of-the-benchmark-only-0123456789";
/// What is mixed into passwords.
const PEPPER: &str = "pepper-of-the-benchmark-only-0123456789";
/// What a request caused but did not wait for belongs to it: the relay publishes within a moment.
const SETTLE: Duration = Duration::from_millis(1500);
/// Where `dev` listens.
const DEV: &str = "127.0.0.1:18183";

#[actix_web::main]
#[expect(clippy::print_stderr, reason = "the one line that says why there are no figures")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("civiclens-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    if std::env::args().nth(1).as_deref() == Some("bare") {
        return bare::serve().await;
    }
    let operations: usize = std::env::args()
        .nth(1)
        .map_or(Ok(5_000), |text| text.parse().with_context(|| format!("{text:?} is no number of operations")))?;
    let folder = std::env::temp_dir().join(format!("civiclens-bench-{}", std::process::id()));
    let options = Options { data_dir: folder.clone(), durability: Durability::Durable, binaries: Binaries::default() };
    let stack = Box::pin(Stack::start(options)).await?;
    let outcome = measure(&stack, operations).await;
    stack.stop().await?;
    let outcome = match outcome {
        Ok(()) => second_start(&folder.join("dev")).await,
        failed => failed,
    };
    std::fs::remove_dir_all(folder)?;
    outcome
}

/// Says how long `dev` takes until it is ready, where it has run before.
async fn second_start(data_dir: &Path) -> anyhow::Result<()> {
    let ready = data_dir.join("dev.json");
    let mut took = Duration::ZERO;
    for _ in 0..2 {
        let start = Instant::now();
        let arguments = ["dev", "--data-dir", &data_dir.to_string_lossy(), "--listen", DEV];
        let mut dev = Server::start_silent(&program()?, &arguments, &[])?;
        while !ready.exists() {
            anyhow::ensure!(dev.runs()? && start.elapsed() < Duration::from_mins(1), "dev does not start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        took = start.elapsed();
        dev.end()?;
    }
    println!("dev: ready {:.1} s after its second start", took.as_secs_f64());
    Ok(())
}

/// The program, which is built beside this one.
fn program() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("civiclens");
    anyhow::ensure!(program.exists(), "build it first: cargo build --release");
    Ok(program)
}

async fn measure(stack: &Stack, operations: usize) -> anyhow::Result<()> {
    let this = std::env::current_exe()?;
    let program = program()?;
    let environment = environment(stack);
    Server::run_to_end(&program, &["migrate"], &environment)?;
    let bare = Server::start(&this, &["bare"], &[], bare::ADDRESS).await?;
    let service = Server::start(&program, &["serve", "--no-workers"], &environment, SERVICE).await?;
    client::wait_until_ready(SERVICE).await?;
    let idle = service.memory_mib()?;
    let _worker = Server::start_silent(&program, &["worker", "sms"], &environment)?;

    println!("{operations} operations each, {CONNECTIONS} connections\n");
    let mut meter = Meter::start(service, bare, operations * 4).await?;
    let mut visits = Vec::new();
    for visit in ["new user", "returning user"] {
        let requests = (0..operations).map(|n| post("request-otp", n, None)).collect();
        let asked = meter.run(&format!("request code ({visit})"), requests).await?;
        let codes = asked.answers.iter().map(|answer| answer["otp"].as_str().map(str::to_owned));
        let codes = codes.collect::<Option<Vec<_>>>().context("an answer holds no code")?;
        let requests = codes.iter().enumerate().map(|(n, code)| post("verify-otp", n, Some(code))).collect();
        visits.push(meter.run(&format!("verify code ({visit})"), requests).await?.answers);
    }
    let newest = visits.last().context("nobody came")?;
    let token = text(newest.first().context("nobody came")?, "access_token")?;
    let get = |path: &str, times: usize| vec![Request::get(path, Some(&token)); operations * times];
    let verify = meter.run_bare("only verifying the same JWT, bare", get("/verify", 4)).await?;
    let whoami = meter.run("whoami", get("/api/v1/auth/whoami", 4)).await?.cost;
    let verify = f64::midpoint(verify, meter.run_bare("only verifying the same JWT, bare", get("/verify", 4)).await?);
    meter.run("users/me", get("/api/v1/users/me", 2)).await?;
    let newest = sessions::list_and_refresh(&mut meter, newest).await?;
    let before = fresh_memory(&program, &environment).await?;
    let ended = [visits.swap_remove(0), newest].concat();
    sessions::log_out(&mut meter, &ended).await?;
    let after = fresh_memory(&program, &environment).await?;
    println!("\nwhoami: {:.2} x the CPU of only verifying the same JWT", whoami / verify);
    println!("{} revocations in force: {:.1} MiB more in a node that loads them", ended.len(), after - before);
    flood::measure((operations / 50).max(24)).await?;
    println!("memory: {idle:.0} MiB idle, {:.0} MiB after the run", meter.service.memory_mib()?);
    Ok(())
}

/// The memory of a node that was just started: the least of three, since what is freed does not all go back at once.
async fn fresh_memory(program: &Path, environment: &[(String, String)]) -> anyhow::Result<f64> {
    let mut environment = environment.to_vec();
    environment.push(("CIVICLENS__SERVER__LISTEN".to_owned(), OTHER.to_owned()));
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let node = Server::start(program, &["serve", "--no-workers"], &environment, OTHER).await?;
        client::wait_until_ready(OTHER).await?;
        least = least.min(node.memory_mib()?);
        node.end()?;
    }
    Ok(least)
}

/// A text of an answer.
fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    answer[field].as_str().map(str::to_owned).with_context(|| format!("an answer holds no {field}"))
}

/// What the service is configured with: development, because the codes are read from the answers; every limit as by
/// default, each phone and each client address being another.
fn environment(stack: &Stack) -> Vec<(String, String)> {
    [
        ("ENVIRONMENT", "development"),
        ("SERVER__LISTEN", SERVICE),
        ("SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("DATABASE__URL", stack.database_url()),
        ("REDIS__URL", stack.redis_url()),
        ("NATS__URL", stack.nats_url()),
        ("OTP__EXPOSE_CODES", "true"),
        // Load balancers are not waited for.
        ("SERVER__STOP_DELAY", "0s"),
        ("TOKEN__SECRET", TOKEN_SECRET),
        ("CSRF__SECRET", "csrf-secret-of-the-benchmark-only-0123456789"),
        ("OTP__SECRET", "code-secret-of-the-benchmark-only-0123456789"),
        ("SECRETS__HASH_KEY", "hash-key-of-the-benchmark-only-9876543210"),
        ("SECRETS__PASSWORD_PEPPER", PEPPER),
        ("SECRETS__SEALING_KEY", "8f1d3b5a7c9e02468ace13579bdf0f2e4d6c8ba9173f5d7b9e0c2a4866f1e3d5"),
    ]
    .into_iter()
    .map(|(key, value)| (format!("CIVICLENS__{key}"), value.to_owned()))
    .collect()
}

fn post(route: &str, n: usize, code: Option<&str>) -> Request {
    let mut body = json!({ "phone": format!("98765{n:05}") });
    if let Some(code) = code {
        body["otp"] = code.into();
    }
    Request::post(&format!("/api/v1/auth/{route}"), &body, &address_of(n))
}

/// The client address of the `n`th person.
fn address_of(n: usize) -> String {
    format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

/// What `share` percent of sorted times stay below, in milliseconds.
fn percentile(times: &[Duration], share: usize) -> f64 {
    times.get(times.len() * share / 100).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

/// Measures one operation after the other, each against the bare handler just before and just after it: a machine that gets
/// slower meanwhile counts for neither.
struct Meter {
    service: Server,
    bare: Server,
    /// How many requests one measurement of the bare handler takes.
    calls: usize,
    /// What the bare handler cost last.
    floor: f64,
}

/// What was measured of one operation.
struct Run {
    /// CPU seconds for 1 000.
    cost: f64,
    answers: Vec<Value>,
}

impl Meter {
    async fn start(service: Server, bare: Server, calls: usize) -> anyhow::Result<Self> {
        println!("| operation | requests/s | p50 ms | p99 ms | CPU s / 1000 | x bare |");
        println!("| --- | --- | --- | --- | --- | --- |");
        let mut meter = Self { service, bare, calls, floor: 0.0 };
        meter.floor = meter.run_bare("bare JSON handler", vec![Request::get("/", None); calls]).await?;
        Ok(meter)
    }

    /// Sends `requests` to the service and prints a line.
    async fn run(&mut self, name: &str, requests: Vec<Request>) -> anyhow::Result<Run> {
        let before = self.floor;
        let (run, line) = send(name, &self.service, SERVICE, requests, SETTLE).await?;
        let bare = vec![Request::get("/", None); self.calls];
        self.floor = send("bare", &self.bare, bare::ADDRESS, bare, Duration::ZERO).await?.0.cost;
        println!("{line} {:.1} |", run.cost / f64::midpoint(before, self.floor));
        Ok(run)
    }

    /// Sends `requests` to the bare handlers and prints a line. Answers the CPU seconds for 1 000.
    async fn run_bare(&self, name: &str, requests: Vec<Request>) -> anyhow::Result<f64> {
        let (run, line) = send(name, &self.bare, bare::ADDRESS, requests, Duration::ZERO).await?;
        println!("{line} {:.1} |", if self.floor > 0.0 { run.cost / self.floor } else { 1.0 });
        Ok(run.cost)
    }
}

/// Sends `requests`. Answers what was measured, and most of the line that tells of it.
async fn send(
    name: &str,
    server: &Server,
    address: &str,
    requests: Vec<Request>,
    settle: Duration,
) -> anyhow::Result<(Run, String)> {
    let count = u32::try_from(requests.len())?;
    let (cpu, start) = (server.cpu_seconds()?, Instant::now());
    let (answers, mut times) =
        client::send_all(address, requests, CONNECTIONS, Duration::ZERO).await.with_context(|| name.to_owned())?;
    let wall = start.elapsed();
    tokio::time::sleep(settle).await;
    let cost = (server.cpu_seconds()? - cpu) / f64::from(count) * 1000.0;
    times.sort();
    let (half, most) = (percentile(&times, 50), percentile(&times, 99));
    let rate = f64::from(count) / wall.as_secs_f64();
    Ok((Run { cost, answers }, format!("| {name} | {rate:.0} | {half:.2} | {most:.2} | {cost:.4} |")))
}
