//! The lock of an account: after so many failures it refuses logins for a while, each time for longer.
//!
//! A stranger's failures and those of a device that its owner used before are counted apart, so that a stranger cannot
//! lock the owner out. Whether the phone has an account makes no difference.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::{Script, ScriptInvocation};
use tokio::runtime::Handle;

use super::one_by_one::{OneByOne, Turn};
use super::{LOCK_LUA, LOG_LUA, millis};
use crate::domain::client::Client;
use crate::domain::clock::Clock;
use crate::domain::limit::{Budget, Rate};
use crate::domain::lockout::Rule;
use crate::domain::phone::Phone;
use crate::domain::principal::SessionId;
use crate::settlement::TakeBack;
use crate::short_memory::{ShortMemory, Unavailable, script};

/// How long failures, and how often an account was locked, are remembered after the last failure or lock.
const MEMORY: Duration = Duration::from_hours(24);
/// How long an attempt may be in hand.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an attempt waits for others that are in hand.
const WAIT: Duration = Duration::from_secs(5);
/// How often one looks whether those that other addresses or nodes have in hand are over.
const LOOK: Duration = Duration::from_millis(100);
/// What who waited in vain is told to wait.
const AGAIN: Duration = Duration::from_secs(1);

/// When an account locks.
#[derive(Clone, Copy, Debug)]
pub struct LockoutConfig {
    /// After how many failures, and for how long.
    pub rule: Rule,
    /// Failed logins of one account.
    pub per_account: Rate,
    /// Failed logins from one address.
    pub per_address: Rate,
    /// All proofs of one account, right ones too: each costs a hash.
    pub all_per_account: Rate,
    /// All proofs from one address, right ones too.
    pub all_per_address: Rate,
}

/// Whose failures are counted: those of an account, or those of one known device of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject(String);

impl Subject {
    /// Everybody who is not on a known device.
    pub fn stranger(phone: &Phone) -> Self {
        Self(phone.to_string())
    }

    /// A device from which the account was entered before.
    pub fn device(phone: &Phone, device_hash: &[u8; 32]) -> Self {
        Self(format!("{phone}:{}", hex::encode(device_hash.get(4..12).unwrap_or_default())))
    }

    /// Who holds a session already: what fails there locks that session's proofs and nobody else's.
    pub fn session(phone: &Phone, session: SessionId) -> Self {
        Self(format!("{phone}:s{session}"))
    }

    /// Whoever tries codes that reset the password.
    pub fn reset(phone: &Phone) -> Self {
        Self(format!("{phone}:reset"))
    }

    /// What keys call it, besides its phone.
    pub fn device_name(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, name)| name)
    }

    /// Whether it is a known device.
    pub fn is_device(&self) -> bool {
        // Devices are named by sixteen hexadecimal digits, which neither a session nor a reset is.
        let name = self.device_name();
        name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    /// Whether it is who holds a session already.
    pub fn is_session(&self) -> bool {
        // Devices are named in hexadecimal, which has no `s`.
        self.0.split_once(':').is_some_and(|(_, name)| name.starts_with('s'))
    }

    /// The subject as it is kept in the state of a login.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The subject that was kept.
    pub fn from_kept(text: String) -> Self {
        Self(text)
    }
}

/// Why an attempt was not admitted.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The account is locked until the budget's reset.
    #[error("the account is locked")]
    Locked(Budget),
    /// Too many failures of the account in the window, or too many attempts at once.
    #[error("too many failed logins")]
    Limited(Budget),
    /// Too many failures from the address in the window.
    #[error("too many failed logins from one address")]
    AddressLimited(Budget),
    /// Too many attempts of the account or from the address in the window, right ones too.
    #[error("too many logins")]
    TooMany(Budget),
    /// Redis.
    #[error(transparent)]
    ShortMemory(#[from] Unavailable),
    /// No random bytes to name the attempt by.
    #[error("no random bytes")]
    NoId,
}

/// An admitted attempt. It counts as a failure until it is ended. One that is given up, since something broke before
/// it was judged, ends as one that was no failure.
#[derive(Debug)]
#[must_use = "an attempt is to be judged"]
pub struct Attempt {
    id: String,
    /// What ends it, as long as nobody did.
    open: Option<Lockout>,
    keys: [String; 7],
    /// What is left of the account's budget, this attempt taken off.
    pub budget: Budget,
    /// Whether it is one of who holds a session already.
    pub in_session: bool,
    /// Until it is ended, the next one of the same subject from the same address waits.
    _turn: Turn,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let (Some(lockout), Ok(runtime)) = (self.open.take(), Handle::try_current()) else { return };
        let (keys, id) = (self.keys.clone(), self.id.clone());
        runtime.spawn(async move {
            if let Err(error) = lockout.end_by(&keys, &id, "passed").await {
                tracing::warn!(%error, "an attempt that was given up counts as a failure");
            }
        });
    }
}

/// The locks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lockout {
    memory: ShortMemory,
    clock: Arc<dyn Clock>,
    config: LockoutConfig,
    one_by_one: OneByOne,
    begin: Script,
    end: Script,
}

impl Lockout {
    /// Locks in `memory`.
    pub fn new(memory: ShortMemory, clock: Arc<dyn Clock>, config: LockoutConfig) -> Self {
        Self {
            memory,
            clock,
            config,
            one_by_one: OneByOne::default(),
            begin: script(&[LOG_LUA, LOCK_LUA, include_str!("scripts/begin.lua")].concat()),
            end: script(&[LOCK_LUA, include_str!("scripts/end.lua")].concat()),
        }
    }

    /// The log of failures from the address of `client`, and how many it may hold in which time.
    pub(crate) fn address_log(&self, client: &Client) -> (String, Rate) {
        (self.memory.key(&["limit", "login_address", &client.limit_subject()]), self.config.per_address)
    }

    /// The key of a subject's lock.
    pub(crate) fn lock_key(&self, subject: &Subject) -> String {
        self.memory.key(&["lock", &subject.0])
    }

    /// Adds the arguments that `count_failure` of the scripts needs: attempts, lengths, memory.
    pub(crate) fn add_rule(&self, invocation: &mut ScriptInvocation<'_>) {
        for argument in self.rule() {
            invocation.arg(argument);
        }
    }

    fn rule(&self) -> [String; 3] {
        let lengths: Vec<String> =
            self.config.rule.lengths().into_iter().map(|length| millis(length).to_string()).collect();
        [self.config.rule.attempts.to_string(), lengths.join(","), millis(MEMORY).to_string()]
    }

    /// Ends an attempt in the background, where it is not known what became of its begin or of its end. An attempt ends once.
    fn settle(&self, error: &Unavailable, keys: &[String], id: &str, outcome: &str) {
        self.memory.settle(error, || {
            let now = self.clock.now().timestamp_millis().to_string();
            let arguments = [now, id.to_owned(), outcome.to_owned()].into_iter().chain(self.rule()).collect();
            TakeBack { script: self.end.clone(), keys: keys.iter().take(5).cloned().collect(), arguments }
        });
    }

    /// The phone whose account it is, whoever tries.
    fn attempts_of(subject: &Subject) -> &str {
        subject.0.split_once(':').map_or(subject.0.as_str(), |(phone, _)| phone)
    }

    /// Admits an attempt of `client` to enter the account of `subject`; `id` names it. Where others are in hand that would be
    /// too many if they failed, waits a while to hear what became of them.
    pub async fn begin(&self, id: String, subject: &Subject, client: &Client) -> Result<Attempt, Refused> {
        let started = Instant::now();
        let address = client.limit_subject();
        let busy = || {
            let limit = self.config.per_account.count;
            Refused::Limited(Budget { limit, remaining: 0, reset: AGAIN })
        };
        let turn = self.one_by_one.turn(format!("{}@{address}", subject.0), WAIT).await.ok_or_else(busy)?;
        let keys = [
            self.lock_key(subject),
            self.memory.key(&["limit", "login_in_hand", &subject.0]),
            self.memory.key(&["limit", "login", &subject.0]),
            self.address_log(client).0,
            self.memory.key(&["limit", "login_address_in_hand", &address]),
            self.memory.key(&["limit", "login_all", Self::attempts_of(subject)]),
            self.memory.key(&["limit", "login_address_all", &address]),
        ];
        let LockoutConfig { per_account, per_address, all_per_account, all_per_address, .. } = &self.config;
        loop {
            let begun = self.try_begin(&keys, &id, subject).await;
            let (outcome, remaining, wait) = begun.inspect_err(|error| self.settle(error, &keys, &id, "passed"))?;
            let budget = |rate: &Rate| Budget { limit: rate.count, remaining, reset: Duration::from_millis(wait) };
            return match outcome.as_str() {
                "ok" => {
                    let (budget, in_session) = (budget(per_account), subject.is_session());
                    let open = Some(self.clone());
                    Ok(Attempt { id, open, keys, budget, in_session, _turn: turn })
                }
                "locked" => Err(Refused::Locked(budget(per_account))),
                "address" => Err(Refused::AddressLimited(budget(per_address))),
                "many" => Err(Refused::TooMany(budget(all_per_account))),
                "address_many" => Err(Refused::TooMany(budget(all_per_address))),
                "busy" if started.elapsed() < WAIT => {
                    tokio::time::sleep(LOOK).await;
                    continue;
                }
                _ => Err(Refused::Limited(budget(per_account))),
            };
        }
    }

    async fn try_begin(&self, keys: &[String], id: &str, subject: &Subject) -> Result<(String, u32, u64), Unavailable> {
        let LockoutConfig { rule, per_account, per_address, all_per_account, all_per_address } = &self.config;
        let mut begin = self.begin.prepare_invoke();
        for key in keys {
            begin.key(key);
        }
        begin.arg(self.clock.now().timestamp_millis()).arg(id).arg(rule.attempts).arg(millis(PATIENCE));
        // What others did at its address does not refuse a known device.
        let per_address = if subject.is_device() { &Rate { count: u32::MAX, ..*per_address } } else { per_address };
        for rate in [per_account, per_address, all_per_account, all_per_address] {
            begin.arg(rate.count).arg(millis(rate.window));
        }
        self.memory.run(&begin).await
    }

    async fn end(&self, mut attempt: Attempt, outcome: &str) -> Result<Duration, Unavailable> {
        attempt.open = None;
        self.end_by(&attempt.keys, &attempt.id, outcome).await
    }

    async fn end_by(&self, keys: &[String], id: &str, outcome: &str) -> Result<Duration, Unavailable> {
        let mut end = self.end.prepare_invoke();
        for key in keys.iter().take(5) {
            end.key(key);
        }
        end.arg(self.clock.now().timestamp_millis()).arg(id).arg(outcome);
        self.add_rule(&mut end);
        let ended = self.memory.run(&end).await;
        let lock = ended.inspect_err(|error| self.settle(error, keys, id, outcome))?;
        Ok(Duration::from_millis(lock))
    }

    /// The attempt failed. Answers how long the lock holds that this began, if it began one.
    pub async fn failed(&self, attempt: Attempt) -> Result<Option<Duration>, Unavailable> {
        Ok(Some(self.end(attempt, "failed").await?).filter(|lock| !lock.is_zero()))
    }

    /// The attempt was no failure, but another step follows: earlier failures stand.
    pub async fn passed(&self, attempt: Attempt) -> Result<(), Unavailable> {
        self.end(attempt, "passed").await.map(|_| ())
    }

    /// The attempt let its owner in: earlier failures are forgotten.
    pub async fn succeeded(&self, attempt: Attempt) -> Result<(), Unavailable> {
        self.end(attempt, "succeeded").await.map(|_| ())
    }

    /// Forgets the failures of a subject whose owner got in, and how often it was locked.
    pub async fn forget(&self, subject: &Subject) -> Result<(), Unavailable> {
        let mut delete = redis::cmd("DEL");
        self.memory.command::<()>(delete.arg(self.lock_key(subject))).await
    }

    /// Forgets the failures and the lock of `subjects`, and what counts against their budgets.
    pub async fn forgive(&self, subjects: &[Subject]) -> Result<(), Unavailable> {
        let mut commands = redis::pipe();
        for subject in subjects {
            commands.del(self.lock_key(subject)).ignore();
            commands.del(self.memory.key(&["limit", "login", &subject.0])).ignore();
        }
        self.memory.pipeline(&commands).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_from_a_device_and_from_strangers() {
        let phone = Phone::from_stored("+919876543210".to_owned());
        assert!(Subject::session(&phone, 7.into()).is_session());
        assert!(!Subject::stranger(&phone).is_session());
        assert!(!Subject::device(&phone, &[0xab; 32]).is_session());
        assert!(Subject::device(&phone, &[0xab; 32]).is_device());
        for other in [Subject::stranger(&phone), Subject::session(&phone, 7.into()), Subject::reset(&phone)] {
            assert!(!other.is_device());
        }
    }
}
