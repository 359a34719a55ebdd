//! Many who log in with passwords at the same time: how many get in, and whether others notice.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use civiclens_actors::domain::entropy::SystemEntropy;
use civiclens_actors::domain::password::{Config, Scheme};
use civiclens_actors::domain::secret::Secret;
use serde_json::json;

use crate::client::{Request, send_all};
use crate::{CONNECTIONS, PEPPER, SERVICE, address_of, percentile, text};

/// How many people log in, over and over.
const PEOPLE: usize = 32;
/// The password of all of them.
const PASSWORD: &str = "Monsoon-Kettle-41";
/// bcrypt's cost by default.
const COST: u32 = 12;
/// How many at a time ask who they are, how often each, and how long each waits in between: a busy afternoon, not a flood.
const CALLERS: usize = 2;
const CALLS: usize = 6_000;
const PAUSE: Duration = Duration::from_millis(2);

/// Says how many logins there are a second, against what as many threads can hash alone; and what a call by somebody who is
/// signed in takes meanwhile, against what it takes when it is quiet.
pub(crate) async fn measure(logins: usize) -> anyhow::Result<()> {
    let token = sign_up().await?;
    let threads = thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    // Before and after, so that a machine that gets slower meanwhile does not count against one of them.
    let before = hashes_alone(threads, logins / 2)?;
    let start = Instant::now();
    send_all(SERVICE, log_in(logins), CONNECTIONS, Duration::ZERO).await?;
    let rate = f64::from(u32::try_from(logins)?) / start.elapsed().as_secs_f64();
    let alone = f64::midpoint(before, hashes_alone(threads, logins / 2)?);
    println!(
        "logins by password: {rate:.2}/s, {:.0} % of {alone:.2}/s by {threads} thread(s) alone",
        rate / alone * 100.0
    );

    let whoami = Request::get("/api/v1/auth/whoami", Some(&token));
    let calls = || send_all(SERVICE, vec![whoami.clone(); CALLS], CALLERS, PAUSE);
    let (_, mut quiet) = calls().await?;
    let flood = tokio::spawn(send_all(SERVICE, log_in(logins), CONNECTIONS, Duration::ZERO));
    let (_, mut busy) = calls().await?;
    let enough = !flood.is_finished();
    flood.await??;
    anyhow::ensure!(enough, "the flood ended before the calls did: ask for more operations");
    quiet.sort();
    busy.sort();
    let (quiet, busy) = (percentile(&quiet, 99), percentile(&busy, 99));
    println!("whoami p99: {quiet:.2} ms when it is quiet, {busy:.2} ms under a flood of logins: {:.1} x", busy / quiet);
    Ok(())
}

fn phone(n: usize) -> String {
    format!("97000{n:05}")
}

/// Answers an access token of one who does not log in again.
async fn sign_up() -> anyhow::Result<String> {
    let post = |route: &str, n: usize, body| {
        Request::post(&format!("/api/v1/auth/{route}"), &body, &address_of(1_000_000 + n))
    };
    let sign_ups = (0..=PEOPLE)
        .map(|n| post("signup", n, json!({ "phone": phone(n), "full_name": "Asha Rao", "password": PASSWORD })));
    let (asked, _) = send_all(SERVICE, sign_ups.collect(), 8, Duration::ZERO).await?;
    let verify = |(n, answer)| Ok(post("verify-phone", n, json!({ "phone": phone(n), "otp": text(answer, "otp")? })));
    let verifications = asked.iter().enumerate().map(verify).collect::<anyhow::Result<_>>()?;
    let (entered, _) = send_all(SERVICE, verifications, 8, Duration::ZERO).await?;
    text(entered.last().context("nobody signed up")?, "access_token")
}

fn log_in(logins: usize) -> Vec<Request> {
    let body = |n| json!({ "phone": phone(n % PEOPLE), "password": PASSWORD });
    (0..logins).map(|n| Request::post("/api/v1/auth/login", &body(n), &address_of(2_000_000 + n))).collect()
}

/// How many passwords so many threads verify in a second when there is nothing else to do.
fn hashes_alone(threads: usize, count: usize) -> anyhow::Result<f64> {
    let (pepper, password) = (Secret::from(PEPPER.to_owned()), Secret::from(PASSWORD.to_owned()));
    let scheme = Scheme::new(&Config { pepper, previous_pepper: Secret::default(), cost: COST });
    let stored = scheme.hash(&password, &SystemEntropy::default())?;
    let each = (count / threads).max(1);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| assert!(scheme.verify(&password, Some(&stored)).matches)));
        }
    });
    Ok(f64::from(u32::try_from(each * threads)?) / start.elapsed().as_secs_f64())
}
