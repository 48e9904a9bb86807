//! The nouns of Trireme and its pure decisions.
//!
//! Nothing here reads a clock, touches a disk or awaits: time and chance are arguments, so every
//! decision can be tested by a table and replayed from a seed.

pub mod alert;
pub mod assurance;
pub mod audit;
pub mod breaker;
pub mod budget;
pub mod call;
pub mod charge;
pub mod delivery;
pub mod diff;
pub mod event;
pub mod explain;
pub mod id;
pub mod identity;
pub mod latency;
pub mod name;
pub mod ordering;
pub mod poll;
pub mod rate;
pub mod request;
pub mod retry;
pub mod run;
pub mod shape;
pub mod subject;
pub mod subscription;
pub mod suggest;
pub mod time;

pub use assurance::Assurance;
pub use call::{Call, Purpose};
pub use charge::{Charge, ChargeKind};
pub use delivery::DeliveryState;
pub use event::{Action, Event, Origin, Subject, Version};
pub use id::{AlertId, AttemptId, DeliveryId, EventId, HandshakeId, NoticeId, PairingId, ReplayId, RequestId, RunId};
pub use latency::Latencies;
pub use name::{ChannelName, ConnectionName, DestinationName, ListenerName, RouteName, SourceName, Tenant};
pub use run::{Gap, Run, RunFigures, RunKind, RunState, StreamKey};
pub use time::Timestamp;
