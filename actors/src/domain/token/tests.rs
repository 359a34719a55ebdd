//! What is accepted as a token, and what is not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};

use super::*;
use crate::domain::entropy::SystemEntropy;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn config(algorithm: Algorithm) -> Config {
    Config {
        algorithm,
        secret: Secret::from(SECRET),
        issuer: "civiclens".into(),
        audience: "civiclens".into(),
        citizen_life: Duration::hours(24),
        officer_life: Duration::hours(8),
    }
}

fn made(algorithm: Algorithm, active_from: DateTime<Utc>) -> Member<Arc<Key>> {
    let NewKey { kid, secret, .. } = NewKey::generate(algorithm, &SystemEntropy::default()).unwrap();
    let key = Arc::new(Key::open(&kid, algorithm, &secret).unwrap());
    Member { kid, algorithm, active_from, retired_at: None, key }
}

fn with(config: Config, members: &[Member<Arc<Key>>]) -> Tokens {
    let tokens = Tokens::new(config);
    let members = members.iter().cloned().chain([tokens.first_key()]).collect();
    tokens.replace(tokens.ring_of(members));
    tokens
}

/// Tokens of each algorithm, with a key of their own where it needs one.
fn all() -> Vec<Tokens> {
    let own = |algorithm| if algorithm == Algorithm::Hs256 { Vec::new() } else { vec![made(algorithm, long_ago())] };
    Algorithm::ALL.into_iter().map(|algorithm| with(config(algorithm), &own(algorithm))).collect()
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap()
}

fn long_ago() -> DateTime<Utc> {
    now() - Duration::days(365)
}

fn principal() -> Principal {
    Principal {
        user_id: 7.into(),
        role: Role::Citizen,
        session_id: 9.into(),
        amr: vec!["otp".into(), "sms".into()],
        auth_time: now(),
        token_epoch: 0,
        expires_at: now() + Duration::hours(24),
    }
}

fn sign(tokens: &Tokens) -> String {
    tokens.sign(&principal(), "j".into(), now()).unwrap().expose().to_owned()
}

fn signer(tokens: &Tokens) -> Arc<Key> {
    Arc::clone(&tokens.ring().unwrap().signer(now()).unwrap().key)
}

fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap()).unwrap()
}

/// A token of these claims and this header, rightly signed by the key that signs now.
fn forged(tokens: &Tokens, header: &Header, claims: &Value) -> String {
    jsonwebtoken::encode(header, claims, &signer(tokens).signing).unwrap()
}

fn is_refused(tokens: &Tokens, token: &str) -> bool {
    matches!(tokens.verify(token, now()), Err(TokenError::Invalid))
}

#[test]
fn a_token_tells_who_holds_it_until_it_expires() {
    for tokens in all() {
        let token = sign(&tokens);
        let read = tokens.verify(&token, now() + Duration::hours(23)).unwrap();
        assert_eq!((read.user_id, read.session_id, read.role), (7.into(), 9.into(), Role::Citizen));
        assert!(tokens.verify(&token, now() + Duration::hours(24)).is_err());
        let header = part(&token, 0);
        assert_eq!(header["alg"], tokens.algorithm().as_str());
        assert_eq!(header["typ"], "at+jwt");
        assert_eq!(header["kid"], signer(&tokens).kid());
        // The first segment is the one that is compared without reading it.
        assert_eq!(token.split('.').next().unwrap(), signer(&tokens).encoded_header);
    }
}

#[test]
fn without_keys_nothing_is_signed_or_accepted() {
    let token = sign(&with(config(Algorithm::Hs256), &[]));
    let tokens = Tokens::new(config(Algorithm::Hs256));
    assert!(!tokens.is_loaded());
    assert!(matches!(tokens.verify(&token, now()), Err(TokenError::NotLoaded)));
    assert!(matches!(tokens.sign(&principal(), "j".into(), now()), Err(TokenError::NotLoaded)));
    assert!(matches!(tokens.jwks(now()), Err(TokenError::NotLoaded)));
}

#[test]
fn every_changed_byte_is_refused() {
    for tokens in all() {
        let text = sign(&tokens);
        for position in 0..text.len() - 1 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(is_refused(&tokens, &changed), "{:?} {position}", tokens.algorithm());
        }
    }
}

#[test]
fn other_keys_issuers_and_audiences_are_refused() {
    for algorithm in Algorithm::ALL {
        let key = [made(algorithm, long_ago())];
        let ours = with(config(algorithm), &key);
        let others = [
            with(config(algorithm), &[made(algorithm, long_ago())]),
            with(Config { issuer: "elsewhere".into(), ..config(algorithm) }, &key),
            with(Config { audience: "reports".into(), ..config(algorithm) }, &key),
        ];
        assert!(!is_refused(&ours, &sign(&ours)));
        for other in others {
            assert!(is_refused(&ours, &sign(&other)));
        }
    }
    let stranger = with(Config { secret: Secret::from(SECRET.replace('0', "1")), ..config(Algorithm::Hs256) }, &[]);
    assert!(is_refused(&with(config(Algorithm::Hs256), &[]), &sign(&stranger)));
}

#[test]
fn other_types_and_names_of_keys_are_refused() {
    for tokens in all() {
        let (claims, header) = (part(&sign(&tokens), 1), signer(&tokens).header.clone());
        assert!(!is_refused(&tokens, &forged(&tokens, &header, &claims)));
        for typ in [None, Some("JWT"), Some("logout+jwt"), Some("at+JWT "), Some("")] {
            let header = Header { typ: typ.map(str::to_owned), ..header.clone() };
            assert!(is_refused(&tokens, &forged(&tokens, &header, &claims)), "{typ:?}");
        }
        for kid in [None, Some(""), Some("unknown"), Some("../../dev/null"), Some("' OR 1=1 --")] {
            let header = Header { kid: kid.map(str::to_owned), ..header.clone() };
            assert!(is_refused(&tokens, &forged(&tokens, &header, &claims)), "{kid:?}");
        }
        let critical = Header { crit: Some(vec!["b64".to_owned()]), ..header.clone() };
        assert!(is_refused(&tokens, &forged(&tokens, &critical, &claims)));
    }
}

#[test]
fn other_algorithms_are_refused() {
    let keys = [made(Algorithm::EdDsa, long_ago()), made(Algorithm::Es256, long_ago())];
    let tokens = with(config(Algorithm::Hs256), &keys);
    let body = sign(&tokens).split('.').nth(1).unwrap().to_owned();
    let claims = part(&sign(&tokens), 1);
    let members: Vec<_> = keys.into_iter().chain([tokens.first_key()]).collect();
    for member in &members {
        for alg in ["none", "None", "NONE", ""] {
            let header = json!({ "alg": alg, "typ": "at+jwt", "kid": member.kid });
            let header = URL_SAFE_NO_PAD.encode(header.to_string());
            for signature in ["", "AAAA"] {
                assert!(is_refused(&tokens, &format!("{header}.{body}.{signature}")), "{alg}");
            }
        }
        // What one key signed, said to be of another.
        for other in members.iter().filter(|other| other.kid != member.kid) {
            let theirs = Header { kid: Some(member.kid.clone()), ..other.key.header.clone() };
            assert!(is_refused(&tokens, &jsonwebtoken::encode(&theirs, &claims, &other.key.signing).unwrap()));
            let signed = jsonwebtoken::encode(&other.key.header, &claims, &other.key.signing).unwrap();
            let (_, rest) = signed.split_once('.').unwrap();
            assert!(is_refused(&tokens, &format!("{}.{rest}", member.key.encoded_header)));
        }
    }
    let hs512 = Header { alg: jsonwebtoken::Algorithm::HS512, ..tokens.first.header.clone() };
    assert!(is_refused(&tokens, &jsonwebtoken::encode(&hs512, &claims, &tokens.first.signing).unwrap()));
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    let keys = [made(Algorithm::EdDsa, long_ago()), made(Algorithm::Es256, long_ago())];
    let tokens = with(config(Algorithm::Hs256), &keys);
    let claims = part(&sign(&tokens), 1);
    for member in &keys {
        let jwk = member.key.public_jwk().unwrap();
        let raw = URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
        let der = member.key.verifying.try_get_as_bytes().unwrap().to_vec();
        for public in [raw, der, jwk.to_string().into_bytes(), jwk["x"].as_str().unwrap().as_bytes().to_vec()] {
            for kid in [&member.kid, &tokens.first_key().kid] {
                let header = Header { kid: Some(kid.clone()), ..tokens.first.header.clone() };
                let token = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&public)).unwrap();
                assert!(is_refused(&tokens, &token));
            }
        }
    }
}

#[test]
fn a_key_that_a_token_brings_along_is_not_used() {
    let (ours, theirs) = (made(Algorithm::EdDsa, long_ago()), made(Algorithm::EdDsa, long_ago()));
    let tokens = with(config(Algorithm::EdDsa), std::slice::from_ref(&ours));
    let claims = part(&sign(&tokens), 1);
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(theirs.key.public_jwk().unwrap().clone()).unwrap();
    for kid in [&ours.kid, &theirs.kid] {
        let header = Header {
            kid: Some(kid.clone()),
            jwk: Some(jwk.clone()),
            jku: Some("https://evil.example/jwks.json".to_owned()),
            x5u: Some("https://evil.example/certificate".to_owned()),
            ..theirs.key.header.clone()
        };
        assert!(is_refused(&tokens, &jsonwebtoken::encode(&header, &claims, &theirs.key.signing).unwrap()));
    }
}

#[test]
fn claims_that_are_missing_or_of_another_time_are_refused() {
    for tokens in all() {
        let (claims, header) = (part(&sign(&tokens), 1), signer(&tokens).header.clone());
        let refuses = |change: &dyn Fn(&mut Value)| {
            let mut claims = claims.clone();
            change(&mut claims);
            is_refused(&tokens, &forged(&tokens, &header, &claims))
        };
        let at = now().timestamp();
        for name in ["iss", "aud", "sub", "exp", "iat", "sid", "user_id", "role"] {
            assert!(refuses(&|claims| drop(claims.as_object_mut().unwrap().remove(name))), "{name}");
        }
        assert!(refuses(&|claims| claims["iat"] = json!(at + LEEWAY + 1)));
        assert!(!refuses(&|claims| claims["iat"] = json!(at + LEEWAY)));
        assert!(refuses(&|claims| claims["nbf"] = json!(at + LEEWAY + 1)));
        assert!(!refuses(&|claims| claims["nbf"] = json!(at - 1)));
        assert!(refuses(&|claims| claims["nbf"] = json!("tomorrow")));
        assert!(refuses(&|claims| claims["exp"] = json!(at)));
        assert!(refuses(&|claims| claims["sub"] = json!("8")));
        assert!(refuses(&|claims| claims["aud"] = json!(["reports"])));
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let tokens = with(config(Algorithm::Hs256), &[]);
    let token = sign(&tokens);
    let header = token.split('.').next().unwrap();
    for text in
        ["", ".", "..", "...", "a.b.c", header, &format!("{header}."), &format!("{header}.."), &format!("{token}.x")]
    {
        assert!(is_refused(&tokens, text), "{text}");
    }
    let decoded = Tokens::new(config(Algorithm::Hs256));
    assert!(format!("{decoded:?}").contains("[redacted]") && !format!("{decoded:?}").contains(SECRET));
}

#[test]
fn keys_that_were_replaced_verify_until_their_tokens_are_gone() {
    let next = now() + Duration::hours(1);
    let (old, new) = (made(Algorithm::Es256, long_ago()), made(Algorithm::EdDsa, next));
    let before = with(config(Algorithm::Es256), &[old.clone(), new.clone()]);
    let after = with(config(Algorithm::EdDsa), &[old.clone(), new.clone()]);
    let kids = |now| -> Vec<String> {
        let keys = after.jwks(now).unwrap()["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let token = sign(&before);
    assert!(after.verify(&token, now()).is_ok());
    assert_eq!(kids(now()), [new.kid.clone(), old.kid.clone()], "the next one is published before it signs");
    let late = Principal { expires_at: next + Duration::hours(24), ..principal() };
    let token = after.sign(&late, "j".into(), next).unwrap();
    assert_eq!(part(token.expose(), 0)["kid"], new.kid);
    assert!(before.verify(token.expose(), next).is_ok());
    let end = next + ROLLOUT + Duration::hours(24);
    assert_eq!(kids(end - Duration::seconds(1)).len(), 2);
    assert_eq!(kids(end), [new.kid]);
}

#[test]
fn others_verify_with_what_is_published() {
    for tokens in all() {
        let keys = tokens.jwks(now()).unwrap()["keys"].as_array().unwrap().clone();
        if tokens.algorithm() == Algorithm::Hs256 {
            assert!(keys.is_empty());
            continue;
        }
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(keys[0].clone()).unwrap();
        let validation = validation(tokens.algorithm(), &tokens.config);
        let read = jsonwebtoken::decode::<Claims>(sign(&tokens), &DecodingKey::from_jwk(&jwk).unwrap(), &validation);
        assert_eq!(read.unwrap().claims.user_id, 7);
    }
}
