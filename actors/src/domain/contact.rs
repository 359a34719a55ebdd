//! Names and e-mail addresses as people enter them.

use lettre::Address;

use super::code::FieldError;

/// The longest name, in characters.
const LONGEST_NAME: usize = 200;
/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, less the brackets).
const LONGEST_EMAIL: usize = 254;

/// Reads a name: not empty, on one line, spaces around it dropped.
pub fn full_name(field: &str, text: &str) -> Result<String, FieldError> {
    let name = text.trim();
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits {
        Ok(name.to_owned())
    } else {
        Err(fault(field, "name_invalid", "A name has 1 to 200 characters on one line."))
    }
}

/// Reads an e-mail address, spaces around it dropped. Its letter case is kept; it is compared without.
pub fn email(field: &str, text: &str) -> Result<String, FieldError> {
    let text = text.trim();
    let address = (text.len() <= LONGEST_EMAIL).then(|| text.parse::<Address>().ok()).flatten();
    // Mail within one machine is nobody's address here.
    match address.filter(|address| address.domain().contains('.')) {
        Some(_) => Ok(text.to_owned()),
        None => Err(fault(field, "email_invalid", "This is not an e-mail address.")),
    }
}

fn fault(field: &str, code: &str, message: &str) -> FieldError {
    FieldError { field: field.to_owned(), code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(full_name("n", "  आशा Rao ").ok().as_deref(), Some("आशा Rao"));
        for text in ["", "   ", "a\nb", "a\u{7}", &"x".repeat(201)] {
            assert!(full_name("n", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_one_address() {
        assert_eq!(email("e", " Asha@Example.org ").ok().as_deref(), Some("Asha@Example.org"));
        for text in [
            "",
            "a",
            "a@b",
            "@b.c",
            "a@b.c\r\nBcc: x@y.z",
            "a@b.c, d@e.f",
            "a b@c.d",
            &format!("{}@b.c", "x".repeat(260)),
        ] {
            assert!(email("e", text).is_err(), "{text:?}");
        }
    }
}
