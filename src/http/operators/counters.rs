//! Counts answered requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

use crate::telemetry::{HTTP_REQUESTS, HTTP_SECONDS};

/// Bounds the memory of the cache below. Routes, methods and statuses are few, so it is never reached in practice.
const MOST_SERIES: usize = 1_024;

type Key = (&'static str, u16);
type Series = (Counter, Histogram);

thread_local! {
    /// Looking a series up in the recorder builds its labels anew each time; a worker thread keeps what it found.
    static SERIES: RefCell<HashMap<String, Vec<(Key, Series)>>> = RefCell::default();
}

/// Counts one request and writes its log line. `route` is the pattern that matched, so that the number of series does
/// not grow with what clients ask for.
pub(in crate::http) fn count(method: &Method, route: Option<&str>, status: StatusCode, took: Duration) {
    let route = route.unwrap_or("unmatched");
    let key = (known(method), status.as_u16());
    SERIES.with_borrow_mut(|routes| {
        if let Some(found) = routes.get(route).and_then(|series| series.iter().find(|(known, _)| *known == key)) {
            return record(&found.1, took);
        }
        let series = register(key, route);
        record(&series, took);
        if routes.values().map(Vec::len).sum::<usize>() < MOST_SERIES {
            routes.entry(route.to_owned()).or_default().push((key, series));
        }
    });
    let millis = took.as_secs_f64() * 1_000.0;
    if status.is_server_error() {
        tracing::warn!(route, status = key.1, millis, "answered");
    } else {
        tracing::debug!(route, status = key.1, millis, "answered");
    }
}

fn record((counter, histogram): &Series, took: Duration) {
    counter.increment(1);
    histogram.record(took.as_secs_f64());
}

fn register((method, status): Key, route: &str) -> Series {
    let counter = metrics::counter!(
        HTTP_REQUESTS, "method" => method, "route" => route.to_owned(), "status" => status.to_string()
    );
    (counter, metrics::histogram!(HTTP_SECONDS, "route" => route.to_owned()))
}

/// The name of a method; anything a client made up is one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
