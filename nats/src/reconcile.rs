//! Bringing the server's streams and consumers in line with the definitions of this crate.
//!
//! [`Topology::reconcile`] is run at every start, by every replica: it creates what is missing, compares every field that
//! we set with what is there, mends what differs and reports it. Fields that we do not set are the operator's and stay as
//! they are. What the server cannot change on an existing object is reported as refused, and everything else is mended
//! nonetheless. Two replicas may do this at once: creating what exists already and updating to the same values are no
//! errors. On failure nothing is undone; the next start continues.
//!
//! [`Topology::restore`] is run from then on. It only creates: during a rollout two versions with different definitions
//! run side by side, and each would undo what the other mends.

mod compare;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config, ConsumerErrorKind};
use async_nats::jetstream::{Context, ErrorCode};

use crate::client::{ConnectError, check_server};
use crate::subjects::{Channel, StreamKind, Subjects};
use crate::{consumers, streams};
use compare::Differences;

/// Why the server could not be brought in line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server is not one we can work with.
    #[error(transparent)]
    Server(#[from] ConnectError),
    /// The server did not tell about an object, or did not create it.
    #[error("cannot {action} {object}: {reason}")]
    Api {
        /// What was tried.
        action: &'static str,
        /// On which stream or consumer.
        object: String,
        /// What the server, or the connection to it, said.
        reason: String,
    },
}

/// What came of a difference between the server and our definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The server now has what we want.
    Mended,
    /// The server keeps what it has, for this reason; somebody must look at it.
    Refused(String),
}

/// An object on the server that was not as we define it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// `stream X` or `consumer Y on X`.
    pub object: String,
    /// `field: wanted …, found …`, one for each field.
    pub differences: Vec<String>,
    /// What was done about it.
    pub outcome: Outcome,
}

/// All streams and consumers of one prefix.
#[derive(Clone, Debug)]
pub struct Topology {
    /// How they are called.
    pub subjects: Subjects,
    /// On how many servers of a cluster each stream is kept; 1 without a cluster.
    pub replicas: usize,
}

impl Topology {
    /// Makes the server's streams and consumers what this crate says. Returns what was not so; a new object is no drift.
    ///
    /// # Errors
    /// [`Error::Server`] when the server is too old, [`Error::Api`] when it does not answer or refuses to create.
    pub async fn reconcile(&self, js: &Context) -> Result<Vec<Drift>, Error> {
        check_server(&js.client())?;
        let mut drifts = Vec::new();
        for kind in StreamKind::ALL {
            let wanted = streams::definition(&self.subjects, kind, self.replicas);
            drifts.extend(reconcile_stream(js, &wanted).await?);
        }
        let stream = self.subjects.stream(StreamKind::Notify);
        for channel in Channel::ALL {
            let wanted = consumers::definition(&self.subjects, channel);
            drifts.extend(reconcile_consumer(js, &stream, &wanted).await?);
        }
        for drift in &drifts {
            let Drift { object, differences, outcome } = drift;
            match outcome {
                Outcome::Mended => {
                    tracing::warn!(%object, ?differences, "mended a NATS object that had drifted");
                }
                Outcome::Refused(reason) => {
                    tracing::error!(%object, ?differences, %reason, "a NATS object differs and cannot be mended");
                }
            }
        }
        // A client that was still connecting has passed the first check unseen.
        check_server(&js.client())?;
        Ok(drifts)
    }

    /// Makes again what is missing, and leaves everything else as it is. Returns what it made.
    ///
    /// # Errors
    /// [`Error::Api`] when the server does not answer or refuses to create.
    pub async fn restore(&self, js: &Context) -> Result<Vec<String>, Error> {
        let mut made = Vec::new();
        for kind in StreamKind::ALL {
            let wanted = streams::definition(&self.subjects, kind, self.replicas);
            let object = stream_object(&wanted.name);
            if find_stream(js, &wanted.name).await.map_err(|reason| api("read", &object, reason))?.is_none() {
                match js.create_stream(&wanted).await {
                    Ok(_) => made.push(object),
                    Err(error) if is_taken(&error.kind()) => {}
                    Err(error) => return Err(api("create", &object, error.to_string())),
                }
            }
        }
        let stream = self.subjects.stream(StreamKind::Notify);
        for channel in Channel::ALL {
            let wanted = consumers::definition(&self.subjects, channel);
            let name = consumers::name(channel);
            let object = consumer_object(&name, &stream);
            if find_consumer(js, &stream, &name).await.map_err(|reason| api("read", &object, reason))?.is_none() {
                let created = js.create_consumer_on_stream(wanted, &stream).await;
                created.map_err(|error| api("create", &object, error.to_string()))?;
                made.push(object);
            }
        }
        Ok(made)
    }
}

fn stream_object(name: &str) -> String {
    format!("stream {name}")
}

fn consumer_object(name: &str, stream: &str) -> String {
    format!("consumer {name} on {stream}")
}

async fn reconcile_stream(js: &Context, wanted: &Config) -> Result<Vec<Drift>, Error> {
    let object = stream_object(&wanted.name);
    let found = match find_stream(js, &wanted.name).await.map_err(|reason| api("read", &object, reason))? {
        Some(found) => found,
        None => match js.create_stream(wanted).await {
            Ok(_) => {
                tracing::info!(%object, "created");
                return Ok(Vec::new());
            }
            // Another replica, with another definition, was faster by a moment: compare with what it made.
            Err(error) if is_taken(&error.kind()) => find_stream(js, &wanted.name)
                .await
                .map_err(|reason| api("read", &object, reason))?
                .ok_or_else(|| api("create", &object, error.to_string()))?,
            Err(error) => return Err(api("create", &object, error.to_string())),
        },
    };
    let (merged, differences) = compare::streams(wanted, found);
    Ok(settle(object, differences, async || js.update_stream(&merged).await.map(drop).map_err(|e| e.to_string())).await)
}

async fn reconcile_consumer(js: &Context, stream: &str, wanted: &pull::Config) -> Result<Vec<Drift>, Error> {
    let name = wanted.durable_name.as_deref().unwrap_or_default();
    let object = consumer_object(name, stream);
    let Some(found) = find_consumer(js, stream, name).await.map_err(|reason| api("read", &object, reason))? else {
        // Creating one that exists with the same values is no error, so a faster replica does no harm.
        let created = js.create_consumer_on_stream(wanted.clone(), stream).await;
        created.map_err(|error| api("create", &object, error.to_string()))?;
        tracing::info!(%object, "created");
        return Ok(Vec::new());
    };
    let (merged, differences) = compare::consumers(wanted, found);
    let update = async || {
        js.update_consumer_on_stream(merged.clone(), stream).await.map(drop).map_err(|error| error.to_string())
    };
    Ok(settle(object, differences, update).await)
}

/// Turns differences into drifts, after one update for all of them that an update can mend.
async fn settle(object: String, found: Differences, update: impl AsyncFnOnce() -> Result<(), String>) -> Vec<Drift> {
    let mut drifts = Vec::new();
    if !found.mendable.is_empty() {
        let outcome = match update().await {
            Ok(()) => Outcome::Mended,
            Err(reason) => Outcome::Refused(reason),
        };
        drifts.push(Drift { object: object.clone(), differences: found.mendable, outcome });
    }
    if !found.fixed.is_empty() {
        let reason = "it cannot be changed on an existing object: move what it holds and delete it".to_owned();
        drifts.push(Drift { object, differences: found.fixed, outcome: Outcome::Refused(reason) });
    }
    drifts
}

async fn find_stream(js: &Context, name: &str) -> Result<Option<Config>, String> {
    match js.get_stream(name).await {
        Ok(stream) => Ok(Some(stream.cached_info().config.clone())),
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            _ => Err(error.to_string()),
        },
    }
}

async fn find_consumer(js: &Context, stream: &str, name: &str) -> Result<Option<pull::Config>, String> {
    match js.get_consumer_from_stream::<pull::Config, _, _>(name, stream).await {
        Ok(consumer) => consumer_config(&consumer).map(Some),
        Err(error) => match error.kind() {
            ConsumerErrorKind::JetStream(why) if why.error_code() == ErrorCode::CONSUMER_NOT_FOUND => Ok(None),
            _ => Err(error.to_string()),
        },
    }
}

fn consumer_config(consumer: &async_nats::jetstream::consumer::PullConsumer) -> Result<pull::Config, String> {
    use async_nats::jetstream::consumer::FromConsumer as _;
    pull::Config::try_from_consumer_config(consumer.cached_info().config.clone()).map_err(|error| error.to_string())
}

fn is_taken(kind: &CreateStreamErrorKind) -> bool {
    matches!(kind, CreateStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NAME_EXIST)
}

fn api(action: &'static str, object: &str, reason: String) -> Error {
    Error::Api { action, object: object.to_owned(), reason }
}
