//! Time-based one-time passwords (RFC 6238) as every authenticator app understands them: HMAC-SHA-1, six digits, a step
//! of 30 seconds.

use std::fmt;

use chrono::{DateTime, Utc};
use qrcode::{EcLevel, QrCode, render::svg};
use totp_rs::{Builder, Totp};

use super::entropy::{self, Entropy, Exhausted};
use super::otp::OtpCode;
use super::secret::{REDACTED, Secret};

/// The bytes of a secret: 160 bits, as RFC 4226 §4 advises.
const BYTES: usize = 20;
/// The digits of a code. Apps assume six when nothing is said, and some ignore what is said.
const DIGITS: u8 = 6;
/// How long a code is shown, in seconds.
const STEP: u64 = 30;
/// The steps of drift either side of the present one: more would only help a guesser (RFC 6238 §5.2).
const DRIFT: u16 = 1;
/// The smallest side of a QR code, in pixels.
const QR_SIDE: u32 = 240;

/// Why a secret could not be read or shown. Holds nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TotpError {
    /// Not 160 bits in base32.
    #[error("this is not the secret of an authenticator app")]
    NotASecret,
    /// The issuer or the account has a colon, which divides the two in an app, or the account is empty.
    #[error("the issuer or the account cannot be the label of an authenticator app")]
    BadLabel,
    /// The text is longer than a QR code can hold.
    #[error("the address does not fit into a QR code")]
    TooLong,
}

/// The secret that a person's authenticator app shares with this service. Its `Debug` is `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret(totp_rs::Secret);

impl TotpSecret {
    /// Draws a secret.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, Exhausted> {
        Ok(Self(entropy::bytes::<BYTES>(entropy)?.into()))
    }

    /// Reads what [`Self::to_base32`] wrote.
    pub fn from_base32(text: &str) -> Result<Self, TotpError> {
        let secret = totp_rs::Secret::try_from_base32(text).map_err(|_| TotpError::NotASecret)?;
        if secret.as_bytes().len() == BYTES { Ok(Self(secret)) } else { Err(TotpError::NotASecret) }
    }

    /// The secret as a person types it into an app that has no camera.
    pub fn to_base32(&self) -> Secret {
        Secret::from(self.0.to_base32())
    }

    /// The address that enrols an app: `otpauth://totp/…`. It holds the secret.
    pub fn otpauth_uri(&self, issuer: &str, account: &str) -> Result<Secret, TotpError> {
        let labelled = self.builder().with_issuer(Some(issuer)).with_account_name(account).build();
        labelled.and_then(|totp| totp.to_url()).map(Secret::from).map_err(|_| TotpError::BadLabel)
    }

    /// The step whose code this is: the present one, or one beside it for a clock that is a little off. Returns `None`
    /// for any other code.
    ///
    /// A code must be accepted once: the caller stores the step if it is later than the last one stored, in one
    /// statement, and refuses the code if it is not.
    pub fn matched_step(&self, code: &OtpCode, now: DateTime<Utc>) -> Option<u64> {
        self.totp(DIGITS).check(code.expose(), u64::try_from(now.timestamp()).ok()?)
    }

    fn builder(&self) -> Builder {
        Builder::new().with_secret(self.0.clone()).with_step_duration(STEP).with_skew(DRIFT)
    }

    /// The generator for codes of so many digits, which must be less than ten.
    fn totp(&self, digits: u8) -> Totp {
        // What `build` would check is constant here.
        self.builder().with_digits(digits).build_noncompliant()
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// A QR code of `uri`, as an SVG that stands alone: dark on white with its quiet zone, whatever surrounds it. It shows
/// the secret that the address holds.
pub fn qr_svg(uri: &Secret) -> Result<Secret, TotpError> {
    let code = QrCode::with_error_correction_level(uri.expose(), EcLevel::M).map_err(|_| TotpError::TooLong)?;
    let image = code
        .render::<svg::Color<'_>>()
        .dark_color(svg::Color("#000"))
        .light_color(svg::Color("#fff"))
        .quiet_zone(true)
        .min_dimensions(QR_SIDE, QR_SIDE)
        .build();
    Ok(Secret::from(image))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::entropy::SystemEntropy;

    fn at(seconds: u64) -> DateTime<Utc> {
        DateTime::from_timestamp(i64::try_from(seconds).unwrap(), 0).unwrap()
    }

    fn secret(bytes: [u8; BYTES]) -> TotpSecret {
        TotpSecret(bytes.into())
    }

    /// RFC 4226 §5.3, worked out apart from the crate.
    fn hotp(bytes: &[u8], step: u64) -> OtpCode {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, bytes);
        let mac = hmac::sign(&key, &step.to_be_bytes());
        let mac = mac.as_ref();
        let from = usize::from(mac[19] & 0xf);
        let number = u32::from_be_bytes(mac[from..from + 4].try_into().unwrap()) & 0x7fff_ffff;
        OtpCode::parse(&format!("{:06}", number % 1_000_000)).unwrap()
    }

    #[test]
    fn the_vectors_of_rfc_6238_hold() {
        let secret = secret(*b"12345678901234567890");
        for (time, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(secret.totp(8).generate(time).to_string(), code, "{time}");
            let six = OtpCode::parse(&code[2..]).unwrap();
            assert_eq!(secret.matched_step(&six, at(time)), Some(time / 30), "{time}");
        }
    }

    #[test]
    fn two_steps_away_is_too_far() {
        let secret = secret(*b"12345678901234567890");
        let code = OtpCode::parse("050471").unwrap();
        let step = 1_111_111_111 / 30;
        let first = step * 30;
        assert_eq!(secret.matched_step(&code, at(first - 31)), None);
        assert_eq!(secret.matched_step(&code, at(first - 30)), Some(step));
        assert_eq!(secret.matched_step(&code, at(first + 59)), Some(step));
        assert_eq!(secret.matched_step(&code, at(first + 60)), None);
        assert_eq!(secret.matched_step(&code, DateTime::from_timestamp(-1, 0).unwrap()), None);
    }

    proptest! {
        #[test]
        fn a_code_is_good_for_its_step_and_one_beside_it(
            bytes: [u8; BYTES], step in 3u64..200_000_000, second in 0u64..STEP, away in -3i64..=3,
        ) {
            let code = hotp(&bytes, step);
            let present = step.checked_add_signed(away).unwrap();
            // One code in a million is also that of another step nearby.
            let expected = (present - 1..=present + 1).find(|near| hotp(&bytes, *near) == code);
            let found = secret(bytes).matched_step(&code, at(present * STEP + second));
            prop_assert_eq!(found, expected);
            prop_assert_eq!(found.is_some() || away.abs() > 1, true);
        }

        #[test]
        fn secrets_round_trip(bytes: [u8; BYTES]) {
            let secret = secret(bytes);
            let text = secret.to_base32();
            prop_assert_eq!(text.expose().len(), 32);
            prop_assert_eq!(TotpSecret::from_base32(text.expose()), Ok(secret));
        }

        #[test]
        fn labels_survive_the_address(issuer in "[^:]{1,20}", account in "[^:]{1,20}") {
            let secret = secret([7; BYTES]);
            let uri = secret.otpauth_uri(&issuer, &account).unwrap();
            prop_assert!(uri.expose().is_ascii() && !uri.expose().contains([' ', '+']));
            let read = Totp::from_url(uri.expose()).unwrap();
            prop_assert_eq!((read.issuer(), read.account_name()), (Some(issuer.as_str()), account.as_str()));
            prop_assert_eq!(read.secret(), &secret.0);
        }
    }

    #[test]
    fn an_address_names_issuer_and_account() {
        let secret = secret([0; BYTES]);
        let uri = secret.otpauth_uri("CivicLens & Co", "+919876543210").unwrap();
        let expected = format!(
            "otpauth://totp/CivicLens%20%26%20Co:%2B919876543210?secret={}&issuer=CivicLens%20%26%20Co",
            "A".repeat(32)
        );
        assert_eq!(uri.expose(), expected);
        assert_eq!(secret.otpauth_uri("a:b", "c").unwrap_err(), TotpError::BadLabel);
        assert_eq!(secret.otpauth_uri("a", "b:c").unwrap_err(), TotpError::BadLabel);
        assert_eq!(secret.otpauth_uri("a", "").unwrap_err(), TotpError::BadLabel);
    }

    #[test]
    fn only_whole_secrets_are_read() {
        for text in ["", "AAAA", "0189", &"A".repeat(31), &"A".repeat(40), "हिन्दी"] {
            assert_eq!(TotpSecret::from_base32(text), Err(TotpError::NotASecret), "{text}");
        }
    }

    #[test]
    fn a_secret_is_drawn_and_not_shown() {
        let entropy = SystemEntropy::default();
        let one = TotpSecret::generate(&entropy).unwrap();
        assert_ne!(one, TotpSecret::generate(&entropy).unwrap());
        let shown = format!("{one:?} {:?} {:?}", one.to_base32(), one.otpauth_uri("a", "b"));
        assert_eq!(shown, "[redacted] [redacted] Ok([redacted])");
    }

    #[test]
    fn a_qr_code_stands_alone_on_white() {
        let uri = secret([0; BYTES]).otpauth_uri("CivicLens", "+919876543210").unwrap();
        let image = qr_svg(&uri).unwrap();
        let image = image.expose();
        assert!(image.contains("<svg") && image.ends_with("</svg>"));
        assert!(image.contains(r##"fill="#fff""##) && image.contains(r##"<path fill="#000""##));
        for outside in ["href", "url(", "<script", "<image", "<style", "<!DOCTYPE"] {
            assert!(!image.contains(outside), "{outside}");
        }
        assert_eq!(image.matches("http").count(), 1, "the namespace alone");
        // Four modules of quiet zone: the first dark module is no nearer to the edge.
        let side: usize = image.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        let modules = QrCode::with_error_correction_level(uri.expose(), EcLevel::M).unwrap().width() + 8;
        let unit = side / modules;
        assert!(side >= 240 && image.contains(&format!("d=\"M{} {}h", 4 * unit, 4 * unit)), "{side}");
        assert_eq!(qr_svg(&Secret::from("x".repeat(3000))).unwrap_err(), TotpError::TooLong);
    }
}
