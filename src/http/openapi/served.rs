//! The document as it is answered: written and packed once, however often it is asked for.

use std::io::Write;
use std::sync::LazyLock;

use actix_web::http::header::{
    ACCEPT_ENCODING, AcceptEncoding, CONTENT_ENCODING, ContentEncoding, ETAG, Encoding, EntityTag, Header,
    IF_NONE_MATCH, IfNoneMatch, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A text that is answered again and again.
pub(in crate::http) struct Served {
    plain: Bytes,
    /// `None` where it could not be packed: then it is answered as it is.
    gzip: Option<Bytes>,
    tag: EntityTag,
}

/// The document of the API.
pub(super) static DOCUMENT: LazyLock<Served> = LazyLock::new(|| super::served_at(None));

impl Served {
    /// Packs `text`.
    pub(in crate::http) fn new(text: String) -> Self {
        let hash = hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let gzip = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        // Weak: the same tag stands for both encodings.
        Self { plain: Bytes::from(text), gzip: gzip.ok().map(Bytes::from), tag: EntityTag::new_weak(hash) }
    }

    /// The answer to `request`: 304 for who has it already.
    pub(in crate::http) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let tag = self.tag.to_string();
        let known = match IfNoneMatch::parse(request) {
            _ if !request.headers().contains_key(IF_NONE_MATCH) => false,
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&self.tag)),
            Err(_) => false,
        };
        if known {
            return HttpResponse::NotModified().insert_header((ETAG, tag)).finish();
        }
        let mut response = HttpResponse::Ok();
        response.content_type("application/json").insert_header((ETAG, tag)).insert_header((VARY, "accept-encoding"));
        match &self.gzip {
            Some(packed) if accepts_gzip(request) => {
                response.insert_header((CONTENT_ENCODING, ContentEncoding::Gzip)).body(packed.clone())
            }
            _ => response.body(self.plain.clone()),
        }
    }
}

fn accepts_gzip(request: &HttpRequest) -> bool {
    let Ok(accepted) = AcceptEncoding::parse(request) else { return false };
    let supported = [Encoding::gzip(), Encoding::identity()];
    let said = request.headers().contains_key(ACCEPT_ENCODING);
    said && accepted.negotiate(supported.iter()) == Some(Encoding::gzip())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let served = Served::new("{}".to_owned());
        let asked = |known: &str| {
            served.answer(&TestRequest::default().insert_header((IF_NONE_MATCH, known)).to_http_request())
        };
        let tag = served.tag.to_string();
        for known in [tag.as_str(), "*", &format!("\"other\", {tag}")] {
            assert_eq!(asked(known).status(), 304, "{known}");
        }
        for other in ["\"other\"", "nonsense"] {
            let answer = asked(other);
            assert_eq!(
                (answer.status().as_u16(), answer.headers().get(ETAG).unwrap().to_str().unwrap()),
                (200, tag.as_str())
            );
        }
    }

    #[test]
    fn it_is_packed_for_those_who_can_read_it() {
        let served = Served::new("{}".to_owned());
        let coding = |accepted: Option<&str>| {
            let request = TestRequest::default();
            let request = match accepted {
                Some(accepted) => request.insert_header(("Accept-Encoding", accepted)),
                None => request,
            };
            let answer = served.answer(&request.to_http_request());
            answer.headers().get(CONTENT_ENCODING).map(|coding| coding.to_str().unwrap().to_owned())
        };
        assert_eq!(coding(Some("gzip, br")).as_deref(), Some("gzip"));
        for unpacked in [None, Some("br"), Some("gzip;q=0, *"), Some("identity")] {
            assert_eq!(coding(unpacked), None, "{unpacked:?}");
        }
    }
}
