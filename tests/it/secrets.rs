//! What must not be readable where it lies.

use civiclens_nats::subjects::StreamKind;

use crate::support::{Reply, story};

#[actix::test]
async fn no_code_and_no_token_lies_anywhere() {
    story(async |app| {
        let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
        let session = ravi.signs_in().await;
        let refresh = session.answer.body["refresh_token"].as_str().unwrap();
        // One code that lives, and one in a job that nobody could deliver.
        let live = meera.gets_code().await;
        app.twilio.will(&[Reply::BadNumber]);
        app.citizen("98765 43212").requests_code().await.ok();
        app.dead_letters(1).await;
        app.events(2).await;

        let mut places = vec![("Redis", app.redis_dump().await), ("the database", app.database_dump().await)];
        for kind in StreamKind::ALL {
            let all = app.on_stream(kind, 0).await;
            places.push(("NATS", format!("{all:?}")));
        }
        assert!(places[0].1.contains("otp:login:+919876543211"), "the dump shows what is there: {}", places[0].1);
        assert!(places[1].1.contains("+919876543210"));
        for (place, dump) in places {
            for secret in [session.token.as_str(), refresh] {
                assert!(!dump.contains(secret), "{place}");
            }
            let words = dump.split(|character: char| !character.is_ascii_alphanumeric());
            assert!(!words.into_iter().any(|word| word == live), "{place} holds {live}");
        }
    })
    .await;
}
