//! `/dev/inbox`: the messages that a development environment keeps instead of sending.

use std::fmt::Write;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use civiclens_actors::domain::code::Code;
use serde_json::Value;

use super::{ApiError, ApiState};

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Development inbox</title>\
<meta http-equiv=\"refresh\" content=\"5\"><style>body{font:16px system-ui;max-width:48rem;margin:2rem auto;\
padding:0 1rem}article{border:1px solid #ccc;border-radius:8px;padding:1rem;margin:1rem 0}dt{color:#666;\
font-size:.8rem}dd{margin:0 0 .5rem;white-space:pre-wrap;overflow-wrap:anywhere}iframe{width:100%;height:20rem;\
border:1px solid #ccc}</style></head><body><h1>Development inbox</h1>";

/// Answers the messages as JSON, newest first.
pub(super) async fn json(state: Data<ApiState>) -> Result<Json<Vec<Value>>, ApiError> {
    messages(&state).await.map(Json)
}

/// Answers the messages as a page.
pub(super) async fn page(state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let messages = messages(&state).await?;
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(render(&messages)))
}

async fn messages(state: &ApiState) -> Result<Vec<Value>, ApiError> {
    let inbox = state.inbox.as_ref().ok_or_else(|| ApiError::new(Code::NotFound))?;
    Ok(inbox.messages().await)
}

fn render(messages: &[Value]) -> String {
    let mut page = HEAD.to_owned();
    if messages.is_empty() {
        page.push_str("<p>No message yet. Ask for a code, and it shows up here.</p>");
    }
    for message in messages {
        page.push_str("<article><dl>");
        for (name, value) in message.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let (name, text, is_html) = (escape(name), escape(&text), name == "html");
            // Writing into a string cannot fail. An e-mail goes into a frame that may run nothing.
            let _infallible = if is_html {
                write!(page, "<dt>{name}</dt><dd><iframe sandbox srcdoc=\"{text}\"></iframe></dd>")
            } else {
                write!(page, "<dt>{name}</dt><dd>{text}</dd>")
            };
        }
        page.push_str("</dl></article>");
    }
    page.push_str("</body></html>");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_break_out_of_the_page() {
        let page = render(&[serde_json::json!({"to": "<script>", "html": "<b a=\"x\">"})]);
        assert!(page.contains("<dd>&lt;script&gt;</dd>"));
        assert!(page.contains("srcdoc=\"&lt;b a=&quot;x&quot;&gt;\""));
    }
}
