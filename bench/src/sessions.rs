//! What is done with sessions: listing, refreshing and ending them.

use serde_json::{Value, json};

use crate::client::Request;
use crate::{Meter, address_of, text};

/// Lists the sessions of each user once, and refreshes each session once. Answers the sessions with their new tokens.
pub(crate) async fn list_and_refresh(meter: &mut Meter, opened: &[Value]) -> anyhow::Result<Vec<Value>> {
    let list = |answer: &Value| Ok(Request::get("/api/v1/auth/sessions", Some(&text(answer, "access_token")?)));
    let requests = opened.iter().map(list).collect::<anyhow::Result<_>>()?;
    meter.run("list sessions", requests).await?;
    let refresh = |(n, answer): (usize, &Value)| {
        let body = json!({ "refresh_token": text(answer, "refresh_token")? });
        Ok(Request::post("/api/v1/auth/refresh-token", &body, &address_of(n)))
    };
    let requests = opened.iter().enumerate().map(refresh).collect::<anyhow::Result<_>>()?;
    Ok(meter.run("refresh", requests).await?.answers)
}

/// Ends each session.
pub(crate) async fn log_out(meter: &mut Meter, opened: &[Value]) -> anyhow::Result<()> {
    let log_out = |answer: &Value| Ok(Request::post_as("/api/v1/auth/logout", &text(answer, "access_token")?));
    let requests = opened.iter().map(log_out).collect::<anyhow::Result<_>>()?;
    meter.run("log out", requests).await?;
    Ok(())
}
