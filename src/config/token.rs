//! `[token]`: access and refresh tokens.

use civiclens_actors::domain::secret::Secret;
use civiclens_actors::domain::token;
use serde::{Deserialize, Serialize};

use super::Checks;

/// How access tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// With a secret: only who knows it can verify. For a single service.
    HS256,
    /// With Ed25519; others verify with the published key.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// With ECDSA on P-256; others verify with the published key.
    ES256,
}

impl From<Algorithm> for token::Algorithm {
    fn from(configured: Algorithm) -> Self {
        match configured {
            Algorithm::HS256 => Self::Hs256,
            Algorithm::EdDsa => Self::EdDsa,
            Algorithm::ES256 => Self::Es256,
        }
    }
}

/// Access and refresh tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Token {
    /// How access tokens are signed.
    pub algorithm: Algorithm,
    /// Signs access tokens with HS256 until a key of its own is made.
    pub secret: Secret,
    /// `iss` of a token.
    pub issuer: String,
    /// `aud` of a token.
    pub audience: String,
    /// Days after which an unused refresh token dies.
    pub refresh_expire_days: u32,
    /// Hours an access token of staff lives.
    pub admin_expire_hours: u32,
    /// Hours an access token of a citizen lives.
    pub citizen_expire_hours: u32,
}

impl Default for Token {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::HS256,
            secret: Secret::from(String::new()),
            issuer: "civiclens".to_owned(),
            audience: "civiclens".to_owned(),
            refresh_expire_days: 30,
            admin_expire_hours: 8,
            citizen_expire_hours: 24,
        }
    }
}

impl Token {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.secret("token.secret", &self.secret);
        for (key, name) in [("token.issuer", &self.issuer), ("token.audience", &self.audience)] {
            checks.require(key, !name.is_empty(), "must not be empty");
            checks.require(key, is_plain(name), "must be printable ASCII without ~, ? and >");
        }
        checks.require(
            "token.refresh_expire_days",
            (1..=365).contains(&self.refresh_expire_days),
            "must be between 1 and 365",
        );
        for (key, hours) in [
            ("token.admin_expire_hours", self.admin_expire_hours),
            ("token.citizen_expire_hours", self.citizen_expire_hours),
        ] {
            checks.require(key, (1..=168).contains(&hours), "must be between 1 and 168");
        }
    }
}

/// Whether base64url writes a text without `-` and `_` wherever it stands in a payload. The deployed app reads the payload
/// with a decoder of plain base64, which does not know them; of ASCII only `>`, `?`, `~` and DEL make them.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b">?~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    use super::*;

    /// Whether base64url needs its own two characters for a claim of this text, wherever it begins in a group of three bytes.
    fn needs_url_alphabet(text: &str) -> bool {
        (0..3).any(|shift| {
            let payload = serde_json::json!({ "a": "x".repeat(shift), "iss": text }).to_string();
            URL_SAFE_NO_PAD.encode(payload).contains(['-', '_'])
        })
    }

    #[test]
    fn what_is_refused_is_what_plain_base64_cannot_read() {
        for byte in 0x20..0x7f_u8 {
            let text = char::from(byte).to_string();
            assert_eq!(is_plain(&text), !needs_url_alphabet(&text), "{text:?}");
        }
        for text in ["नागरिक", "caf\u{e9}", "a\u{7f}", "a\nb", "\u{202e}"] {
            assert!(!is_plain(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_accepted_needs_no_url_alphabet(text in "[ -~]{1,40}") {
            prop_assume!(is_plain(&text));
            prop_assert!(!needs_url_alphabet(&text));
        }
    }
}
