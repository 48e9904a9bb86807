//! The load tool measured against gateways whose faults are known: it has to find each of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has to fail")]

mod fake_gateway;
mod oracle;
mod plan;
mod scenarios;
mod sender;
mod sink;
