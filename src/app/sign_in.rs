//! How the parts of signing in are joined.

use std::sync::Arc;
use std::time::Duration;

use civiclens_actors::domain::keys::HashKey;
use civiclens_actors::domain::lockout::Rule;
use civiclens_actors::domain::role::Role;
use civiclens_actors::domain::second_step::Rules;
use civiclens_actors::events::Events;
use civiclens_actors::guard::Guard;
use civiclens_actors::limits::{Limits, Lockout, LockoutConfig};
use civiclens_actors::notifications::notices::Notices;
use civiclens_actors::sessions::{KeyRing, KeyRingParts};
use civiclens_actors::{administration, audit, credentials, otp, passwords, sessions, sign_in, two_factor};

use super::foundation::Foundation;
use super::keys;

/// The parts that let people in and keep what they prove themselves with.
pub(super) struct SignInParts {
    pub(super) doors: sign_in::Handle,
    pub(super) two_factor: two_factor::Handle,
    pub(super) credentials: credentials::Handle,
    pub(super) administration: administration::Handle,
}

fn span(length: Duration) -> anyhow::Result<chrono::Duration> {
    Ok(chrono::Duration::from_std(length)?)
}

impl Foundation {
    pub(super) fn events(&self) -> Events {
        Events::new(self.subjects.clone(), Arc::clone(&self.ids))
    }

    pub(super) fn lockout(&self) -> Lockout {
        let minutes = |minutes: u32| Duration::from_secs(u64::from(minutes) * 60);
        let account = &self.settings.account;
        let rule = Rule {
            attempts: account.max_login_attempts,
            first: minutes(account.lockout_minutes),
            longest: minutes(account.lockout_max_minutes),
        };
        let limits = &self.settings.rate_limit;
        let config = LockoutConfig {
            rule,
            per_account: limits.login,
            per_address: limits.login_per_address,
            all_per_account: limits.proofs,
            all_per_address: limits.proofs_per_address,
        };
        Lockout::new(self.memory.clone(), Arc::clone(&self.clock), config)
    }

    fn second_factor_rules(&self) -> Rules {
        let two_factor = &self.settings.two_factor;
        Rules { enabled: two_factor.enabled, enforced_roles: two_factor.enforced_roles.clone() }
    }

    /// Keys the hashes of opaque tokens, of refresh tokens, of devices and of backup codes.
    pub(super) fn hash_key(&self) -> HashKey {
        let secrets = &self.settings.secrets;
        HashKey::new(&secrets.hash_key).with_previous(&secrets.previous_hash_key)
    }

    pub(super) fn sessions_parts(&self, audit: &audit::Handle) -> anyhow::Result<sessions::Parts> {
        let (token, session) = (&self.settings.token, &self.settings.session);
        let tokens = keys::tokens(token);
        let keys = KeyRing::new(KeyRingParts {
            db: self.db.clone(),
            sealer: Arc::clone(&self.sealer),
            tokens: Arc::clone(&tokens),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        });
        Ok(sessions::Parts {
            config: sessions::Config {
                session_life: chrono::Duration::days(i64::from(token.refresh_expire_days)),
                officer_session_life: chrono::Duration::hours(i64::from(token.admin_expire_hours)),
                idle: span(session.idle)?,
                officer_idle: span(session.officer_idle)?,
                max_live: Role::ALL.into_iter().map(|role| (role, session.max_live_of(role))).collect(),
                step_up: span(session.step_up)?,
                sensitive_acts: self.settings.account.sensitive_acts.into(),
                history: span(session.history)?,
                second_factor: self.second_factor_rules(),
                refreshes: self.settings.rate_limit.refresh,
            },
            audit: audit.clone(),
            db: self.db.clone(),
            background_db: self.background_db.clone(),
            view_db: self.view_db.clone(),
            nats: self.nats.clone(),
            events: self.events(),
            notices: Notices::new(self.events()),
            tokens,
            keys: Arc::new(keys),
            hash_key: self.hash_key(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        })
    }

    /// Joins the parts of signing in.
    pub(super) fn join_sign_in(
        &self,
        otp: &otp::Handle,
        passwords: &passwords::Handle,
        sessions: &sessions::Handle,
        audit: &audit::Handle,
    ) -> SignInParts {
        let guard = Guard {
            db: self.db.clone(),
            lockout: self.lockout(),
            events: self.events(),
            notices: Notices::new(self.events()),
            passwords: passwords.clone(),
            hash_key: self.hash_key(),
            clock: Arc::clone(&self.clock),
        };
        let two_factor = two_factor::Handle::new(two_factor::Parts {
            db: self.db.clone(),
            otp: otp.clone(),
            sessions: sessions.clone(),
            guard: guard.clone(),
            audit: audit.clone(),
            sealer: Arc::clone(&self.sealer),
            hash_key: self.hash_key(),
            rules: self.second_factor_rules(),
            issuer: self.settings.two_factor.issuer.clone(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        });
        let credentials = self.join_credentials(otp, passwords, sessions, audit, guard.clone());
        let sign_in = sign_in::Handle::new(sign_in::Parts {
            db: self.db.clone(),
            memory: self.memory.clone(),
            otp: otp.clone(),
            passwords: passwords.clone(),
            credentials: credentials.clone(),
            sessions: sessions.clone(),
            two_factor: two_factor.clone(),
            guard,
            hash_key: self.hash_key(),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        });
        let administration = administration::Handle::new(administration::Parts {
            db: self.db.clone(),
            passwords: passwords.clone(),
            lockout: self.lockout(),
            events: self.events(),
            sessions: sessions.clone(),
            hash_key: self.hash_key(),
            sealer: Arc::clone(&self.sealer),
            temporary_password: chrono::Duration::hours(i64::from(self.settings.account.temporary_password_hours)),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        });
        SignInParts { doors: sign_in, two_factor, credentials, administration }
    }

    fn join_credentials(
        &self,
        otp: &otp::Handle,
        passwords: &passwords::Handle,
        sessions: &sessions::Handle,
        audit: &audit::Handle,
        guard: Guard,
    ) -> credentials::Handle {
        let limits = &self.settings.rate_limit;
        credentials::Handle::new(credentials::Parts {
            db: self.db.clone(),
            memory: self.memory.clone(),
            otp: otp.clone(),
            passwords: passwords.clone(),
            sessions: sessions.clone(),
            guard,
            audit: audit.clone(),
            limits: Limits::new(self.memory.clone(), Arc::clone(&self.clock)),
            resets: limits.password_reset,
            resets_per_address: limits.password_reset_per_address,
            tries_per_address: limits.login_per_address,
            hash_key: self.hash_key(),
            sealer: Arc::clone(&self.sealer),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        })
    }
}
