use std::path::Path;
use std::time::Duration;

use super::*;

const LONG: &str = "cCVqjURlJJjEWZI643qXM5wS0hwRrzFIsJ4Edac3620";

const SEALING: &str = "c7787c39bc8448772cc3f332b957a7fb6035498fafcef8f550213159253a078a";

fn read(path: &Path) -> std::io::Result<String> {
    if path == Path::new("/run/token") { Ok(format!("{LONG}\n")) } else { Err(std::io::ErrorKind::NotFound.into()) }
}

fn loaded(file: &str, env: &[(&str, &str)]) -> Loaded {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    load(&Sources { file: Some(("c.toml".to_owned(), file.to_owned())), env, read: &read })
}

fn lines(problems: &Problems) -> Vec<String> {
    problems.0.iter().map(ToString::to_string).collect()
}

#[test]
fn environment_wins_and_keeps_types() {
    let loaded = loaded(
        "[server]\nbody_limit_bytes = 2048\nrequest_timeout = \"3s\"\n[rate_limit]\notp = \"5/15minutes\"",
        &[
            ("CIVICLENS__SERVER__BODY_LIMIT_BYTES", "4096"),
            ("CIVICLENS__SERVER__HSTS", "false"),
            ("CIVICLENS__SERVER__WORKERS", "3"),
            ("CIVICLENS__SERVER__TRUSTED_PROXIES", "10.0.0.0/8, ::1/128"),
            ("CIVICLENS__OTP__ALLOWED_COUNTRIES", ""),
            ("CIVICLENS__OTP__WEBOTP_DOMAIN", "example.org"),
            ("CIVICLENS__ENVIRONMENT", "development"),
            ("CIVICLENS_CONFIG", "ignored"),
            ("PATH", "ignored"),
        ],
    );
    assert_eq!(lines(&loaded.problems), Vec::<String>::new());
    let settings = loaded.settings;
    assert_eq!(settings.server.body_limit_bytes, 4096);
    assert_eq!(settings.server.request_timeout.as_secs(), 3);
    assert!(!settings.server.hsts);
    assert_eq!(settings.server.workers, Some(3));
    assert_eq!(settings.server.trusted_proxies.len(), 2);
    assert!(settings.otp.allowed_countries.is_empty());
    assert_eq!(settings.otp.webotp_domain.as_deref(), Some("example.org"));
    assert_eq!(settings.rate_limit.otp.count, 5);
    assert!(!settings.is_production());
}

#[test]
fn every_problem_is_named_at_once() {
    let loaded = loaded(
        "[servr]\nlisten = \"x\"\n[otp]\nmax_guesses = \"many\"\nlifetime = \"soon\"",
        &[
            ("CIVICLENS__TOKEN__SECRETT", "x"),
            ("CIVICLENS__SERVER__HSTS", "perhaps"),
            ("CIVICLENS__SMS__PROVIDER", "pigeon"),
        ],
    );
    let all = lines(&loaded.all_problems()).join("\n");
    for expected in [
        "c.toml: servr.listen is not a known key; did you mean server.listen?",
        "c.toml: otp.max_guesses has a wrong value",
        "c.toml: otp.lifetime has a wrong value",
        "CIVICLENS__TOKEN__SECRETT: token.secrett is not a known key; did you mean token.secret?",
        "CIVICLENS__SERVER__HSTS: server.hsts has a wrong value",
        "CIVICLENS__SMS__PROVIDER: sms.provider must be \"twilio\" or \"log\"",
        "database.url is required",
        "token.secret is required",
    ] {
        assert!(all.contains(expected), "{expected} in {all}");
    }
}

#[test]
fn a_secret_is_read_from_a_file_and_never_shown() {
    let loaded = loaded("[token]\nsecret_file = \"/run/token\"", &[("CIVICLENS__OTP__SECRET_FILE", "/run/none")]);
    assert_eq!(loaded.settings.token.secret.expose(), LONG);
    assert_eq!(loaded.problems.0.len(), 1);
    assert_eq!(loaded.problems.0[0].key, "otp.secret_file");
    let shown = in_force(&loaded.settings);
    assert!(!shown.contains(LONG));
    assert!(shown.contains("secret = \"[redacted]\""));
}

#[test]
fn a_broken_file_names_its_line() {
    assert!(lines(&loaded("a = 1\nb = = 2", &[]).problems)[0].starts_with("c.toml: line 2 is not TOML"));
}

#[test]
fn production_refuses_what_only_helps_development() {
    let file = format!(
        "[database]\nurl=\"postgres://u:{LONG}@localhost/d\"\n[redis]\nurl=\"redis://:{LONG}@localhost\"\n\
         [nats]\nurl=\"nats://{LONG}@localhost:4222\"\n\
         [token]\nsecret=\"{LONG}t\"\n[otp]\nsecret=\"{LONG}o\"\nexpose_codes=true\n\
         [csrf]\nsecret=\"{LONG}c\"\n[secrets]\npassword_pepper=\"{LONG}p\"\nhash_key=\"{LONG}h\"\nsealing_key=\"{SEALING}\"",
    );
    let found = lines(&loaded(&file, &[]).all_problems());
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[0].contains("server.public_url"));
    assert!(found[1].contains("otp.expose_codes"));
    assert!(found[2].contains("sms.provider"));
    assert!(found[3].contains("email.provider"));
    assert!(loaded(&file, &[("CIVICLENS__ENVIRONMENT", "development")]).all_problems().is_empty());
}

#[test]
fn defaults_and_short_secrets_are_refused() {
    let settings = |secret: &str| {
        let mut settings = Settings::default();
        settings.token.secret = secret.to_owned().into();
        let problems = settings.validate(true);
        problems.0.into_iter().any(|problem| problem.key == "token.secret")
    };
    assert!(settings("short"));
    assert!(settings("change-me-change-me-change-me-change-me"));
    assert!(settings(&"a".repeat(40)));
    assert!(!settings(LONG));
}

#[test]
fn production_refuses_servers_without_credentials_or_with_known_ones() {
    let refused = |production: bool, database: &str, redis: &str, nats: &str| {
        let mut settings = Settings::default();
        settings.database.url = database.into();
        settings.redis.url = redis.into();
        settings.nats.url = nats.into();
        settings.database.allow_plaintext = true;
        settings.redis.allow_plaintext = true;
        settings.nats.allow_plaintext = true;
        let keys = settings.validate(production).0.into_iter().map(|problem| problem.key);
        keys.filter(|key| ["database.url", "redis.url", "nats.url"].contains(&&**key)).collect::<Vec<_>>()
    };
    let all = ["database.url", "redis.url", "nats.url"];
    let (database, redis, nats) = ("postgres://app:gX4k9@h/d", "redis://:gX4k9@h", "nats://app:gX4k9@h,nats://h2");
    assert!(refused(true, database, redis, nats).is_empty());
    assert!(
        refused(true, "postgres:///d?host=/run/postgresql&user=app", "redis+unix:///run/redis", "nats://gX4k9@h")
            .is_empty()
    );
    assert!(
        refused(true, "postgres://app@h/d?password=gX4k9", "rediss://app:gX4k9@h", "tls://h,tls://app:gX4k9@h2")
            .is_empty()
    );
    for (database, redis, nats) in [
        ("postgres://app@127.0.0.1/d", "redis://127.0.0.1", "nats://127.0.0.1:4222"),
        ("postgres://app:@h/d", "redis://app@h", "nats://:@h"),
        ("postgres://postgres:postgres@h/d", "redis://:foobared@h", "nats://nats:nats@h"),
        ("postgres://app:app@h/d", "redis://default:Default@h", "nats://secret@h"),
        ("postgres://app:%70assword@h/d", "redis://:redi%73@h", "nats://app:%61dmin@h"),
    ] {
        assert_eq!(refused(true, database, redis, nats), all, "{database} {redis} {nats}");
        assert!(refused(false, database, redis, nats).is_empty());
    }
}

#[test]
fn production_refuses_servers_beyond_this_machine_without_tls() {
    let refused = |production: bool, allowed: bool, [database, redis, nats, sms]: [&str; 4]| {
        let mut settings = Settings::default();
        settings.database.url = database.into();
        settings.redis.url = redis.into();
        settings.nats.url = nats.into();
        settings.sms.base_url = Some(sms.to_owned());
        settings.database.allow_plaintext = allowed;
        settings.redis.allow_plaintext = allowed;
        settings.nats.allow_plaintext = allowed;
        let judged = ["database.url", "redis.url", "nats.url", "sms.base_url"];
        let keys = settings.validate(production).0.into_iter().map(|problem| problem.key);
        keys.filter(|key| judged.contains(&&**key)).count()
    };
    for addresses in [
        ["postgres://a:gX4k9@h/d?sslmode=verify-full", "rediss://:gX4k9@h", "tls://a:gX4k9@h,wss://h2", "https://h"],
        ["postgres://a:gX4k9@127.0.0.1/d", "redis://:gX4k9@[::1]:1", "nats://a:gX4k9@localhost", "http://127.0.0.9:1"],
        ["postgres:///d?host=/run/postgresql&user=a", "redis+unix:///run/redis", "nats://gX4k9@[::1]", "http://[::1]"],
    ] {
        assert_eq!(refused(true, false, addresses), 0, "{addresses:?}");
    }
    for addresses in [
        ["postgres://a:gX4k9@h/d", "redis://:gX4k9@h", "nats://a:gX4k9@h", "http://h"],
        [
            "postgres://a:gX4k9@h/d?sslmode=require",
            "rediss://:gX4k9@h#insecure",
            "tls://a:gX4k9@h,nats://h2",
            "http://h",
        ],
        ["postgres://a:gX4k9@127.0.0.1/d?host=h", "redis://:gX4k9@10.0.0.1", "ws://a:gX4k9@h", "http://127.0.0.1.h"],
    ] {
        assert_eq!(refused(true, false, addresses), 4, "{addresses:?}");
        assert_eq!(refused(true, true, addresses), 1, "a provider is never allowed: {addresses:?}");
        assert_eq!(refused(false, false, addresses), 0, "{addresses:?}");
    }
}

#[test]
fn a_command_is_held_up_only_by_what_it_uses() {
    let with = |file: &str| loaded(file, &[]).validated_for(&["database."]).map(|_| ());
    assert_eq!(with("[database]\nurl = \"postgres://u:p9w@localhost/d\""), Ok(()));
    assert_eq!(with("[database]\nurl = \"mysql://h\"").unwrap_err().0.len(), 1);
    assert_eq!(
        with("[database]\nurl = \"postgres://u:p9w@localhost/d\"\n[otp]\nmax_guesses = \"x\"").unwrap_err().0.len(),
        1
    );
}

#[test]
fn a_previous_pepper_may_be_missing_but_not_weak_or_the_same() {
    let faults = |previous: &str| {
        let mut settings = Settings::default();
        settings.secrets.password_pepper = LONG.into();
        settings.secrets.previous_password_pepper = previous.into();
        let problems = settings.validate(true).0.into_iter();
        problems.filter(|problem| problem.key == "secrets.previous_password_pepper").count()
    };
    assert_eq!((faults(""), faults(&format!("{LONG}p")), faults(LONG), faults("short")), (0, 0, 1, 1));
}

#[test]
fn a_previous_sealing_key_has_a_name_and_is_another_key() {
    let (old, new) = (SEALING.to_owned(), SEALING.replace('0', "a"));
    let faults = |previous: &str, id: Option<&str>| {
        let mut settings = Settings::default();
        settings.secrets.sealing_key = new.as_str().into();
        settings.secrets.sealing_key_id = "2".to_owned();
        settings.secrets.previous_sealing_key = previous.into();
        settings.secrets.previous_sealing_key_id = id.map(str::to_owned);
        let keys = settings.validate(true).0.into_iter().map(|problem| problem.key);
        let keys = keys.filter_map(|key| key.strip_prefix("secrets.previous_sealing_").map(str::to_owned));
        keys.collect::<Vec<_>>()
    };
    assert!(faults("", None).is_empty());
    assert!(faults(&old, Some("1")).is_empty());
    assert_eq!(faults(&old, None), ["key_id"]);
    assert_eq!(faults(&old, Some("2")), ["key_id"]);
    assert_eq!(faults(&old, Some("a.b")), ["key_id"]);
    assert_eq!(faults("", Some("1")), ["key_id"]);
    assert_eq!(faults(&new.to_uppercase(), Some("1")), ["key"]);
    assert_eq!(faults("ab", Some("1")), ["key"]);

    let mut settings = Settings::default();
    settings.secrets.previous_sealing_key = old.as_str().into();
    let shown = in_force(&settings);
    assert!(!shown.contains(&old) && shown.contains("previous_sealing_key = \"[redacted]\""), "{shown}");
}

#[test]
fn production_speaks_https_only() {
    let faults = |production: bool, public_url: &str, origins: &[&str]| {
        let mut settings = Settings::default();
        settings.server.public_url = url::Url::parse(public_url).ok();
        settings.server.cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let keys = settings.validate(production).0.into_iter().map(|problem| problem.key);
        keys.filter(|key| key.starts_with("server.")).collect::<Vec<_>>()
    };
    let (url, origin) = ("server.public_url", "server.cors_origins");
    assert!(faults(true, "https://id.example.org", &["https://app.example.org"]).is_empty());
    assert_eq!(faults(true, "http://id.example.org", &["https://app.example.org"]), [url]);
    assert_eq!(faults(true, "http://localhost:8080", &["http://localhost:3000"]), [url, origin]);
    assert_eq!(faults(true, "https://id.example.org", &["https://a.example", "http://b.example"]), [origin]);
    assert_eq!(faults(true, "ftp://id.example.org", &["http://app.example.org/path"]), [url, origin]);
    assert!(faults(false, "http://localhost:8080", &["http://localhost:3000"]).is_empty());
}

#[test]
fn what_a_stop_waits_for_is_bounded() {
    let objections = |delay, request| {
        let mut settings = Settings::default();
        settings.server.stop_delay = Duration::from_secs(delay);
        settings.server.request_timeout = Duration::from_secs(request);
        let about = ["server.stop_delay", "server.request_timeout"];
        settings.validate(true).0.iter().filter(|problem| about.contains(&&*problem.key)).count()
    };
    for fine in [(0, 25), (5, 20), (10, 15)] {
        assert_eq!(objections(fine.0, fine.1), 0, "{fine:?}");
    }
    for wrong in [(0, 26), (5, 21), (11, 1), (0, 0)] {
        assert_eq!(objections(wrong.0, wrong.1), 1, "{wrong:?}");
    }
}

#[test]
fn the_last_lines_of_an_sms_are_what_programs_understand() {
    let objects = |domain: &str, hash: &str| {
        let mut settings = Settings::default();
        settings.otp.webotp_domain = Some(domain.to_owned());
        settings.otp.android_app_hash = Some(hash.to_owned());
        let problems = settings.validate(true).0;
        let about = |key: &str| problems.iter().any(|problem| problem.key == key);
        (about("otp.webotp_domain"), about("otp.android_app_hash"))
    };
    assert_eq!(objects("app.civiclens.example", "FA+9qCX9VSu"), (false, false));
    for domain in [
        "",
        "https://app.example",
        "app.example/",
        "app.example:443",
        "@app.example",
        "a b",
        "App.example",
        "10.0.0.1",
        "a.example.",
    ] {
        assert!(objects(domain, "FA+9qCX9VSu").0, "{domain}");
    }
    for hash in ["", "FA+9qCX9VS", "FA+9qCX9VSuX", "FA+9qCX9VS=", "FA-9qCX9VSu"] {
        assert!(objects("a.example", hash).1, "{hash}");
    }
}
