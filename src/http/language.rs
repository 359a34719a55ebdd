//! Which language a client asks for.

use actix_web::HttpMessage;
use actix_web::http::header::{AcceptLanguage, Header, Preference, Quality};
use civiclens_actors::domain::language::Language;

/// The language of `Accept-Language` (RFC 9110, 12.5.4) in which messages exist and which the client likes most. `None`
/// where it accepts none of them, or says nothing.
pub(super) fn asked_for<M: HttpMessage>(request: &M) -> Option<Language> {
    let accepted = AcceptLanguage::parse(request).ok()?.0;
    // `q=0` is "not acceptable", also where a range that is broader or narrower would take it.
    let refused = |language: Language| {
        accepted.iter().filter(|item| item.quality == Quality::ZERO).any(
            |item| matches!(&item.item, Preference::Specific(tag) if tag.as_str().eq_ignore_ascii_case(language.as_str())),
        )
    };
    let named = |language: Language| {
        let names = |tag: &str| tag.eq_ignore_ascii_case(language.as_str());
        accepted.iter().any(|item| matches!(&item.item, Preference::Specific(tag) if names(tag.primary_language())))
    };
    let mut ranked: Vec<_> = accepted.iter().filter(|item| item.quality > Quality::ZERO).collect();
    // Stable: of equals the first.
    ranked.sort_by_key(|item| std::cmp::Reverse(item.quality));
    ranked.into_iter().find_map(|item| match &item.item {
        Preference::Any => Language::ALL.into_iter().find(|language| !named(*language)),
        Preference::Specific(tag) => {
            let primary = tag.primary_language().to_ascii_lowercase();
            Language::parse(&primary).filter(|language| !refused(*language))
        }
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(lines: &[&str]) -> Option<Language> {
        let request = lines
            .iter()
            .fold(TestRequest::default(), |request, line| request.append_header(("Accept-Language", *line)));
        asked_for(&request.to_http_request())
    }

    #[test]
    fn ranges_are_read_as_rfc_9110_has_them() {
        use Language::{Bn, En, Hi, Mr, Ta, Ur};
        for (header, expected) in [
            ("hi", Some(Hi)),
            ("HI-IN", Some(Hi)),
            ("hi-Deva-IN", Some(Hi)),
            ("fr-FR, hi-IN;q=0.9, en;q=0.8", Some(Hi)),
            ("en;q=0.5, ta;q=0.9, mr;q=0.7", Some(Ta)),
            ("en; q=0.5 , TA ; Q=0.9", Some(Ta)),
            ("mr, hi", Some(Mr)),
            ("hi;q=0, en", Some(En)),
            ("hi;q=0, hi-IN, bn;q=0.1", Some(Bn)),
            ("hi;q=0.000, ur;q=0.001", Some(Ur)),
            ("hi;q=0", None),
            ("*", Some(En)),
            ("en;q=0, *", Some(Hi)),
            ("hi;q=0.2, *;q=0.9", Some(En)),
            ("*;q=0", None),
            ("fr, de", None),
            ("", None),
            ("hi_IN, %%%, ta", Some(Ta)),
            ("hindi", None),
            (",, ,bn", Some(Bn)),
        ] {
            assert_eq!(asked(&[header]), expected, "{header:?}");
        }
        assert_eq!(asked(&["fr", "te;q=0.5, ta;q=0.6"]), Some(Ta));
        assert_eq!(asked(&[]), None);
    }
}
