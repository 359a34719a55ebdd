//! Creates administrators on the word of an operator.

use std::process::ExitCode;
use std::sync::Arc;

use civiclens_actors::accounts;
use civiclens_actors::domain::clock::SystemClock;
use civiclens_actors::domain::entropy::SystemEntropy;
use civiclens_actors::domain::password::{self, Policy, Scheme};
use civiclens_actors::domain::principal::UserId;

use crate::cli::NewAdmin;
use crate::config::{PasswordPolicy, Settings};

/// Creates an administrator.
///
/// # Errors
/// When the password breaks the policy, when the phone, e-mail or employee id belongs to an account, or PostgreSQL cannot
/// be reached.
pub async fn admin_create(settings: Settings, new: NewAdmin) -> anyhow::Result<ExitCode> {
    check(&settings, &new)?;
    let db = super::lifecycle::command_database(&settings)?;
    let accounts = accounts::Handle::new(db.clone(), Arc::new(SystemClock));
    let id = create(&accounts, &settings, new).await?;
    db.close().await;
    tracing::info!(user_id = id.get(), "the administrator was created");
    Ok(ExitCode::SUCCESS)
}

/// Names everything that is wrong with the password at once.
fn check(settings: &Settings, new: &NewAdmin) -> anyhow::Result<()> {
    let Err(faults) = password::check(password_policy(settings), &new.password, &new.about()) else { return Ok(()) };
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    anyhow::bail!("the password is not acceptable. {}", faults.join(" "))
}

/// Hashes the password on a thread of its own and creates the account.
pub(super) async fn create(
    accounts: &accounts::Handle,
    settings: &Settings,
    new: NewAdmin,
) -> Result<UserId, anyhow::Error> {
    let NewAdmin { phone, full_name, email, employee_id, password } = new;
    let scheme = Scheme::new(&hashing(settings));
    let hash = tokio::task::spawn_blocking(move || scheme.hash(&password, &SystemEntropy::default())).await??;
    let new = accounts::NewAdmin {
        phone: &phone,
        full_name: &full_name,
        email: &email,
        employee_id: &employee_id,
        password_hash: &hash,
    };
    Ok(accounts.create_admin(&new).await?)
}

/// How passwords are hashed here.
pub(super) fn hashing(settings: &Settings) -> password::Config {
    password::Config {
        pepper: settings.secrets.password_pepper.clone(),
        previous_pepper: settings.secrets.previous_password_pepper.clone(),
        cost: settings.password.cost,
    }
}

/// What passwords must be here.
pub(super) fn password_policy(settings: &Settings) -> Policy {
    match settings.account.password_policy {
        PasswordPolicy::Composition => Policy::Composition,
        PasswordPolicy::Length => Policy::Length,
    }
}

#[cfg(test)]
mod tests {
    use civiclens_actors::domain::phone::Phone;
    use civiclens_actors::domain::secret::Secret;

    use super::*;

    fn judged(password: &str) -> String {
        let new = NewAdmin {
            phone: Phone::parse("98765 43210").unwrap(),
            full_name: "Asha Rao".to_owned(),
            email: "asha@example.org".to_owned(),
            employee_id: "EMP-1".to_owned(),
            password: Secret::from(password),
        };
        check(&Settings::default(), &new).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_operator_is_told_everything_that_is_wrong() {
        assert_eq!(judged("Zebra-Quartz-41"), "");
        let refused = judged("asha");
        for part in ["at least 8 characters", "upper-case letter", "a digit", "your own phone, name or e-mail"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }
}
