//! Opening, recognising and ending sessions.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::broadcast::RevocationV1;
use civiclens_nats::envelope::Envelope;
use civiclens_nats::events::{session, user};
use civiclens_nats::subjects::Subjects;
use civiclens_nats::wire::Payload;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::keys::KeyRing;
use super::messages::{OpenSession, Opened, RevokeSession, SecondStep, SignIn};
use super::revocations::{OVERLAP, REREAD_EVERY, Revocations};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::clock::Clock;
use crate::domain::entropy::{self, Entropy};
use crate::domain::keys::{HashKey, opaque_token};
use crate::domain::principal::{Principal, UserId};
use crate::domain::token::Tokens;
use crate::short_memory::ShortMemory;
use crate::store::sessions::NewSession;
use crate::store::users::LoginUser;
use crate::store::{Db, UnitOfWork, outbox};

/// How a login by code is called in rows and events.
const METHOD: &str = "otp";
/// How long a second step may take.
const SECOND_STEP_LIFE: Duration = Duration::from_mins(5);

/// The lengths of sessions.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The life of a session of a citizen, contributor or moderator.
    pub session_life: chrono::Duration,
    /// The life of a session of an officer, administrator or auditor.
    pub officer_session_life: chrono::Duration,
}

/// What the service works with.
#[derive(Debug)]
pub struct Parts {
    /// The lengths of sessions.
    pub config: Config,
    /// PostgreSQL.
    pub db: Db,
    /// Redis.
    pub memory: ShortMemory,
    /// NATS, for the broadcast of revocations.
    pub nats: async_nats::Client,
    /// The names of subjects.
    pub subjects: Subjects,
    /// Signs and verifies access tokens.
    pub tokens: Arc<Tokens>,
    /// Keeps the keys of the tokens.
    pub keys: Arc<KeyRing>,
    /// Hashes refresh and second-step tokens.
    pub hash_key: HashKey,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The service of sessions.
#[derive(Debug)]
pub struct Service {
    parts: Parts,
    revocations: Revocations,
}

impl Service {
    /// A service of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts, revocations: Revocations::default() }
    }

    /// Says who holds this token.
    pub(super) fn authenticate(&self, bearer: &str) -> Result<Principal, Error> {
        let principal = self.parts.tokens.verify(bearer, self.parts.clock.now())?;
        match self.revocations.contains(principal.session_id) {
            Some(false) => Ok(principal),
            Some(true) => Err(Error::Unauthenticated),
            None => Err(Error::NotReady),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.revocations.contains(0.into()).is_some()
    }

    pub(super) fn keys(&self) -> &Arc<KeyRing> {
        &self.parts.keys
    }

    /// Finds or creates the user, opens the session, and says so to the audit log and to other services: one transaction.
    pub(super) async fn open(&self, request: OpenSession) -> Result<SignIn, Error> {
        let OpenSession { phone, device, client } = request;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let language = client.language.unwrap_or_default();
        let user = work.sign_in_by_phone(&phone, language, METHOD, now).await?;
        if !user.is_active {
            work.record(Entry::by_user(Action::LoginFailed, user.id, &client).with("reason", "suspended"));
            work.commit(now).await?;
            return Err(Error::Suspended);
        }
        if user.role.needs_password() {
            return self.second_step(work, &user, &client, now).await;
        }
        let opened = self.open_in(&mut work, &user, device.and_then(|device| device.label()), &client, now).await?;
        work.commit(now).await?;
        Ok(SignIn::Session(Box::new(opened)))
    }

    async fn open_in(
        &self,
        work: &mut UnitOfWork,
        user: &LoginUser,
        device: Option<String>,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Opened, Error> {
        let Parts { tokens, hash_key, entropy, config, .. } = &self.parts;
        let refresh_token = opaque_token(&**entropy)?;
        let session_life = if user.role.needs_password() { config.officer_session_life } else { config.session_life };
        let (expires_at, access_life) = (now + session_life, tokens.life(user.role).min(session_life));
        let amr = vec!["otp".to_owned(), "sms".to_owned()];
        let session_id = work
            .insert_session(
                &NewSession {
                    user_id: user.id,
                    refresh_token_hash: hash_key.hash("refresh", &[refresh_token.expose()]),
                    login_method: METHOD,
                    amr: &amr,
                    device: device.as_deref(),
                    user_agent: client.user_agent.as_deref(),
                    ip: client.ip,
                    expires_at,
                    access_until: now + access_life,
                },
                now,
            )
            .await?;
        if user.is_new {
            let event = user::RegisteredV1 {
                user_id: user.id.get(),
                role: user.role.as_str().to_owned(),
                account_created_via: METHOD.to_owned(),
                preferred_language: user.preferred_language.as_str().to_owned(),
                registered_at: now,
            };
            work.record(Entry::by_user(Action::UserRegistered, user.id, client).with("via", METHOD));
            work.announce(self.event(user.id, event, client, now)?);
        }
        let event = session::OpenedV1 {
            user_id: user.id.get(),
            session_id: session_id.get(),
            role: user.role.as_str().to_owned(),
            login_method: METHOD.to_owned(),
            is_new_user: user.is_new,
            device,
            opened_at: now,
            expires_at,
        };
        let entry = Entry::by_user(Action::LoginSucceeded, user.id, client).on("session", session_id);
        work.record(entry.with("method", METHOD).with("amr", amr.clone()));
        work.announce(self.event(user.id, event, client, now)?);
        let principal = Principal {
            user_id: user.id,
            role: user.role,
            session_id,
            amr,
            auth_time: now,
            token_epoch: 0,
            expires_at: now + access_life,
        };
        let jti = entropy::uuid_v7(now, &**entropy)?.simple().to_string();
        Ok(Opened {
            access_token: tokens.sign(&principal, jti, now)?,
            expires_in: access_life.to_std().unwrap_or_default(),
            refresh_token,
            user_id: user.id,
            role: user.role,
            session_id,
            profile_completion: user.profile_completion,
            is_new_user: user.is_new,
        })
    }

    /// An officer never enters by a code alone: the code is the first step.
    async fn second_step(
        &self,
        mut work: UnitOfWork,
        user: &LoginUser,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<SignIn, Error> {
        let Parts { memory, hash_key, entropy, .. } = &self.parts;
        let mfa_token = opaque_token(&**entropy)?;
        let hash = hex::encode(hash_key.hash("mfa", &[mfa_token.expose()]));
        let state = serde_json::json!({ "user_id": user.id, "proven": [METHOD], "at": now });
        let mut command = redis::cmd("SET");
        command.arg(memory.key(&["mfa", &hash])).arg(state.to_string()).arg("PX");
        memory.command::<()>(command.arg(u64::try_from(SECOND_STEP_LIFE.as_millis()).unwrap_or_default())).await?;
        work.record(Entry::by_user(Action::SecondStepRequired, user.id, client).with("method", METHOD));
        work.commit(now).await?;
        Ok(SignIn::SecondStep(SecondStep { mfa_token, methods: vec!["password"], expires_in: SECOND_STEP_LIFE }))
    }

    /// Ends a session, here at once and everywhere by broadcast and re-read.
    pub(super) async fn revoke(&self, request: RevokeSession) -> Result<(), Error> {
        let RevokeSession { user_id, session_id, reason, client } = request;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let Some(revocation) = work.revoke_session(user_id, session_id, reason, now).await? else {
            return Ok(());
        };
        work.record(Entry::by_user(Action::LoggedOut, user_id, &client).on("session", session_id));
        let event = session::RevokedV1 {
            user_id: user_id.get(),
            session_id: session_id.get(),
            reason: reason.to_owned(),
            revoked_at: now,
        };
        work.announce(self.event(user_id, event, &client, now)?);
        work.commit(now).await?;
        self.revocations.add(session_id, revocation.keep_until);
        let broadcast = RevocationV1 {
            user_id: user_id.get(),
            session_ids: vec![session_id.get()],
            revoked_at: now,
            keep_until: revocation.keep_until,
        };
        let envelope = Envelope::new(entropy::uuid_v7(now, &*self.parts.entropy)?, now, user_id, broadcast)
            .with_request_id(client.request_id);
        let subject = self.parts.subjects.broadcast_revocation();
        if let Err(error) = civiclens_nats::publish::broadcast(&self.parts.nats, subject, &envelope).await {
            tracing::warn!(%error, "the revocation was not broadcast: other nodes will read it");
        }
        Ok(())
    }

    fn event<T: Payload>(
        &self,
        user_id: UserId,
        data: T,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<outbox::Message, Error> {
        let id = entropy::uuid_v7(now, &*self.parts.entropy)?;
        let envelope = Envelope::new(id, now, user_id, data).with_request_id(client.request_id.clone());
        Ok(outbox::Message {
            id,
            key: user_id.get(),
            subject: self.parts.subjects.event(T::NAME),
            payload: envelope.to_json()?,
            request_id: client.request_id.clone(),
            expires_at: None,
        })
    }

    /// Reads the revocations since `since` into the view. Answers from when the next reading must start.
    async fn reread(&self, since: DateTime<Utc>) -> Result<DateTime<Utc>, Error> {
        let now = self.parts.clock.now();
        let read = self.parts.db.revocations_since(since, now).await?;
        self.revocations.load(&read, now);
        Ok(now - OVERLAP)
    }

    /// Keeps the view up to date until `stop`: hears every broadcast, and re-reads on an interval.
    pub(super) async fn follow_revocations(&self, stop: CancellationToken) {
        let mut since = DateTime::UNIX_EPOCH;
        let mut broadcasts = self.parts.nats.subscribe(self.parts.subjects.broadcast_revocation()).await.ok();
        let mut tick = tokio::time::interval(REREAD_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let heard = async {
                match &mut broadcasts {
                    Some(subscription) => subscription.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => match self.reread(since).await {
                    Ok(next) => since = next,
                    Err(error) => tracing::warn!(%error, "the revocations could not be read"),
                },
                message = heard => match message {
                    Some(message) => self.hear(&message.payload),
                    // The client is closing; the re-read goes on.
                    None => broadcasts = None,
                },
            }
        }
    }

    fn hear(&self, payload: &[u8]) {
        match Envelope::<RevocationV1>::from_slice(payload) {
            Ok(envelope) => {
                for session in &envelope.data.session_ids {
                    self.revocations.add((*session).into(), envelope.data.keep_until);
                }
            }
            Err(error) => tracing::warn!(%error, "a broadcast could not be read"),
        }
    }
}
