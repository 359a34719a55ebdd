//! The commands, as an operator types them.

use std::fmt::Write;
use std::process::Command;

use civiclens::cli::Cli;
use civiclens::config::Settings;
use clap::CommandFactory;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Ended, Folder, civiclens, story, unused_database};

fn run(arguments: &[&str]) -> Ended {
    Ended::of(civiclens(arguments), "")
}

/// Every command, with the words that lead to it.
fn commands(command: &clap::Command, words: &[String], all: &mut Vec<Vec<String>>) {
    all.push(words.to_vec());
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        commands(sub, &[words, &[sub.get_name().to_owned()]].concat(), all);
    }
}

#[test]
fn every_command_says_what_it_does() {
    let mut all = Vec::new();
    commands(&Cli::command(), &[], &mut all);
    assert!(all.len() > 10);
    let mut helps = String::new();
    for mut words in all {
        words.push("--help".to_owned());
        let help = Ended::of(civiclens(&words), "").ok();
        assert!(help.err.is_empty(), "{help:?}");
        writeln!(helps, "$ civiclens {}\n{}", words.join(" "), help.out).unwrap();
    }
    insta::assert_snapshot!(helps);
}

#[test]
fn a_slip_of_the_finger_is_answered_with_how_to_do_it() {
    for wrong in
        [vec![], vec!["sevre"], vec!["serve", "--no-worker"], vec!["admin", "create"], vec!["worker", "pigeon"]]
    {
        let said = run(&wrong);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.out.is_empty() && said.err.contains("--help"), "{said:?}");
    }
    assert_eq!(run(&["version"]).ok().out, run(&["--version"]).ok().out);
    assert_eq!(run(&["openapi"]).ok().out, include_str!("../../docs/openapi.json"));
}

#[actix::test]
async fn config_check_shows_what_is_in_force_and_no_secret() {
    story(async |app| {
        let folder = Folder::new();
        let mut command = app.command(&folder, &["config", "check"]);
        let token = folder.file("token", "9a64ecc35dae9dd5179ac7261b41f25fe3be977ec7ecd153a252118d685ee8a0\n");
        command.env_remove("CIVICLENS__TOKEN__SECRET").env("CIVICLENS__TOKEN__SECRET_FILE", token);
        command.env("CIVICLENS__SERVER__CORS_ORIGINS", "https://a.example,https://b.example");
        // The file holds every other secret as it is shown, so that one source for each is left.
        folder.file("civiclens.toml", "[rate_limit]\notp = \"2/30minutes\"\n");
        for (name, value) in [
            ("SMS__PROVIDER", "twilio"),
            ("SMS__FROM", "+15005550006"),
            ("EMAIL__PROVIDER", "smtp"),
            ("SERVER__PUBLIC_URL", "https://id.civiclens.example"),
            ("EMAIL__FROM", "CivicLens <no-reply@civiclens.example>"),
        ] {
            command.env(format!("CIVICLENS__{name}"), value);
        }
        let said = Ended::of(command, "").ok();
        assert_eq!(said.err, "the configuration is fine\n");
        let shown: Settings = toml::from_str(&said.out).unwrap();
        assert_eq!(shown.rate_limit.otp.to_string(), "2/30minutes");
        assert_eq!(shown.server.cors_origins, ["https://a.example", "https://b.example"]);
        for secret in [&shown.token.secret, &shown.database.url, &shown.secrets.sealing_key] {
            assert_eq!(secret.expose(), "[redacted]");
        }
        let settings = &app.settings;
        let secrets = [&settings.database.url, &settings.otp.secret, &settings.sms.api_secret, &settings.nats.url];
        for secret in secrets {
            assert!(!said.out.contains(secret.expose()), "{}", said.out);
        }
        assert!(!said.out.contains("9a64ecc35dae9dd5"), "{}", said.out);
    })
    .await;
}

#[test]
fn config_check_names_every_problem_at_once_and_where_it_is() {
    let folder = Folder::new();
    let file = folder.file("c.toml", "[otp]\nmax_guesses = 99\nlifetme = \"5m\"\n[token]\nsecret = \"changeme\"\n");
    let mut command = civiclens(["config", "check", "--config"]);
    command.arg(&file).env("CIVICLENS__SERVER__WORKERS", "many");
    let said = Ended::of(command, "");
    assert_eq!(said.code, Some(1), "{said:?}");
    let at = file.display().to_string();
    for problem in [
        format!("{at}: otp.max_guesses must be between 1 and 10"),
        format!("{at}: otp.lifetme"),
        "otp.lifetime".to_owned(),
        format!("{at}: token.secret must be"),
        "CIVICLENS__SERVER__WORKERS: server.workers".to_owned(),
        "database.url is required".to_owned(),
        "sms.provider must name a provider".to_owned(),
    ] {
        assert!(said.err.contains(&problem), "{problem:?} is not in:\n{}", said.err);
    }
    assert!(!said.err.contains("changeme") && !said.out.contains("changeme"), "{said:?}");

    let missing = folder.path().join("missing.toml").display().to_string();
    run(&["config", "check", "--config", &missing]).fails(&format!("{missing}: cannot be read"));
}

#[test]
fn generated_secrets_are_what_production_asks_for() {
    let folder = Folder::new();
    let generated = run(&["secrets", "generate"]).ok().out;
    assert_ne!(generated, run(&["secrets", "generate"]).ok().out);
    let mut command = civiclens(["config", "check", "--config"]);
    command.arg(folder.file("c.toml", &generated));
    let said = Ended::of(command, "");
    for key in ["token.secret", "otp.secret", "csrf.secret", "secrets."] {
        assert!(!said.err.contains(key), "{}", said.err);
    }
    assert!(said.err.contains("database.url is required"), "{}", said.err);
}

#[actix::test]
async fn serve_refuses_what_is_for_development_before_it_does_anything() {
    story(async |app| {
        let refusals: [(&str, &str, &str); 8] = [
            ("SMS__PROVIDER", "log", "sms.provider must name a provider"),
            ("OTP__EXPOSE_CODES", "true", "otp.expose_codes is refused outside a development environment"),
            (
                "TOKEN__SECRET",
                "default-token-secret-0123456789abcdefgh",
                "token.secret must be at least 32 bytes (256 bits)",
            ),
            ("OTP__SECRET", app.settings.token.secret.expose(), "otp.secret must not be the same as token.secret"),
            ("CSRF__SECRET", "correct-horse-battery-staple-correct-horse-battery", "csrf.secret is not random"),
            (
                "DATABASE__URL",
                "postgres://postgres:postgres@127.0.0.1/civiclens",
                "database.url holds a password that is",
            ),
            ("REDIS__URL", "redis://127.0.0.1:6379", "redis.url must hold a user and a password"),
            ("NATS__URL", "nats://127.0.0.1:4222", "nats.url must hold a user and a password"),
        ];
        for (name, value, why) in refusals {
            let folder = Folder::new();
            for arguments in [vec!["serve"], vec!["worker"]] {
                let mut command = app.command(&folder, &arguments);
                command.env(format!("CIVICLENS__{name}"), value);
                let said = Ended::of(command, "").fails(why);
                assert!(!said.err.contains("ready"), "{said:?}");
            }
        }
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let folder = Folder::new();
        let mut command = app.command(&folder, &["serve"]);
        command.env("CIVICLENS__SERVER__LISTEN", &address);
        Ended::of(command, "").fails(&format!("cannot listen on {address}"));
    })
    .await;
}

const PASSWORD: &str = "Correct-Horse-7-Battery";

fn admin_create(database: &str, phone: &str, more: &[&str]) -> Command {
    let named = ["--full-name", "Asha Rao", "--email", "asha@example.org", "--employee-id", "EMP-1"];
    let mut command = civiclens([&["admin", "create", "--phone", phone], &named[..], more].concat());
    command.env("CIVICLENS__DATABASE__URL", database);
    command
        .env("CIVICLENS__SECRETS__PASSWORD_PEPPER", "d2ba3766c56c9adb7a8353c388105d5b1dee241438442cf9399f81acefd4cce6");
    command
}

#[actix::test]
async fn an_operator_sets_a_database_up() {
    let database = unused_database().await;
    let migrate = || {
        let mut command = civiclens(["migrate"]);
        command.env("CIVICLENS__DATABASE__URL", &database);
        command
    };
    // Two nodes of a rollout at once, and once more.
    let both = [migrate(), migrate()].map(|mut command| command.spawn().unwrap());
    for child in both {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let again = Ended::of(migrate(), "").ok();
    assert!(again.err.contains("the database is up to date"), "{again:?}");

    // The first administrator comes before the first `serve`.
    let made = Ended::of(admin_create(&database, "98765 43210", &[]), &format!("{PASSWORD}\n")).ok();
    assert!(made.err.contains("the administrator was created") && !made.err.contains(PASSWORD), "{made:?}");
    let twice = Ended::of(admin_create(&database, "+91 98765-43210", &[]), PASSWORD);
    assert_eq!(twice.code, Some(1), "{twice:?}");
    Ended::of(admin_create(&database, "98765 43211", &[]), "short").fails("the password");
    Ended::of(admin_create(&database, "12", &[]), PASSWORD).fails("--phone");
    let nowhere = Ended::of(admin_create(&database, "98765 43211", &["--password-file", "/nowhere"]), "");
    nowhere.fails("the password file /nowhere cannot be read");

    let mut connection = PgConnection::connect(&database).await.unwrap();
    let count = async |connection: &mut PgConnection, what: &str| {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
        sqlx::query_scalar::<_, i64>(count).fetch_one(connection).await.unwrap()
    };
    assert_eq!(count(&mut connection, "users").await, 1);
    assert_eq!(count(&mut connection, "users WHERE role = 'admin' AND phone = '+919876543210'").await, 1);
    assert_eq!(count(&mut connection, "audit_log").await, 1, "and it is on record");
}
