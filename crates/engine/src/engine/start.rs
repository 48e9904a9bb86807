//! How an engine begins: every stage is made of the same few things and handed the others that it speaks to.

use std::sync::{Arc, Mutex, RwLock};

use store::Store;
use store::dispatch::Owner;
use store::keep::Retention;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Engine, Inner, Parts, gone};
use crate::accept::Acceptor;
use crate::alert::Alerts;
use crate::alert::look::Lookout;
use crate::alert::tell::Teller;
use crate::allow::refresh::Refresher;
use crate::audit::{self, Audit};
use crate::budget::Budgets;
use crate::clock::SharedClock;
use crate::deliver::Deliverer;
use crate::dispatch::{self, DispatchHandle, DispatchParts, Dispatcher};
use crate::enrich::Enricher;
use crate::entropy::SharedEntropy;
use crate::failure::Failure;
use crate::fetch::KeyFetcher;
use crate::gate::Hall;
use crate::handshakes::Handshakes;
use crate::keep::Keeper;
use crate::latest;
use crate::ledger::Ledger;
use crate::nodes::{Follower, Held, Roster, Tenure, Woken};
use crate::pending::Waiter;
use crate::pending::waiting_room::WaitingRoom;
use crate::prepare::Preparer;
use crate::receive::Receiver;
use crate::replay::Replayer;
use crate::sealed_head::HeadSeal;
use crate::settle::Settler;
use crate::shapes::Shapes;
use crate::streams::{self, Scheduler, StreamsHandle};
use crate::subscriptions::{self, Book, Coverage, Desk, Duty, SubscriptionSecrets, Subscriptions, SubscriptionsHandle};
use crate::topology::{Policies, Topology};
use crate::transport::Transport;
use crate::upstream::{UpstreamParts, Upstreams};
use crate::vault::Vault;
use crate::work::{DestinationKey, Settling};

/// What nearly every stage is given.
struct Common {
    store: Arc<dyn Store>,
    clock: SharedClock,
    entropy: SharedEntropy,
    transport: Arc<dyn Transport>,
    policies: Arc<dyn Policies + Send + Sync>,
    vault: Arc<Vault>,
    owner: Owner,
    tenure: Arc<Tenure>,
    alerts: Alerts,
    ledger: Arc<Ledger>,
    failure: Failure,
    stop: CancellationToken,
    dispatch: DispatchHandle,
    topology: latest::Receiver<Arc<Topology>>,
    held: latest::Receiver<Arc<Held>>,
}

impl Engine {
    /// Wires the stages and starts them on the current runtime, with nothing configured yet.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let Parts { store, clock, entropy, transport, policies, vault, retention, in_flight_max, node } = parts;
        let (dispatch, inbox) = dispatch::channel();
        let tenure = Arc::new(Tenure::new(store.is_shared(), Arc::clone(&clock)));
        let hall = if tenure.is_shared() { Hall::shared(Arc::clone(&tenure)) } else { Hall::default() };
        let nothing = Arc::new(Topology::of_hall(Arc::new(hall)));
        let (configured, topology) = latest::channel(Arc::clone(&nothing));
        let (holding, held) = latest::channel(Arc::new(Held { sole: !tenure.is_shared(), ..Held::default() }));
        let (configuring, configured_elsewhere) = latest::channel(0);
        let (woken, (joining, joined)) = (Woken::default(), latest::channel(false));
        let file = Arc::clone(&node.file);
        let common = Common {
            owner: Owner(crate::entropy::number(&*entropy)),
            alerts: Alerts::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(&entropy)),
            ledger: Arc::new(Ledger::new(Arc::clone(&store), Arc::clone(&clock))),
            failure: Failure::default(),
            stop: CancellationToken::new(),
            store,
            clock,
            entropy,
            transport,
            policies,
            vault,
            tenure,
            dispatch,
            topology,
            held,
        };
        let (gone, gones) = mpsc::unbounded_channel();
        let (settler, settlings) = mpsc::unbounded_channel();
        let (acceptor, accepted) = common.acceptor();
        let budgets = Arc::new(Budgets::new(Arc::clone(&common.store), Arc::clone(&common.clock), common.stop.clone()));
        let upstreams = common.upstreams(&budgets);
        let deliverer = common.deliverer(&upstreams);
        let (secrets, coverage) = (Arc::<SubscriptionSecrets>::default(), Arc::new(Coverage::new()));
        let handshakes = common.handshakes(&secrets);
        let (streams, orders) = StreamsHandle::new();
        let heads = HeadSeal::new(Arc::clone(&common.entropy));
        let (keeping, messages) = SubscriptionsHandle::new();
        let desk = common.desk(&upstreams, &handshakes, secrets, &coverage);
        let mut tasks = JoinSet::new();
        let dispatcher = common.dispatch_parts(&deliverer, settler, gone, in_flight_max);
        tasks.spawn(Dispatcher::new(dispatcher, common.dispatch.clone(), inbox).run());
        tasks.spawn(common.settler(settlings).run());
        let (stored, timed, drawn) =
            (Arc::clone(&common.store), Arc::clone(&common.clock), Arc::clone(&common.entropy));
        let audit = Arc::new(Audit::new(stored, timed, drawn, Arc::clone(&node.name)));
        tasks.spawn(common.keeper(retention).run());
        tasks.spawn(common.auditor(&audit, retention).run());
        let roster = Roster {
            store: Arc::clone(&common.store),
            clock: Arc::clone(&common.clock),
            owner: common.owner,
            identity: node,
            tenure: Arc::clone(&common.tenure),
            dispatch: common.dispatch.clone(),
            alerts: common.alerts.clone(),
            upstreams: Arc::clone(&upstreams),
            failure: common.failure.clone(),
            topology: common.topology.clone(),
            stop: common.stop.clone(),
            woken: woken.clone(),
            held: holding,
            configured: configuring,
            joined: joining,
        };
        tasks.spawn(roster.run());
        tasks.spawn(common.alerts.clone().run(common.stop.clone()));
        tasks.spawn(Arc::clone(&common.ledger).run(common.stop.clone()));
        tasks.spawn(common.refresher().run());
        tasks.spawn(Arc::clone(&acceptor.shapes).run(common.stop.clone()));
        tasks.spawn(common.lookout(&budgets).run());
        tasks.spawn(common.teller().run());
        let under_way = Arc::clone(&streams.under_way);
        let reading = common.reading(&acceptor, &upstreams, &budgets, coverage, keeping.clone());
        let reading = streams::Parts { under_way, ..reading };
        tasks.spawn(Scheduler::new(reading, orders).run());
        let duty = Duty::new(Arc::clone(&desk), common.topology.clone(), common.held.clone(), messages);
        tasks.spawn(duty.run());
        let inner = Inner {
            receiver: common.receiver(&acceptor, &handshakes, &heads, &streams),
            replayer: common.replayer(),
            alerts: common.alerts,
            audit,
            budgets,
            ledger: common.ledger,
            upstreams,
            streams,
            subscriptions: Subscriptions { desk, handle: keeping },
            transport: common.transport,
            heads,
            handshakes,
            topology: RwLock::new(nothing),
            configured,
            changing: tokio::sync::Mutex::default(),
            acceptor,
            dispatch: common.dispatch,
            deliverer,
            accepted,
            owner: common.owner,
            file,
            held: common.held,
            configured_elsewhere,
            woken,
            joined,
            failure: common.failure,
            stop: common.stop,
            store: common.store,
            clock: common.clock,
            entropy: common.entropy,
            policies: common.policies,
            vault: common.vault,
            tasks: Mutex::new(tasks),
        };
        let engine = Self { inner: Arc::new(inner) };
        engine.spawn(engine.waiter().run());
        engine.spawn(gone::disable_gone(Arc::downgrade(&engine.inner), gones));
        if engine.inner.store.is_shared() {
            engine.spawn(Follower { engine: Arc::downgrade(&engine.inner) }.run());
        }
        engine
    }

    /// The duty that judges waiting requests again. Holds nothing that keeps the engine alive.
    fn waiter(&self) -> Waiter {
        let (inner, weak, nothing) = (&self.inner, Arc::downgrade(&self.inner), self.topology());
        Waiter {
            store: Arc::clone(&inner.store),
            clock: Arc::clone(&inner.clock),
            acceptor: Arc::clone(&inner.acceptor),
            receiver: inner.receiver.clone(),
            alerts: inner.alerts.clone(),
            failure: inner.failure.clone(),
            stop: inner.stop.clone(),
            file: Arc::clone(&inner.file),
            topology: Box::new(move || {
                let topology = Engine { inner: weak.upgrade()? }.topology();
                (!Arc::ptr_eq(&topology, &nothing)).then_some(topology)
            }),
        }
    }
}

impl Common {
    /// Gives also what changes whenever something was accepted.
    fn acceptor(&self) -> (Arc<Acceptor>, latest::Receiver<u64>) {
        let (sender, accepted) = latest::channel(0);
        let acceptor = Acceptor {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            owner: self.owner,
            tenure: Arc::clone(&self.tenure),
            dispatch: self.dispatch.clone(),
            accepted: sender,
            ledger: Arc::clone(&self.ledger),
            shapes: Shapes::new(&self.store, &self.clock, &self.alerts),
        };
        (Arc::new(acceptor), accepted)
    }

    fn upstreams(&self, budgets: &Arc<Budgets>) -> Arc<Upstreams> {
        Arc::new(Upstreams::new(&UpstreamParts {
            store: &self.store,
            clock: &self.clock,
            entropy: &self.entropy,
            transport: &self.transport,
            policies: &self.policies,
            vault: &self.vault,
            ledger: &self.ledger,
            budgets,
        }))
    }

    fn deliverer(&self, upstreams: &Arc<Upstreams>) -> Arc<Deliverer> {
        let preparer = Preparer {
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            alerts: self.alerts.clone(),
            enricher: Enricher::new(Arc::clone(upstreams), Arc::clone(&self.clock), self.topology.clone()),
            heavy: Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        };
        Arc::new(Deliverer {
            store: Arc::clone(&self.store),
            transport: Arc::clone(&self.transport),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            preparer,
        })
    }

    fn dispatch_parts(
        &self,
        deliverer: &Arc<Deliverer>,
        settler: mpsc::UnboundedSender<Settling>,
        gone: mpsc::UnboundedSender<DestinationKey>,
        in_flight_max: u32,
    ) -> DispatchParts {
        DispatchParts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            owner: self.owner,
            tenure: Arc::clone(&self.tenure),
            deliverer: Arc::clone(deliverer),
            settler,
            gone,
            alerts: self.alerts.clone(),
            in_flight_max,
        }
    }

    fn settler(&self, inbox: mpsc::UnboundedReceiver<Settling>) -> Settler {
        Settler {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            dispatch: self.dispatch.clone(),
            inbox,
            alerts: self.alerts.clone(),
            ledger: Arc::clone(&self.ledger),
            failure: self.failure.clone(),
        }
    }

    fn keeper(&self, retention: Retention) -> Keeper {
        Keeper {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            retention,
            alerts: self.alerts.clone(),
            failure: self.failure.clone(),
            stop: self.stop.clone(),
        }
    }

    fn lookout(&self, budgets: &Arc<Budgets>) -> Lookout {
        Lookout {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            alerts: self.alerts.clone(),
            budgets: Arc::clone(budgets),
            ledger: Arc::clone(&self.ledger),
            topology: self.topology.clone(),
            held: self.held.clone(),
            stop: self.stop.clone(),
        }
    }

    fn teller(&self) -> Teller {
        Teller {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            alerts: self.alerts.clone(),
            transport: Arc::clone(&self.transport),
            policies: Arc::clone(&self.policies),
            topology: self.topology.clone(),
            held: self.held.clone(),
            stop: self.stop.clone(),
        }
    }

    fn auditor(&self, audit: &Arc<Audit>, retention: Retention) -> audit::Duty {
        audit::Duty {
            audit: Arc::clone(audit),
            alerts: self.alerts.clone(),
            failure: self.failure.clone(),
            kept: retention.audit,
            stop: self.stop.clone(),
        }
    }

    fn refresher(&self) -> Refresher {
        Refresher {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            transport: Arc::clone(&self.transport),
            topology: self.topology.clone(),
            stop: self.stop.clone(),
        }
    }

    fn handshakes(&self, secrets: &Arc<SubscriptionSecrets>) -> Arc<Handshakes> {
        Arc::new(Handshakes {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            vault: Arc::clone(&self.vault),
            alerts: self.alerts.clone(),
            transport: Arc::clone(&self.transport),
            policies: Arc::clone(&self.policies),
            subscribed: Arc::clone(secrets),
            topology: self.topology.clone(),
            known: tokio::sync::Mutex::default(),
            opening: Mutex::default(),
        })
    }

    fn receiver(
        &self,
        acceptor: &Arc<Acceptor>,
        handshakes: &Arc<Handshakes>,
        heads: &HeadSeal,
        streams: &StreamsHandle,
    ) -> Receiver {
        Receiver {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            acceptor: Arc::clone(acceptor),
            fetcher: Arc::new(KeyFetcher::new(Arc::clone(&self.transport), Arc::clone(&self.clock))),
            policies: Arc::clone(&self.policies),
            alerts: self.alerts.clone(),
            heads: heads.clone(),
            handshakes: Arc::clone(handshakes),
            waiting_room: Arc::new(WaitingRoom::new(Arc::clone(&self.store), Arc::clone(&self.clock))),
            rejections: Arc::default(),
            ledger: Arc::clone(&self.ledger),
            streams: streams.clone(),
            failure: self.failure.clone(),
        }
    }

    fn replayer(&self) -> Arc<Replayer> {
        Arc::new(Replayer {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            dispatch: self.dispatch.clone(),
            stop: self.stop.clone(),
            held: self.held.clone(),
        })
    }

    fn desk(
        &self,
        upstreams: &Arc<Upstreams>,
        handshakes: &Arc<Handshakes>,
        secrets: Arc<SubscriptionSecrets>,
        coverage: &Arc<Coverage>,
    ) -> Arc<Desk> {
        Arc::new(Desk::new(subscriptions::Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            owner: self.owner,
            upstreams: Arc::clone(upstreams),
            alerts: self.alerts.clone(),
            handshakes: Arc::clone(handshakes),
            book: Arc::new(Book::new(&self.store, &self.vault, &self.entropy)),
            secrets,
            coverage: Arc::clone(coverage),
            stop: self.stop.clone(),
        }))
    }

    fn reading(
        &self,
        acceptor: &Arc<Acceptor>,
        upstreams: &Arc<Upstreams>,
        budgets: &Arc<Budgets>,
        coverage: Arc<Coverage>,
        subscriptions: SubscriptionsHandle,
    ) -> streams::Parts {
        streams::Parts {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            owner: self.owner,
            acceptor: Arc::clone(acceptor),
            upstreams: Arc::clone(upstreams),
            budgets: Arc::clone(budgets),
            alerts: self.alerts.clone(),
            failure: self.failure.clone(),
            coverage,
            subscriptions,
            topology: self.topology.clone(),
            held: self.held.clone(),
            stop: self.stop.clone(),
            under_way: Arc::default(),
        }
    }
}
