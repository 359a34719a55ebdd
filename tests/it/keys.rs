//! The keys that sign access tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::Duration;
use civiclens::config::{Algorithm, Settings};
use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::token::State;
use civiclens_actors::sessions::KeyRingError;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::{Ended, Folder, PASSWORD, Session, TestApp, eventually, story, story_with, totp};

const JWKS: &str = "/.well-known/jwks.json";

fn signs_with(algorithm: Algorithm) -> impl FnOnce(&mut Settings) {
    move |settings| settings.token.algorithm = algorithm
}

fn header(token: &str) -> Value {
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice(&header).unwrap()
}

fn kid(token: &str) -> String {
    header(token)["kid"].as_str().unwrap().to_owned()
}

async fn published(app: &TestApp) -> Vec<String> {
    let keys = app.gets(JWKS).await.ok().body["keys"].as_array().unwrap().clone();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a node has read this key.
async fn knows(app: &TestApp, kid: &str) {
    eventually("the key", async || published(app).await.iter().any(|known| known == kid).then_some(())).await;
}

#[actix::test]
async fn others_verify_tokens_with_the_published_key() {
    for (algorithm, name) in [(Algorithm::EdDsa, "EdDSA"), (Algorithm::ES256, "ES256")] {
        story_with(signs_with(algorithm), async |app| {
            let session = app.citizen("98765 43210").signs_in().await;
            session.whoami().await.ok();
            assert_eq!(header(&session.token)["alg"], name);

            let answer = app.gets(JWKS).await.ok();
            assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
            let keys: JwkSet = serde_json::from_value(answer.body).unwrap();
            let key = keys.find(&kid(&session.token)).unwrap();
            let mut validation = Validation::new(name.parse().unwrap());
            validation.set_issuer(&["civiclens"]);
            validation.set_audience(&["civiclens"]);
            let read = jsonwebtoken::decode::<Value>(&session.token, &DecodingKey::from_jwk(key).unwrap(), &validation);
            assert_eq!(read.unwrap().claims["user_id"], session.user_id());
            assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'signing_key.rotated'").await, 1);
        })
        .await;
    }
}

#[actix::test]
async fn a_secret_is_not_published() {
    story(async |app| {
        assert!(published(app).await.is_empty());
        let session = app.citizen("98765 43210").signs_in().await;
        let made = app.signing_keys().rotate(Duration::zero()).await.unwrap();
        app.signing_keys().refresh().await.unwrap();
        let next = app.citizen("98765 43211").signs_in().await;
        assert_eq!(kid(&next.token), made.kid);
        for session in [session, next] {
            assert_eq!(header(&session.token)["alg"], "HS256");
            session.whoami().await.ok();
        }
        assert!(published(app).await.is_empty());
    })
    .await;
}

#[actix::test]
async fn rotating_logs_nobody_out() {
    story_with(signs_with(Algorithm::EdDsa), async |app| {
        let other = app.replica().await;
        let old = app.citizen("98765 43210").signs_in().await;
        assert_eq!(published(app).await, published(&other).await);

        app.minutes_pass(1);
        let made = app.signing_keys().rotate(Duration::zero()).await.unwrap();
        knows(app, &made.kid).await;
        knows(&other, &made.kid).await;
        let new = app.citizen("98765 43211").signs_in().await;
        assert_eq!(kid(&new.token), made.kid);
        assert_eq!(published(app).await, [made.kid.clone(), kid(&old.token)]);
        for node in [app, &other] {
            old.through(node).gets("/api/v1/auth/whoami").await.ok();
            new.through(node).gets("/api/v1/auth/whoami").await.ok();
        }
        // Once no token of it can be in use, the old key goes.
        app.minutes_pass(25 * 60);
        assert_eq!(published(app).await, [made.kid]);
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn a_key_is_published_before_it_signs() {
    story_with(signs_with(Algorithm::ES256), async |app| {
        let first = kid(&app.citizen("98765 43210").signs_in().await.token);
        let made = app.signing_keys().rotate(Duration::minutes(10)).await.unwrap();
        knows(app, &made.kid).await;
        assert_eq!(kid(&app.citizen("98765 43211").signs_in().await.token), first);
        app.minutes_pass(10);
        assert_eq!(kid(&app.citizen("98765 43212").signs_in().await.token), made.kid);
        let states: Vec<_> = app.signing_keys().list().await.unwrap().into_iter().map(|key| key.state).collect();
        assert_eq!(states, [State::Verifying, State::Verifying, State::Signing]);
    })
    .await;
}

#[actix::test]
async fn another_algorithm_is_taken_up_without_a_break() {
    story(async |app| {
        let old = app.citizen("98765 43210").signs_in().await;
        let other = Box::pin(app.replica_with(signs_with(Algorithm::ES256))).await;
        old.through(&other).gets("/api/v1/auth/whoami").await.ok();
        let made = published(&other).await.remove(0);
        // As long as the rest may not know the new key, nothing is signed with it.
        let early = other.citizen("98765 43211").signs_in().await;
        assert_eq!(kid(&early.token), kid(&old.token));
        knows(app, &made).await;
        app.minutes_pass(1);
        let new = other.citizen("98765 43212").signs_in().await;
        assert_eq!((kid(&new.token), &header(&new.token)["alg"]), (made, &Value::from("ES256")));
        let still = app.citizen("98765 43213").signs_in().await;
        assert_eq!(kid(&still.token), kid(&old.token));
        for node in [app, &other] {
            for session in [&old, &early, &new, &still] {
                session.through(node).gets("/api/v1/auth/whoami").await.ok();
            }
        }
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn nodes_that_start_together_make_one_key() {
    story_with(signs_with(Algorithm::EdDsa), async |app| {
        let start = async || app.replica().await;
        let (one, two) = futures::join!(start(), start());
        assert_eq!(app.count("SELECT count(*) FROM signing_keys").await, 1);
        assert_eq!(published(&one).await, published(&two).await);
        one.stop().await;
        two.stop().await;
    })
    .await;
}

#[actix::test]
async fn a_key_that_leaked_is_retired() {
    story_with(signs_with(Algorithm::EdDsa), async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        let (keys, leaked) = (app.signing_keys(), kid(&session.token));
        assert!(matches!(keys.retire(&leaked).await, Err(KeyRingError::InUse(_))));
        app.minutes_pass(1);
        keys.rotate(Duration::zero()).await.unwrap();
        keys.retire(&leaked).await.unwrap();
        assert!(matches!(keys.retire(&leaked).await, Err(KeyRingError::Unknown(_))));
        let refused = async || {
            let answer = session.whoami().await;
            (answer.status == 401).then_some(answer)
        };
        eventually("a refusal", refused).await.refused(401, "unauthenticated");
        assert!(!published(app).await.contains(&leaked));
    })
    .await;
}

#[actix::test]
async fn a_node_that_cannot_open_a_key_says_so_and_takes_no_other() {
    story_with(signs_with(Algorithm::EdDsa), async |app| {
        let private: String =
            sqlx::query_scalar("SELECT sealed_key FROM signing_keys").fetch_one(&app.db).await.unwrap();
        assert!(private.starts_with("v1.1."), "it is sealed");
        let session = app.citizen("98765 43210").signs_in().await;
        let kid = kid(&session.token);
        // Whoever can write to the database, but not seal, can have no key accepted.
        sqlx::query(
            "INSERT INTO signing_keys SELECT kid || 'x', algorithm, sealed_key, jsonb_set(public_jwk, '{kid}',
                     to_jsonb(kid || 'x')), created_at, active_from FROM signing_keys",
        )
        .execute(&app.db)
        .await
        .unwrap();
        let error = app.signing_keys().refresh().await.unwrap_err();
        assert!(matches!(&error, KeyRingError::Locked { kid: locked, .. } if *locked == format!("{kid}x")), "{error}");
        session.whoami().await.ok();
        assert_eq!(published(app).await, [kid]);
    })
    .await;
}

/// Signs in through `node` with a password and the code of an authenticator app.
async fn signs_in_with_app<'a>(node: &'a TestApp, phone: &str, secret: &str) -> Session<'a> {
    // A code of an app is good once.
    node.minutes_pass(1);
    let step = node.logs_in(phone, PASSWORD).await.asks_for_more();
    let body = json!({ "mfa_token": step.body["mfa_token"], "code": totp(secret, node.clock.now()) });
    Session::of(node, node.posts("/api/v1/auth/verify-2fa", body).await.ok())
}

#[actix::test]
async fn another_sealing_key_is_taken_up_without_a_break() {
    story_with(signs_with(Algorithm::EdDsa), async |app| {
        let (asha, meera) = ("98765 00001", "98765 00002");
        app.has_admin(asha).await;
        app.has_admin(meera).await;
        let (session, secret) = app.admin_signs_in(asha).await;
        // Meera is in the middle of setting hers up.
        let step = app.logs_in(meera, PASSWORD).await.must_enrol();
        let enrol = json!({ "mfa_token": step.body["mfa_token"], "method": "totp" });
        let enrolment = app.posts("/api/v1/auth/enable-2fa", enrol).await.ok();

        let old = app.settings.secrets.sealing_key.clone();
        let with_both = |settings: &mut Settings| {
            settings.secrets.sealing_key = "fb4b0c473feb3abaa286d881bb33e6bab8a5f1c0fbabd8d5c28d1d5023f86eae".into();
            settings.secrets.sealing_key_id = "2".to_owned();
            settings.secrets.previous_sealing_key = old;
            settings.secrets.previous_sealing_key_id = Some("1".to_owned());
        };
        let both = Box::pin(app.replica_with(with_both)).await;
        session.through(&both).gets("/api/v1/auth/whoami").await.ok();
        signs_in_with_app(&both, asha, &secret).await.whoami().await.ok();

        let reseal = |node: &TestApp| {
            let folder = Folder::new();
            Ended::of(node.command(&folder, &["secrets", "reseal"]), "")
        };
        assert_eq!(reseal(&both).ok().out, "sealed anew under the key 2: 3\n");
        assert_eq!(reseal(&both).ok().out, "sealed anew under the key 2: 0\n");
        let rows = "SELECT sum((details->>'count')::bigint)::bigint FROM audit_log WHERE action = 'secrets.resealed'";
        assert_eq!(app.count(rows).await, 3);

        let new = Box::pin(both.replica_with(|settings| {
            settings.secrets.previous_sealing_key = String::new().into();
            settings.secrets.previous_sealing_key_id = None;
        }))
        .await;
        session.through(&new).gets("/api/v1/auth/whoami").await.ok();
        signs_in_with_app(&new, asha, &secret).await.whoami().await.ok();
        let code = totp(enrolment.body["secret"].as_str().unwrap(), app.clock.now());
        let confirm = json!({ "mfa_token": step.body["mfa_token"], "code": code });
        Session::of(&new, new.posts("/api/v1/auth/verify-2fa", confirm).await.ok()).whoami().await.ok();
        // Who has only the key that is gone opens nothing, changes nothing, and is told so.
        let said = reseal(app);
        assert_eq!(said.out, "sealed anew under the key 1: 0\n");
        said.fails("no configured key opens 3 of them");
        both.stop().await;
        new.stop().await;
    })
    .await;
}
