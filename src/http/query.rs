//! Extractor for the query of a request.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use civiclens_actors::domain::code::Code;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::IntoParams;

use super::ApiError;

/// A query with the parameters of `T`. A value that `T` does not know is 422, a parameter that comes twice is 400.
/// Parameters that `T` does not know are passed over.
#[derive(Debug)]
pub struct ValidQuery<T>(pub T);

impl<T: DeserializeOwned> FromRequest for ValidQuery<T> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()).map(Self))
    }
}

/// What a sign-in is asked with besides its body.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TokenPlace {
    /// Puts the tokens into cookies, for browsers.
    #[serde(default)]
    pub(super) cookies: Option<bool>,
}

/// Reads a query.
pub(super) fn read<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    let given: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    let mut names: Vec<&str> = given.iter().map(|(name, _)| name.as_ref()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        let detail = "The query names a parameter twice.";
        return Err(ApiError::with_detail(Code::MalformedRequest, detail));
    }
    let fields = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let name = error.path().to_string();
        let expected = error.inner().to_string();
        let message = if expected.contains("`true` or `false`") {
            format!("{name} must be true or false.")
        } else {
            format!("{name} has a value that it cannot have.")
        };
        ApiError::invalid(&name, "invalid_value", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(query: &str) -> Result<Option<bool>, (u16, Option<String>)> {
        let asked: Result<TokenPlace, ApiError> = read(query);
        let fault = |error: ApiError| (error.code.status(), error.fields.first().map(|field| field.message.clone()));
        asked.map(|place| place.cookies).map_err(fault)
    }

    #[test]
    fn a_value_is_known_or_refused() {
        assert_eq!(cookies(""), Ok(None));
        assert_eq!(cookies("cookies=true"), Ok(Some(true)));
        assert_eq!(cookies("other=1&cookies=false"), Ok(Some(false)));
        assert_eq!(cookies("c%6fokies=tr%75e"), Ok(Some(true)));
        for unknown in ["cookies=maybe", "cookies", "cookies=", "cookies=TRUE", "cookies=1", "cookies=%ff"] {
            let fault = (422, Some("cookies must be true or false.".to_owned()));
            assert_eq!(cookies(unknown), Err(fault), "{unknown}");
        }
        for twice in ["cookies=true&cookies=true", "cookies=true&%63ookies=false", "x=1&x=2"] {
            assert_eq!(cookies(twice), Err((400, None)), "{twice}");
        }
    }
}
