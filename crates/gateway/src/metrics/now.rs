//! How things stand at the moment of a scrape.

use ledger::{Condition, Health};
use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::Name;
use crate::serving::Serving;

/// Gauges that are set when somebody looks.
#[derive(Debug, Default)]
pub(super) struct Now {
    replica_up: Family<ReplicaLabels, Gauge>,
    replica_in_flight: Family<ReplicaLabels, Gauge>,
    buffered: Gauge,
    spool_sound: Gauge,
    spool_room: Gauge,
    spool_outstanding: Gauge,
    spool_waiting: Gauge,
    spool_lost: Gauge,
    /// Held from clearing the replicas to writing them out, so that no scrape sees half of them.
    pub(super) looking: Mutex<()>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplicaLabels {
    model_name: Name,
    model_type: &'static str,
    replica: Name,
}

// === impl Now ===

impl Now {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let now = Self::default();
        let up = now.replica_up.clone();
        registry.register("replica_up", "1 for replicas that take requests, 0 for those that are down or cooling", up);
        let in_flight = now.replica_in_flight.clone();
        registry.register("replica_requests_in_flight", "Requests that each replica works on", in_flight);
        let buffered = now.buffered.clone();
        registry.register_with_unit("buffered", "Request and answer bodies held in memory", Unit::Bytes, buffered);
        registry.register("books_sound", "1 while requests are recorded, else 0", now.spool_sound.clone());
        let room = now.spool_room.clone();
        registry.register_with_unit(
            "books_room",
            "Space of the spool that is promised to no request",
            Unit::Bytes,
            room,
        );
        let outstanding = now.spool_outstanding.clone();
        registry.register("books_outstanding", "Requests whose end is not in the spool yet", outstanding);
        registry.register("books_waiting", "Events that wait in memory for the spool", now.spool_waiting.clone());
        registry.register("books_lost", "Events that found no place since the start", now.spool_lost.clone());
        now
    }

    pub(super) fn observe(&self, serving: &Serving, books: &Health, buffered: usize) {
        self.replicas(serving);
        self.buffered.set(signed(buffered as u64));
        self.spool_sound.set(i64::from(books.condition == Condition::Sound));
        self.spool_room.set(signed(books.room));
        self.spool_outstanding.set(signed(books.outstanding as u64));
        self.spool_waiting.set(signed(books.waiting as u64));
        self.spool_lost.set(signed(books.lost));
    }

    fn replicas(&self, serving: &Serving) {
        let now = tokio::time::Instant::now();
        self.replica_up.clear();
        self.replica_in_flight.clear();
        for model in &serving.listed {
            for replica in model.deployments.iter().flat_map(|deployment| &deployment.replicas) {
                let labels = ReplicaLabels {
                    model_name: Name(model.model.name.clone()),
                    model_type: model.model.model_type.as_str(),
                    replica: Name(replica.replica.id.clone()),
                };
                let takes_requests = replica.is_up() && !replica.is_cooling(now);
                self.replica_up.get_or_create(&labels).set(i64::from(takes_requests));
                self.replica_in_flight.get_or_create(&labels).set(i64::from(replica.in_flight()));
            }
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
