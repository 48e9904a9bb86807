//! Listeners: opened, taken over, moved by their newest generation, forgotten with age.

use std::time::Duration;

use super::world::{DAY, Open, SECOND, World, name};
use crate::keep::Retention;
use crate::listen::{IDLE_MAX, Listener};
use crate::read::{EventFilter, Position};

pub(super) fn listener(w: &World, text: &str, position: &str) -> Listener {
    Listener {
        tenant: w.tenant.clone(),
        name: name(text),
        filter: EventFilter { source: Some(name("shop")), ..EventFilter::default() },
        position: Position(position.to_owned()),
        generation: 1,
        created_at: w.now,
        seen_at: w.now,
    }
}

async fn stands_at(w: &World, text: &str) -> Option<(String, u64)> {
    let found = w.store.listener(w.tenant.clone(), name(text)).await.expect("listener");
    found.map(|listener| (listener.position.0, listener.generation))
}

pub async fn a_listener_is_read_back_whole_by_its_tenant(open: impl Open) {
    let mut w = World::new(open).await;
    let (b, a) = (listener(&w, "b", "7"), listener(&w, "a", "9"));
    for made in [&b, &a] {
        assert_eq!(w.store.open_listener(made.clone()).await.as_ref(), Ok(made));
    }
    let foreign = Listener { tenant: name("other"), ..listener(&w, "a", "1") };
    w.store.open_listener(foreign.clone()).await.expect("open_listener");
    w.reopen().await;
    assert_eq!(w.store.listeners(w.tenant.clone()).await, Ok(vec![a, b]));
    assert_eq!(w.store.listener(name("other"), name("a")).await, Ok(Some(foreign)));
    assert_eq!(w.store.listener(w.tenant.clone(), name("c")).await, Ok(None));
    let forget = async |text: &str| w.store.forget_listener(w.tenant.clone(), name(text)).await;
    assert_eq!((forget("a").await, forget("a").await), (Ok(true), Ok(false)));
    assert_eq!(w.store.listeners(name("other")).await.map(|left| left.len()), Ok(1));
}

pub async fn who_takes_a_listener_over_goes_on_where_it_was(open: impl Open) {
    let mut w = World::new(open).await;
    let first = w.store.open_listener(listener(&w, "mine", "7")).await.expect("open_listener");
    let moves = async |w: &World, generation, to: Option<&str>| {
        let to = to.map(|to| Position(to.to_owned()));
        w.store.move_listener(w.tenant.clone(), name("mine"), generation, to, w.now).await
    };
    assert_eq!(moves(&w, first.generation, Some("8")).await, Ok(true));
    w.pass(SECOND);
    w.reopen().await;
    let wished = Listener { filter: EventFilter::default(), ..listener(&w, "mine", "99") };
    let second = w.store.open_listener(wished).await.expect("open_listener");
    assert_eq!((second.position.0.as_str(), second.generation), ("8", first.generation + 1));
    assert_eq!((second.filter, second.created_at, second.seen_at), (EventFilter::default(), first.created_at, w.now));
    assert_eq!(moves(&w, first.generation, Some("9")).await, Ok(false), "it was taken over");
    assert_eq!(stands_at(&w, "mine").await, Some(("8".to_owned(), second.generation)));
    assert_eq!(moves(&w, second.generation, None).await, Ok(true));
    assert_eq!(stands_at(&w, "mine").await, Some(("8".to_owned(), second.generation)), "only a sign of life");
    w.store.forget_listener(w.tenant.clone(), name("mine")).await.expect("forget_listener");
    assert_eq!(moves(&w, second.generation, Some("9")).await, Ok(false), "it is gone");
}

pub async fn listeners_that_nobody_listens_to_are_forgotten(open: impl Open) {
    let mut w = World::new(open).await;
    let idle = w.store.open_listener(listener(&w, "idle", "1")).await.expect("open_listener");
    let alive = w.store.open_listener(listener(&w, "alive", "1")).await.expect("open_listener");
    w.pass(IDLE_MAX - DAY);
    let moved = w.store.move_listener(w.tenant.clone(), alive.name, alive.generation, None, w.now).await;
    assert_eq!(moved, Ok(true));
    let prune = async |w: &World| w.store.prune(Retention::default(), w.now, 100).await.map(drop);
    prune(&w).await.expect("prune");
    assert!(stands_at(&w, "idle").await.is_some(), "not yet");
    w.pass(DAY + Duration::from_secs(1));
    prune(&w).await.expect("prune");
    assert_eq!(stands_at(&w, idle.name.as_str()).await, None);
    assert!(stands_at(&w, "alive").await.is_some());
}
