//! What list endpoints and paths are asked with.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use civiclens_actors::domain::code::Code;
use serde::Deserialize;

use super::{ApiError, query};

/// How many rows a page has where nobody says.
const DEFAULT: i64 = 20;
/// The most it has.
const MOST: i64 = 100;

/// Which page of a list is asked for, by the id of the row before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    /// The last row of the page before.
    pub(super) cursor: Option<i64>,
    /// How many rows the page has at the most.
    pub(super) limit: i64,
}

#[derive(Deserialize)]
struct Asked {
    cursor: Option<String>,
    limit: Option<String>,
}

impl Page {
    /// Cuts a list that was asked for with one row more. Answers whether there is another page.
    pub(super) fn cut<T>(self, rows: &mut Vec<T>) -> bool {
        let limit = usize::try_from(self.limit).unwrap_or_default();
        let more = rows.len() > limit;
        rows.truncate(limit);
        more
    }
}

impl FromRequest for Page {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()))
    }
}

fn read(text: &str) -> Result<Page, ApiError> {
    let asked: Asked = query::read(text)?;
    let cursor = asked.cursor.as_deref().map(|text| {
        text.parse().map_err(|_| ApiError::invalid("cursor", "cursor_invalid", "This is not a cursor of this list."))
    });
    let limit = asked.limit.as_deref().map_or(Ok(DEFAULT), |text| {
        let fits = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
        fits.ok_or_else(|| ApiError::invalid("limit", "out_of_range", "limit must be a number from 1 to 100."))
    });
    Ok(Page { cursor: cursor.transpose()?, limit: limit? })
}

/// The `{id}` of a path. Anything else but a number names nothing that is here.
pub(super) fn path_id(request: &HttpRequest) -> Result<i64, ApiError> {
    request.match_info().get("id").and_then(|id| id.parse().ok()).ok_or_else(|| ApiError::new(Code::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded() {
        let page = |query| read(query).map(|page| (page.cursor, page.limit)).map_err(|error| error.code.status());
        assert_eq!(page(""), Ok((None, 20)));
        assert_eq!(page("cursor=7&limit=100"), Ok((Some(7), 100)));
        for refused in ["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=x", "cursor=9223372036854775808"] {
            assert_eq!(page(refused), Err(422), "{refused}");
        }
        assert_eq!(page("limit=1&limit=2"), Err(400));
    }

    #[test]
    fn one_row_more_tells_of_another_page() {
        let page = Page { cursor: None, limit: 2 };
        let (mut three, mut two) = (vec![1, 2, 3], vec![1, 2]);
        assert_eq!((page.cut(&mut three), three.len()), (true, 2));
        assert_eq!((page.cut(&mut two), two.len()), (false, 2));
    }
}
