//! What ended is refused everywhere: by word from node to node, and without it.

use std::time::Duration;

use civiclens::embedded::Service;
use futures::future::join_all;
use serde_json::json;

use crate::support::{Answer, OwnStack, story, story_on};

const PHONE: &str = "98765 43210";

/// A busy machine may answer late now and then, so the contract's second is judged by the middle of several. Reading
/// again every two seconds, without a word from the other node, would be twice as slow as is allowed here.
#[actix::test]
async fn the_other_node_hears_of_a_logout_at_once() {
    story(async |app| {
        let other = app.replica().await;
        let mut took = Vec::new();
        for number in 0..7 {
            let session = app.signs_up(&format!("98765 4321{number}")).await;
            other.whoami(&session.token).await.ok();
            session.logs_out().await.ok();
            took.push(other.refuses_soon(&session.token).await);
        }
        took.sort();
        assert!(took[3] < Duration::from_millis(500), "{took:?}");
        assert!(took[6] < Duration::from_secs(3), "{took:?}");
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn without_nats_what_ended_is_refused_within_five_seconds() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let other = app.replica().await;
        let people = ["98765 43210", "98765 43211", "98765 43212"];
        let sessions = join_all(people.map(async |phone| app.signs_up(phone).await)).await;
        stack.loses(Service::Nats).await;
        let [ravi, meera, asha] = sessions.as_slice() else { panic!("three") };
        for session in &sessions {
            other.whoami(&session.token).await.ok();
        }
        ravi.logs_out().await.ok();
        ravi.whoami().await.refused(401, "unauthenticated");
        let first = other.refuses_soon(&ravi.token).await;
        app.begins_epoch(meera.user_id(), "").await;
        let second = join_all([app, &other].map(|node| node.refuses_soon(&meera.token))).await;
        for took in [first, second[0], second[1]] {
            assert!(took < Duration::from_secs(6), "{took:?}: five by contract, and one for a busy machine");
        }
        asha.whoami().await.ok();
        // The word goes round again as soon as NATS is back, and what was said meanwhile is not needed.
        stack.regains(Service::Nats).await;
        app.becomes_ready().await;
        other.becomes_ready().await;
        asha.logs_out().await.ok();
        other.refuses_soon(&asha.token).await;
        other.stop().await;
    })
    .await;
    stack.ends().await;
}

#[actix::test]
async fn a_node_knows_what_ended_before_it_is_ready() {
    story(async |app| {
        let (ravi, meera) = (app.signs_up(PHONE).await, app.signs_up("98765 43211").await);
        let asha = app.signs_up("98765 43212").await;
        ravi.logs_out().await.ok();
        app.begins_epoch(meera.user_id(), "").await;
        // Long ago, and still before the tokens end.
        app.minutes_pass(23 * 60);
        let late = app.replica().await;
        late.whoami(&ravi.token).await.refused(401, "unauthenticated");
        late.whoami(&meera.token).await.refused(401, "unauthenticated");
        late.whoami(&asha.token).await.ok();
        late.refreshes(ravi.refresh_token()).await.refused(401, "refresh_token_invalid");
        late.stop().await;
    })
    .await;
}

#[actix::test]
async fn another_role_makes_older_tokens_worthless_on_every_node() {
    story(async |app| {
        let other = app.replica().await;
        let (ravi, meera) = (app.signs_up(PHONE).await, app.signs_up("98765 43211").await);
        let phone = app.enters(PHONE).await;
        app.begins_epoch(ravi.user_id(), ", role = 'moderator'").await;
        for node in [app, &other] {
            for session in [&ravi, &phone] {
                let took = node.refuses_soon(&session.token).await;
                assert!(took < Duration::from_secs(6), "{took:?}");
                node.gets_as(&session.token, "/api/v1/users/me").await.refused(401, "unauthenticated");
            }
            node.whoami(&meera.token).await.ok();
        }
        // The sessions go on, in the new role.
        for (node, session) in [(app, &ravi), (&other, &phone)] {
            let renewed = node.refreshes(session.refresh_token()).await.ok();
            assert_eq!(renewed.body["role"], "moderator");
            let token = renewed.text("access_token");
            for node in [app, &other] {
                assert_eq!(node.whoami(&token).await.ok().header("x-user-role"), Some("moderator"));
            }
        }
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn who_becomes_an_officer_has_to_enter_as_one() {
    story(async |app| {
        let code = app.citizen(PHONE).signs_in().await;
        let password = app.signs_up("98765 43211").await;
        let password = [app.enters("98765 43211").await, password];
        app.refreshes(code.refresh_token()).await.ok();
        for session in [&code, &password[0]] {
            let user = session.user_id();
            let made = format!(
                ", role = 'nodal_officer', password_hash = coalesce(password_hash, 'x'), full_name = 'Ravi Kumar',
                 email = 'officer{user}@example.org', employee_id = 'EMP-{user}'"
            );
            app.begins_epoch(user, &made).await;
            app.refuses_soon(&session.token).await;
        }
        // A code alone opens nothing to an officer, and no officer is signed in for thirty days.
        for session in [&code, &password[0], &password[1]] {
            app.refreshes(session.refresh_token()).await.refused(401, "refresh_token_invalid");
            assert_eq!(app.end_of(session.id()).await, "role_changed");
            assert_eq!(app.audited_about("session.ended", session.id()).await, 1);
        }
    })
    .await;
}

#[actix::test]
async fn who_becomes_an_administrator_needs_the_second_factor_that_the_role_must_have() {
    story(async |app| {
        app.has_admin(PHONE).await;
        let (admin, _) = app.admin_signs_in(PHONE).await;
        app.refreshes(admin.refresh_token()).await.ok();
        // An officer without one: in with the password, for eight hours.
        let officer = app.has_admin("98765 43211").await;
        app.runs(format!("UPDATE users SET role = 'nodal_officer' WHERE id = {officer}")).await;
        let session = app.enters("98765 43211").await;
        let next = app.refreshes(session.refresh_token()).await.ok();
        app.begins_epoch(officer, ", role = 'admin'").await;
        app.refuses_soon(&session.token).await;
        app.refreshes(&next.text("refresh_token")).await.refused(401, "refresh_token_invalid");
        assert_eq!(app.end_of(session.id()).await, "role_changed");
        admin.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn who_is_suspended_is_out_on_every_node() {
    story(async |app| {
        let other = app.replica().await;
        let (ravi, meera) = (app.signs_up(PHONE).await, app.signs_up("98765 43211").await);
        let second = app.refreshes(ravi.refresh_token()).await.ok();
        app.begins_epoch(ravi.user_id(), ", is_active = false").await;
        for node in [app, &other] {
            for token in [&ravi.token, &second.text("access_token")] {
                node.refuses_soon(token).await;
            }
            // Neither PostgreSQL nor what Redis remembers lets them go on.
            for token in [ravi.refresh_token(), &second.text("refresh_token")] {
                node.refreshes(token).await.refused(403, "account_suspended");
            }
            node.whoami(&meera.token).await.ok();
        }
        let body = json!({ "phone": PHONE, "password": crate::support::PASSWORD });
        let login = Answer::of(app.http.post(app.at("/api/v1/auth/login")).json(&body)).await;
        assert!(login.status == 401 || login.status == 403, "{login:?}");
        assert_eq!(app.number("SELECT refresh_generation::bigint FROM sessions WHERE user_id = 1").await, 1);
        other.stop().await;
    })
    .await;
}
