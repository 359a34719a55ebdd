//! `admin create`: reads what an administrator is made of.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use civiclens_actors::domain::code::FieldError;
use civiclens_actors::domain::contact;
use civiclens_actors::domain::password::About;
use civiclens_actors::domain::phone::Phone;
use civiclens_actors::domain::secret::Secret;

use super::CreateAdmin;

/// An administrator to create.
#[derive(Debug)]
pub struct NewAdmin {
    /// The phone.
    pub phone: Phone,
    /// The full name.
    pub full_name: String,
    /// The e-mail address.
    pub email: String,
    /// The employee id.
    pub employee_id: String,
    /// The password, not yet held against the policy.
    pub password: Secret,
}

impl NewAdmin {
    /// What an attacker may know of them.
    pub(crate) fn about(&self) -> About {
        About {
            phone: Some(self.phone.clone()),
            full_name: Some(self.full_name.clone()),
            email: Some(self.email.clone()),
        }
    }
}

impl TryFrom<CreateAdmin> for NewAdmin {
    type Error = anyhow::Error;

    fn try_from(given: CreateAdmin) -> anyhow::Result<Self> {
        let phone = Phone::parse_mobile(&given.phone).context("--phone")?;
        let said = |fault: FieldError| anyhow::anyhow!("{}: {}", fault.field, fault.message);
        let full_name = contact::full_name("--full-name", &given.full_name).map_err(said)?;
        let email = contact::email("--email", &given.email).map_err(said)?;
        let employee_id = contact::employee_id("--employee-id", &given.employee_id).map_err(said)?;
        let password = password(&password_text(given.password_file.as_deref())?)?;
        Ok(Self { phone, full_name, email, employee_id, password })
    }
}

fn password_text(file: Option<&Path>) -> anyhow::Result<String> {
    if let Some(path) = file {
        let unreadable = || format!("the password file {} cannot be read", path.display());
        return std::fs::read_to_string(path).with_context(unreadable);
    }
    let mut text = String::new();
    std::io::stdin().lock().read_to_string(&mut text).context("standard input cannot be read")?;
    Ok(text)
}

/// The first line, which is all of it.
fn password(text: &str) -> anyhow::Result<Secret> {
    let line = text.trim_end_matches(['\n', '\r']);
    anyhow::ensure!(!line.is_empty(), "the password is empty");
    anyhow::ensure!(!line.contains(['\n', '\r']), "the password must be a single line");
    Ok(Secret::from(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_read_as_over_http() {
        let given = |full_name: &str, email: &str, employee_id: &str| {
            let given = CreateAdmin {
                phone: "98765 00001".to_owned(),
                full_name: full_name.to_owned(),
                email: email.to_owned(),
                employee_id: employee_id.to_owned(),
                password_file: Some("/nowhere/at/all".into()),
            };
            NewAdmin::try_from(given).unwrap_err().to_string()
        };
        let fine = given(" Asha\u{202E} Rao ", "asha@example.org", "EMP-1");
        assert!(fine.contains("password file"), "only the password is missing: {fine}");
        for (said, option) in [
            (given("\u{2800}", "asha@example.org", "EMP-1"), "--full-name: "),
            (given("Asha Rao", "\"a,b\"@example.org", "EMP-1"), "--email: "),
            (given("Asha Rao", "\u{430}sha@example.org", "EMP-1"), "--email: "),
            (given("Asha Rao", "asha@[192.0.2.1]", "EMP-1"), "--email: "),
            (given("Asha Rao", "asha@example.org", "\u{200B}"), "--employee-id: "),
        ] {
            assert!(said.starts_with(option), "{said}");
        }
    }

    #[test]
    fn a_password_is_one_line() {
        assert_eq!(password("correct horse\r\n").unwrap().expose(), "correct horse");
        for text in ["", "\n", "a\nb"] {
            assert!(password(text).is_err());
        }
    }
}
