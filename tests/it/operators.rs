//! What operators see.

use std::collections::BTreeSet;

use civiclens::config::{Environment, Settings};

use crate::support::{Answer, TestApp, eventually, story_with};

fn development(settings: &mut Settings) {
    settings.environment = Environment::Development;
}

/// The metrics that appear when something happens first, which no story can be sure of.
const RARE: [&str; 6] = [
    "civiclens_mailbox_refused_total",
    "civiclens_otp_paused_total",
    "civiclens_loop_steps_late_total",
    "civiclens_database_losses_total",
    "civiclens_redis_replaced_total",
    "civiclens_redis_unclear_total",
];

/// What `docs/operations.md` says of each metric: its name, and its labels.
fn documented() -> Vec<(String, Vec<String>)> {
    let page = include_str!("../../docs/operations.md");
    let section = page.split("\n## Metrics\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = section.lines().filter(|line| line.starts_with("| `civiclens_"));
    rows.flat_map(|row| {
        let mut cells = row.split('|').skip(1);
        let (names, kind) = (quoted(cells.next().unwrap()), cells.next().unwrap());
        // In brackets stand values of a label, not labels.
        let labels = quoted(kind.split('(').next().unwrap());
        names.into_iter().map(move |name| (name, labels.clone()))
    })
    .collect()
}

/// The metrics of a scrape, without the endings that belong to histograms.
fn scraped(text: &str) -> BTreeSet<String> {
    let name = |line: &str| line.split(['{', ' ']).next().unwrap_or_default().to_owned();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(name).filter(|name| name.starts_with("civiclens_")).collect()
}

#[actix::test]
async fn every_metric_is_there_and_documented() {
    story_with(development, async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        session.logs_out().await.ok();
        let documented = documented();
        assert!(documented.len() > 12, "{documented:?}");
        let scrape = async || app.gets("/metrics").await.ok().body.as_str().unwrap().to_owned();
        for (name, labels) in documented.iter().filter(|(name, _)| !RARE.contains(&name.as_str())) {
            // Some are measured every five seconds.
            eventually(name, async || {
                let text = scrape().await;
                let mut samples = text.lines().filter(|line| line.starts_with(name.as_str()));
                let labelled = |line: &str| labels.iter().all(|label| line.contains(&format!("{label}=\"")));
                samples.any(labelled).then_some(())
            })
            .await;
        }
        let text = scrape().await;
        let told = documented.into_iter().map(|(name, _)| name).collect();
        let secret = scraped(&text).difference(&told).cloned().collect::<Vec<_>>();
        assert!(secret.is_empty(), "docs/operations.md does not tell of {secret:?}");
        for sample in [
            "civiclens_http_requests_total{method=\"POST\",route=\"/api/v1/auth/verify-otp\",status=\"200\"}",
            "civiclens_http_request_seconds_bucket{route=\"/api/v1/auth/verify-otp\",le=\"0.25\"}",
            "civiclens_deliveries_total{channel=\"sms\",outcome=\"delivered\"}",
            "civiclens_pool_in_use{pool=\"background\"}",
        ] {
            assert!(text.lines().any(|line| line.starts_with(sample)), "{sample} is not in\n{text}");
        }
        assert!(!text.contains("98765") && !text.contains(&session.token), "no phone and no token is a label");
    })
    .await;
}

/// Everything that the page at `from` loads, as paths.
async fn loads(app: &TestApp, from: &str) -> (Answer, Vec<String>) {
    let answer = app.gets(from).await.ok();
    let html = answer.body.as_str().unwrap_or_default();
    let marks = ["src=\"", "href=\""];
    let found = marks.iter().flat_map(|mark| html.split(mark).skip(1)).filter_map(|rest| rest.split('"').next());
    let found = found.map(|place| place.trim_start_matches("./").to_owned()).collect();
    (answer, found)
}

#[actix::test]
async fn the_page_of_the_api_works_without_the_internet() {
    story_with(development, async |app| {
        let (page, parts) = loads(app, "/docs").await;
        assert!(page.header("content-type").unwrap().starts_with("text/html"));
        assert!(parts.iter().any(|part| part.ends_with("bundle.js")), "{parts:?}");
        for part in &parts {
            assert!(!part.contains("//"), "{part} is elsewhere");
            let loaded = app.gets(&format!("/docs/{part}")).await.ok();
            assert!(!loaded.body.as_str().unwrap_or_default().is_empty(), "{part}");
        }
        // What it may load is also what the browser will load.
        let policy = page.header("content-security-policy").unwrap();
        for rule in ["default-src 'none'", "script-src 'self'", "connect-src 'self'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        let start = app.gets("/docs/swagger-initializer.js").await.ok();
        let start = start.body.as_str().unwrap();
        assert!(start.contains("/api/v1/openapi.json") && !start.contains("http"), "{start}");
        assert_eq!(app.gets("/api/v1/openapi.json").await.ok().body["info"]["title"], "CivicLens Identity");
    })
    .await;
}
