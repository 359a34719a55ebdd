//! Creates administrators on the word of an operator.

use std::process::ExitCode;
use std::sync::Arc;

use civiclens_actors::accounts;
use civiclens_actors::domain::clock::SystemClock;
use civiclens_actors::domain::entropy::SystemEntropy;
use civiclens_actors::domain::password;
use civiclens_actors::domain::principal::UserId;
use civiclens_actors::store::users;

use crate::cli::NewAdmin;
use crate::config::Settings;

/// The cost of bcrypt: 2^12 rounds.
const COST: u32 = 12;

/// Creates an administrator.
///
/// # Errors
/// When the phone, e-mail or employee id belongs to an account, or PostgreSQL cannot be reached.
pub async fn admin_create(settings: Settings, new: NewAdmin) -> anyhow::Result<ExitCode> {
    let db = super::lifecycle::command_database(&settings)?;
    let accounts = accounts::Handle::new(db.clone(), Arc::new(SystemClock));
    let id = create(&accounts, &settings, new).await?;
    db.close().await;
    tracing::info!(user_id = id.get(), "the administrator was created");
    Ok(ExitCode::SUCCESS)
}

/// Hashes the password on a thread of its own and creates the account.
pub(super) async fn create(
    accounts: &accounts::Handle,
    settings: &Settings,
    new: NewAdmin,
) -> Result<UserId, anyhow::Error> {
    let NewAdmin { phone, full_name, email, employee_id, password } = new;
    let pepper = settings.secrets.password_pepper.clone();
    let hash = tokio::task::spawn_blocking(move || password::hash(&password, &pepper, COST, &SystemEntropy::default()))
        .await??;
    let new = users::NewAdmin {
        phone: &phone,
        full_name: &full_name,
        email: &email,
        employee_id: &employee_id,
        password_hash: &hash,
    };
    Ok(accounts.create_admin(&new).await?)
}
