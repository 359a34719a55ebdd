//! Jobs for the workers, put on their subjects as the service does it.

use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::entropy::{SystemEntropy, uuid_v7};
use civiclens_actors::domain::keys::Sealer;
use civiclens_actors::notifications::sealing_place;
use civiclens_nats::envelope::Envelope;
use civiclens_nats::publish::Publisher;
use civiclens_nats::subjects::{Channel, StreamKind};
use civiclens_nats::wire::Payload;
use uuid::Uuid;

use super::{TestApp, eventually};

impl TestApp {
    pub(crate) fn new_id(&self) -> Uuid {
        uuid_v7(self.clock.now(), &SystemEntropy::default()).unwrap()
    }

    /// A secret, sealed for the worker.
    pub(crate) fn seals(&self, job: Uuid, receiver: &str, secret: &str) -> String {
        let keys = &self.settings.secrets;
        let sealer = Sealer::new(&keys.sealing_key_id, &keys.sealing_key).unwrap();
        sealer.seal(&sealing_place(job, receiver), secret).unwrap()
    }

    /// Puts a job on its subject.
    pub(crate) async fn orders<T: Payload>(&self, channel: Channel, id: Uuid, job: T) {
        let publisher = Publisher::new(self.jetstream.clone(), self.subjects.clone(), Duration::from_secs(10));
        let envelope = Envelope::new(id, self.clock.now(), channel, job);
        let publish = async || publisher.publish(self.subjects.notify(channel), &envelope).await.ok();
        eventually("the job to be taken", publish).await;
    }

    /// Waits until no job is left.
    pub(crate) async fn jobs_are_done(&self) {
        let done = async || self.on_stream(StreamKind::Notify, 0).await.is_empty().then_some(());
        eventually("the jobs to be done", done).await;
    }
}
