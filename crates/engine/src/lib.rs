//! The running pipeline: one module per stage in the picture of ARCHITECTURE.md.

pub mod accept;
pub mod alert;
pub mod allow;
pub mod clock;
pub mod definition;
pub mod deliver;
pub mod dispatch;
pub mod engine;
pub mod entropy;
pub mod expression;
pub mod failure;
pub mod fetch;
pub mod gate;
pub mod keep;
pub mod manage;
pub mod message;
mod objects;
mod pending;
pub mod prepare;
pub mod publish;
pub mod receive;
pub mod rejections;
pub mod replay;
pub mod sealed_head;
pub mod settle;
pub mod sign;
pub mod signatures;
pub mod spec;
pub mod telemetry;
pub mod topology;
pub mod transport;
pub mod vault;
pub mod work;

pub use engine::{Engine, EngineError, Parts};
pub use objects::rewrap_object;
