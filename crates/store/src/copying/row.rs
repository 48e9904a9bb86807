//! A row as both stores write it, and a digest of many that does not depend on their order.

use bytes::Bytes;
use domain::identity::Digest;
use serde::{Deserialize, Serialize};

use super::table::{Of, Table};

/// A store that cannot keep U+0000 in a text writes this for it, which nobody names: compared, both are the same.
const NO_NUL: char = '\u{10FFFE}';

/// One value. Flags are the numbers 0 and 1, UUIDs their bytes, times microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    #[default]
    Null,
    Int(i64),
    Text(String),
    Bytes(Bytes),
}

impl Cell {
    /// How much memory it takes, roughly.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => 8,
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    #[must_use]
    pub fn int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    /// Appends it so that no two rows are written alike.
    fn write(&self, out: &mut Vec<u8>) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Int(number) => {
                out.push(1);
                out.extend(number.to_be_bytes());
                return;
            }
            Self::Text(text) if text.contains(NO_NUL) => {
                return Self::Text(text.replace(NO_NUL, "\0")).write(out);
            }
            Self::Text(text) => (2, text.as_bytes()),
            Self::Bytes(bytes) => (3, bytes),
        };
        out.push(kind);
        out.extend((bytes.len() as u64).to_be_bytes());
        out.extend(bytes);
    }
}

/// The values of a row, in the order of its table's columns.
pub type Row = Vec<Cell>;

/// How many rows of a table there are, and the sum of their digests: the same for the same rows in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    sum: [u64; 4],
    /// Of those that wait in lanes: the lane of the last one, and its rank there. Rows come lane by lane, in their
    /// order, which is what has to be the same; the places that say so are each store's own.
    lane: Option<([Cell; 3], i64)>,
    scratch: Vec<u8>,
}

impl Tally {
    pub fn add(&mut self, table: Table, row: &Row) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        for (column, cell) in table.columns().iter().zip(row) {
            if column.of.is_compared() {
                cell.write(&mut scratch);
            }
        }
        if table == Table::WaitingDeliveries {
            Cell::Int(self.rank(table, row)).write(&mut scratch);
        }
        let Digest(digest) = Digest::of(&scratch);
        for (sum, word) in self.sum.iter_mut().zip(digest.chunks_exact(8)) {
            *sum = sum.wrapping_add(word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        self.rows += 1;
        self.scratch = scratch;
    }

    fn rank(&mut self, table: Table, row: &Row) -> i64 {
        let cell = |name| table.at(name).and_then(|at| row.get(at)).cloned().unwrap_or_default();
        let lane = [cell("tenant"), cell("destination"), cell("lane")];
        let rank = match &self.lane {
            Some((last, rank)) if *last == lane => rank + 1,
            _ => 0,
        };
        self.lane = Some((lane, rank));
        rank
    }

    /// In hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        self.sum.iter().map(|word| format!("{word:016x}")).collect()
    }
}

/// Whether a value may stand in a column.
#[must_use]
pub fn fits(cell: &Cell, of: Of) -> bool {
    match (cell, of) {
        (Cell::Null, _)
        | (Cell::Int(_), Of::Int | Of::Flag | Of::Order)
        | (Cell::Text(_), Of::Text | Of::Json | Of::Name | Of::Loose)
        | (Cell::Bytes(_), Of::Bytes) => true,
        (Cell::Bytes(bytes), Of::Uuid) => bytes.len() == 16,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(scope: &str, account: &str) -> Row {
        ["default", scope, account].map(|text| Cell::Text(text.to_owned())).to_vec()
    }

    fn tally(rows: &[Row]) -> Tally {
        let mut tally = Tally::default();
        rows.iter().for_each(|row| tally.add(Table::Budgets, row));
        tally
    }

    #[test]
    fn a_digest_knows_every_value_and_no_order() {
        let rows = [budget("a", "1"), budget("b", "2"), budget("c", "3")];
        let turned = [rows[2].clone(), rows[0].clone(), rows[1].clone()];
        assert_eq!(tally(&rows).digest(), tally(&turned).digest());
        let others = [
            vec![budget("a", "1"), budget("b", "2")],
            vec![budget("a", "1"), budget("b", "2"), budget("c", "4")],
            vec![budget("a", "1"), budget("b", "2"), budget("c3", "")],
            vec![budget("a", "1"), budget("a", "1"), budget("c", "3")],
        ];
        for other in others {
            assert_ne!(tally(&rows).digest(), tally(&other).digest(), "{other:?}");
        }
        // Twice the same is not the same as none of it.
        assert_ne!(tally(&[rows[0].clone(), rows[0].clone()]).digest(), tally(&[]).digest());
    }

    #[test]
    fn what_waits_in_a_lane_is_compared_in_its_order() {
        let waiting = |id: u8, lane: &str, place: i64| -> Row {
            let cell = |of: &super::super::table::Column| match of.name {
                "id" => Cell::Bytes(vec![id; 16].into()),
                "lane" => Cell::Text(lane.to_owned()),
                "place" => Cell::Int(place),
                _ => Cell::Null,
            };
            Table::WaitingDeliveries.columns().iter().map(cell).collect()
        };
        let tally = |rows: &[Row]| {
            let mut tally = Tally::default();
            rows.iter().for_each(|row| tally.add(Table::WaitingDeliveries, row));
            tally.digest()
        };
        let known = tally(&[waiting(1, "a", 1), waiting(2, "a", 2), waiting(3, "b", 1)]);
        // Other places and another order of the lanes, but the same order in each.
        assert_eq!(known, tally(&[waiting(3, "b", 70), waiting(1, "a", 10), waiting(2, "a", 40)]));
        assert_ne!(known, tally(&[waiting(2, "a", 1), waiting(1, "a", 2), waiting(3, "b", 1)]));
    }
}
