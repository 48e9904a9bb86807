//! Charges: what one node at a time is in charge of, and who is to have which. Nothing here knows how a node lives.

use std::collections::BTreeMap;
use std::fmt;

use crate::{ConnectionName, DestinationName, ReplayId, SourceName, Tenant};

/// What one node at a time looks after: it alone sends there, polls there, or goes on with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Charge {
    Destination(Tenant, DestinationName),
    Connection(Tenant, SourceName, ConnectionName),
    Replay(Tenant, ReplayId),
}

/// The kinds of charges. Each is shared out by itself: a destination is another burden than a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChargeKind {
    Destination,
    Connection,
    Replay,
}

impl ChargeKind {
    pub const ALL: [Self; 3] = [Self::Destination, Self::Connection, Self::Replay];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Connection => "connection",
            Self::Replay => "replay",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Charge {
    #[must_use]
    pub const fn kind(&self) -> ChargeKind {
        match self {
            Self::Destination(..) => ChargeKind::Destination,
            Self::Connection(..) => ChargeKind::Connection,
            Self::Replay(..) => ChargeKind::Replay,
        }
    }

    #[must_use]
    pub const fn tenant(&self) -> &Tenant {
        match self {
            Self::Destination(tenant, _) | Self::Connection(tenant, ..) | Self::Replay(tenant, _) => tenant,
        }
    }

    /// What it is called within its tenant and kind: `app`, `shop/acme`, `rpl_…`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Destination(_, name) => name.to_string(),
            Self::Connection(_, source, connection) => format!("{source}/{connection}"),
            Self::Replay(_, id) => id.to_string(),
        }
    }

    /// The charge of a kind and a name; `None` if that is none.
    #[must_use]
    pub fn read(tenant: Tenant, kind: ChargeKind, name: &str) -> Option<Self> {
        match kind {
            ChargeKind::Destination => Some(Self::Destination(tenant, name.parse().ok()?)),
            ChargeKind::Connection => {
                let (source, connection) = name.split_once('/')?;
                Some(Self::Connection(tenant, source.parse().ok()?, connection.parse().ok()?))
            }
            ChargeKind::Replay => Some(Self::Replay(tenant, name.parse().ok()?)),
        }
    }
}

impl fmt::Display for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().as_str(), self.name())
    }
}

/// Who has a charge, as the one who asks sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The one who asks.
    Me,
    /// A node that lives.
    Other,
    /// Nobody, or a node whose lease is over.
    Nobody,
}

/// The one who asks, among the nodes that live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub nodes: usize,
    /// From 0, in an order that all nodes see alike.
    pub rank: usize,
    /// All of them want the same charges to be looked after. Until they do, nothing changes hands that somebody has,
    /// and whoever knows of something free takes it: it may be nobody else's to take.
    pub agreed: bool,
}

/// What the one who asks is to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    pub leave: Vec<Charge>,
    /// Of each kind, at most so many of these.
    pub take: Vec<(Vec<Charge>, usize)>,
}

/// How many of `total` the node at this rank is to have: shares differ by at most one, and add up to the total.
#[must_use]
pub const fn share(total: usize, nodes: usize, rank: usize) -> usize {
    if nodes == 0 {
        return total;
    }
    total / nodes + if rank < total % nodes { 1 } else { 0 }
}

/// Decides which charges to leave and which to take, so that each is looked after and every node has its share. What a
/// node has it keeps, unless it has more than its share: as little as possible changes hands.
///
/// `wanted` is what is to be looked after, with who has it; `idle` is what the one who asks has and need not have.
#[must_use]
pub fn moves(wanted: &BTreeMap<Charge, Holder>, idle: Vec<Charge>, standing: Standing) -> Moves {
    let mut moves = Moves { leave: idle, take: Vec::new() };
    for kind in ChargeKind::ALL {
        let of_kind: Vec<_> = wanted.iter().filter(|(charge, _)| charge.kind() == kind).collect();
        let held = |holder: Holder| of_kind.iter().filter(move |(_, by)| **by == holder).map(|(charge, _)| *charge);
        let mine: Vec<&Charge> = held(Holder::Me).collect();
        let Standing { nodes, rank, agreed } = standing;
        // The remainder of another kind begins at another node.
        let rank = (rank + kind as usize) % nodes.max(1);
        let most = if agreed { share(of_kind.len(), nodes, rank) } else { usize::MAX };
        moves.leave.extend(mine.iter().skip(most).map(|charge| (*charge).clone()));
        let mut free: Vec<Charge> = held(Holder::Nobody).cloned().collect();
        let room = most.saturating_sub(mine.len());
        if room > 0 && !free.is_empty() {
            // Nodes that ask at once begin at different ones.
            let first = free.len() * rank / nodes.max(1);
            free.rotate_left(first);
            moves.take.push((free, room));
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination(number: usize) -> Charge {
        Charge::Destination(Tenant::default_tenant(), format!("d{number}").parse().expect("a name"))
    }

    fn connection(number: usize) -> Charge {
        let source = "shop".parse().expect("a name");
        Charge::Connection(Tenant::default_tenant(), source, format!("c{number}").parse().expect("a name"))
    }

    /// Nodes that decide one after another, as often as anything changes. Gives how often something changed hands.
    fn settle(held: &mut BTreeMap<Charge, Option<usize>>, living: &[usize], agreed: bool) -> usize {
        let mut moved = 0;
        for _ in 0..10 {
            let before = moved;
            for (rank, node) in living.iter().enumerate() {
                let holder = |by: &Option<usize>| match by {
                    Some(by) if by == node => Holder::Me,
                    Some(by) if living.contains(by) => Holder::Other,
                    _ => Holder::Nobody,
                };
                let wanted = held.iter().map(|(charge, by)| (charge.clone(), holder(by))).collect();
                let standing = Standing { nodes: living.len(), rank, agreed };
                let Moves { leave, take } = moves(&wanted, Vec::new(), standing);
                moved += leave.len();
                leave.iter().for_each(|charge| *held.get_mut(charge).expect("it is wanted") = None);
                for (free, most) in take {
                    for charge in free.iter().take(most) {
                        moved += 1;
                        assert!(!held[charge].is_some_and(|by| living.contains(&by)), "{charge} was somebody's");
                        held.insert(charge.clone(), Some(*node));
                    }
                }
            }
            if moved == before {
                return moved;
            }
        }
        panic!("it does not come to rest: {held:?}");
    }

    fn shares(held: &BTreeMap<Charge, Option<usize>>, nodes: usize, kind: ChargeKind) -> Vec<usize> {
        let of = |node| held.iter().filter(|(charge, by)| charge.kind() == kind && **by == Some(node)).count();
        (0..nodes).map(of).collect()
    }

    #[test]
    fn shares_are_even_and_nothing_is_left_over() {
        for (total, nodes) in [(0, 1), (1, 3), (7, 3), (9, 3), (10_000, 7), (5, 9)] {
            let shares: Vec<usize> = (0..nodes).map(|rank| share(total, nodes, rank)).collect();
            assert_eq!(shares.iter().sum::<usize>(), total);
            let (most, least) = (shares.iter().max().expect("nodes"), shares.iter().min().expect("nodes"));
            assert!(most - least <= 1, "{shares:?}");
        }
    }

    #[test]
    fn nodes_that_come_and_go_leave_every_charge_with_one_of_the_living_and_move_few() {
        let all = (0..10).map(destination).chain((0..4).map(connection));
        let mut held: BTreeMap<Charge, Option<usize>> = all.map(|charge| (charge, None)).collect();
        assert_eq!(settle(&mut held, &[0], true), 14);
        // A third node of three: a share of each kind changes hands, once.
        settle(&mut held, &[0, 1, 2], true);
        let destinations = shares(&held, 3, ChargeKind::Destination);
        assert_eq!((destinations.iter().sum::<usize>(), destinations.iter().max()), (10, Some(&4)));
        assert_eq!(shares(&held, 3, ChargeKind::Connection).iter().max(), Some(&2));
        let moved = settle(&mut held, &[0, 1, 2], true);
        assert_eq!(moved, 0, "what is settled stays");
        // One dies: what it had changes hands, and little else.
        let had = held.values().filter(|by| **by == Some(1)).count();
        let moved = settle(&mut held, &[0, 2], true);
        assert!(moved <= had + 2, "{moved} moved for {had}");
        assert!(held.values().all(|by| matches!(by, Some(0 | 2))));
    }

    #[test]
    fn nodes_that_are_configured_differently_take_what_is_free_and_let_go_of_nothing() {
        let mut held: BTreeMap<Charge, Option<usize>> = (0..6).map(|number| (destination(number), Some(0))).collect();
        assert_eq!(settle(&mut held, &[0, 1], false), 0);
        held.insert(destination(6), None);
        assert_eq!(settle(&mut held, &[0, 1], false), 1);
        assert!(held.values().all(Option::is_some));
    }

    #[test]
    fn what_is_wanted_no_more_is_left() {
        let moves = moves(&BTreeMap::new(), vec![destination(1)], Standing { nodes: 1, rank: 0, agreed: true });
        assert_eq!(moves, Moves { leave: vec![destination(1)], take: Vec::new() });
    }

    #[test]
    fn a_charge_is_read_back_from_its_name() {
        let replay = Charge::Replay(Tenant::default_tenant(), ReplayId::from_uuid(uuid::Uuid::from_u128(7)));
        for charge in [destination(1), connection(2), replay] {
            let read = Charge::read(charge.tenant().clone(), charge.kind(), &charge.name());
            assert_eq!(read, Some(charge));
        }
        assert_eq!(Charge::read(Tenant::default_tenant(), ChargeKind::Connection, "shop"), None);
        assert_eq!(ChargeKind::parse("nonsense"), None);
    }
}
