//! What is copied: every table and every column that outlives a process, as both stores know them. Each store has a
//! test that compares this list with its schema, so that what is added there cannot be forgotten here.

use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A name, which a store may keep as a number.
    Name,
    Text,
    /// A text that is JSON, and so holds no U+0000.
    Json,
    Int,
    Flag,
    Uuid,
    Bytes,
    /// A number that only orders, and that each store gives in its own way: it is not compared.
    Order,
    /// A text that a store may have forgotten: it is not compared.
    Loose,
}

impl Of {
    /// Whether both stores have the same in it after a copy.
    #[must_use]
    pub const fn is_compared(self) -> bool {
        !matches!(self, Self::Order | Self::Loose)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub of: Of,
}

macro_rules! tables {
    ($($table:ident $name:literal: $($column:ident $of:ident),*;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Table { $($table,)* }

        impl Table {
            /// In the order in which they are copied: what others name comes before them.
            pub const ALL: &[Self] = &[$(Self::$table,)*];

            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$table => $name,)* }
            }

            #[must_use]
            pub const fn columns(self) -> &'static [Column] {
                match self {
                    $(Self::$table => const { &[$(Column { name: unraw(stringify!($column)), of: Of::$of },)*] },)*
                }
            }
        }
    };
}

/// The name of a column that is also a word of the language.
const fn unraw(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

tables! {
    Settings "settings": name Text, value Bytes;
    ApiKeys "api_keys": id Text, tenant Text, hash Bytes, scopes Json, note Text, created_at Int, expires_at Int,
        revoked_at Int, last_used_at Int;
    Objects "objects": tenant Text, kind Text, name Text, managed_by Text, definition Json, created_at Int,
        updated_at Int, retired_at Int;
    Destinations "destinations": tenant Name, destination Name, state Text, since Int, reason Text;
    Events "events": tenant Name, id Uuid, seq Int, received_at Int, occurred_at Int, version Int, version_kind Int,
        origin Int, assurance Int, action Int, request Uuid, source Name, connection Name, r#type Text,
        native_type Text, subject Text, content_type Text, head Bytes, payload Bytes;
    Sightings "sightings": tenant Name, event Uuid, path Text, first_at Int, last_at Int, count Int;
    Identities "identities": tenant Name, digest Bytes, event Uuid, seen_at Int, native Flag;
    Subjects "subjects": tenant Name, source Name, connection Name, subject Text, version Int, version_kind Int,
        digest Bytes, deleted Flag, change Int, event Uuid;
    Replays "replays": tenant Name, id Uuid, selection Json, destination Text, rate Int, new_ids Flag, state Text,
        planned Int, events_done Int, deliveries_made Int, position Text, created_at Int, finished_at Int;
    Lanes "lanes": tenant Name, destination Name, lane Text, last Order, sent Int, sent_kind Int, used_at Int;
    EndedDeliveries "ended_deliveries": tenant Name, id Uuid, event Uuid, replay Uuid, created_at Int,
        finished_at Int, version Int, version_kind Int, state Int, attempts Int, tried Int, route Name,
        destination Name, lane Loose, place Order, cause_code Text, cause_detail Text, head Flag;
    OpenDeliveries "open_deliveries": tenant Name, id Uuid, event Uuid, replay Uuid, created_at Int, due_at Int,
        version Int, version_kind Int, state Int, attempts Int, tried Int, route Name, destination Name, lane Text,
        place Order, cause_code Text, cause_detail Text, backfill Flag, head Flag;
    WaitingDeliveries "waiting_deliveries": tenant Name, id Uuid, event Uuid, replay Uuid, created_at Int,
        version Int, version_kind Int, state Int, attempts Int, tried Int, route Name, destination Name, lane Text,
        place Order, cause_code Text, cause_detail Text, backfill Flag;
    Attempts "attempts": tenant Name, event Uuid, delivery Uuid, number Int, id Uuid, started_at Int,
        duration_us Int, connect_us Int, first_byte_us Int, status Int, outcome Text, error Text, peer Text,
        response Bytes;
    Prepared "prepared": tenant Name, event Uuid, delivery Uuid, stale Flag, content_type Text, body Bytes,
        enriched Bytes;
    Requests "requests": tenant Name, id Uuid, received_at Int, due_at Int, bytes Int, verdict Int, source Name,
        reason_code Text, reason_detail Text, connection Text, method Text, url Text, remote Text, headers Bytes,
        body Bytes;
    Idempotency "idempotency": tenant Name, key Text, request Bytes, begun_at Int, status Int, body Bytes;
    Alerts "alerts": tenant Name, id Uuid, kind Text, object Text, detail Text, opened_at Int, last_at Int,
        count Int, resolved_at Int, acknowledged_at Int, acknowledged_by Text, resolved_by Text, reopened Int,
        settled Flag;
    Notices "notices": tenant Name, id Uuid, cause Text, alert Uuid, channel Text, stage Text, severity Text,
        state Text, made_at Int, due_at Int, tries Int, ended_at Int, problem Text, closed Flag;
    Checkpoints "checkpoints": tenant Name, source Name, connection Name, stream Text, state Json, baseline_at Int,
        generation Int, asked_at Int, read_at Int, changed_at Int, polls Int, empty Int, failed Int, changes Int,
        requests Int, learned Bytes, unmodified Int, page Json;
    Absent "absent": tenant Name, source Name, connection Name, stream Text, subject Text;
    Runs "runs": tenant Name, id Uuid, source Name, connection Name, stream Text, kind Int, state Int, dry Flag,
        started_at Int, finished_at Int, figures Json, trust Json, problem Text;
    Gaps "gaps": tenant Name, run Uuid, nth Order, source Name, connection Name, stream Text, subject Text,
        action Int, version_kind Int, version Int, event Uuid, found_at Int, late_at Int;
    Budgets "budgets": tenant Name, scope Text, account Json;
    Calls "calls": tenant Name, source Name, connection Name, ended Order, started_at Int, duration_us Int,
        bytes Int, budget_left Int, purpose Int, status Int, stream Text, method Text, url Text, error Text;
    Figures "figures": tenant Name, series Int, step Int, at Int, object Name, count Int, failed Int,
        latencies Bytes;
    Shapes "shapes": tenant Name, source Name, kind Int, name Text, version Int, seen Int, first_at Int,
        last_at Int, changed_at Int, generation Int, shape Json;
    ShapeChanges "shape_changes": tenant Name, source Name, kind Int, name Text, seq Int, version Int, at Int,
        event Uuid, change Json, example Text;
    Listeners "listeners": tenant Text, name Text, filter Json, position Text, generation Int, created_at Int,
        seen_at Int;
    Audit "audit": tenant Text, node Text, sequence Int, at Int, who Text, who_id Text, address Text, action Text,
        object Text, detail Text, outcome Text, began Int, previous Bytes, digest Bytes;
    AuditChains "audit_chains": tenant Text, node Text, sequence Int, digest Bytes, cut_sequence Int,
        cut_digest Bytes, cut_at Int, cut_key Text, cut_signature Bytes;
    AuditStatements "audit_statements": tenant Text, signer Text, number Int, at Int, heads Json, key Text,
        signature Bytes;
}

impl Table {
    /// Where a column stands in a row.
    #[must_use]
    pub fn at(self, column: &str) -> Option<usize> {
        self.columns().iter().position(|known| known.name == column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_columns_are_named_once() {
        for (nth, table) in Table::ALL.iter().enumerate() {
            assert_eq!(Table::ALL.iter().position(|other| other.name() == table.name()), Some(nth));
            for (nth, column) in table.columns().iter().enumerate() {
                assert_eq!(table.at(column.name), Some(nth), "{table:?} {}", column.name);
            }
        }
        assert_eq!(Table::Events.columns()[13].name, "type");
    }
}
