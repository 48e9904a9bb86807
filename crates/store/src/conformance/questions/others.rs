//! What is asked without a filter: small lists that are read whole, and what belongs to one thing.

use std::sync::Arc;

use domain::identity::Scope;
use domain::run::StreamKey;
use domain::{RunId, Subject};

use super::super::growth::{Kind, POLLED};
use super::{Answer, Asked, Cost, PAGE, Question, name, tenant, then};
use crate::read::Page;
use crate::shapes::{ShapeKey, ShapeOf};
use crate::watch::{Series, Step};

pub(super) const CONFIGURED: Cost = Cost::Whole("there is one for each thing that is configured");

pub(super) fn all(asked: &Asked) -> Vec<Question> {
    let mut questions = asked.configured();
    questions.extend(asked.of_streams());
    questions.extend(asked.open());
    questions.extend(asked.shapes());
    questions
}

impl Asked {
    fn configured(&self) -> Vec<Question> {
        let scope: Arc<str> = "k0".into();
        let begin = self.growth.begin;
        vec![
            Question::new("objects", "all tenants", CONFIGURED, |store| then(store.objects(), |all| counted(&all)))
                .in_vain(),
            Question::new("api_keys", "tenant", CONFIGURED, |store| {
                then(store.api_keys(Some(tenant())), |all| counted(&all))
            }),
            Question::new("api_key", "id", Cost::Indexed, move |store| {
                then(store.api_key(scope.clone()), |found| Answer::rows(usize::from(found.is_some())))
            }),
            Question::new("setting", "name", Cost::Indexed, |store| {
                then(store.setting("none".into()), |found| Answer::rows(usize::from(found.is_some())))
            })
            .in_vain(),
            Question::new("destination_statuses", "all tenants", CONFIGURED, |store| {
                then(store.destination_statuses(), |all| counted(&all))
            })
            .in_vain(),
            Question::new("budgets", "tenant", CONFIGURED, |store| then(store.budgets(tenant()), |all| counted(&all))),
            Question::new("nodes", "all", CONFIGURED, move |store| then(store.nodes(begin), |all| counted(&all)))
                .in_vain(),
            Question::new("configured", "all", Cost::Whole("it is one number"), |store| {
                then(store.configured(), |_| Answer::rows(1))
            }),
            Question::new("charges", "all", CONFIGURED, |store| then(store.charges(), |all| Answer::rows(all.len())))
                .in_vain(),
        ]
    }

    fn of_streams(&self) -> Vec<Question> {
        let connection = format!("c{}", self.number % POLLED);
        let key =
            StreamKey { tenant: tenant(), source: name("s0"), connection: name(connection), stream: "orders".into() };
        let scope = Scope { tenant: tenant(), source: name("s0"), connection: name("c0") };
        let subject = Subject::from_text(&format!("orders/{}", self.number % self.growth.subjects()));
        let run = RunId::from_uuid(self.growth.id(Kind::Run, 0));
        let (of, within) = (scope.clone(), subject.clone());
        vec![
            Question::new("checkpoints", "tenant", CONFIGURED, |store| {
                then(store.checkpoints(tenant(), None), |all| counted(&all))
            }),
            Question::new("checkpoints", "source", CONFIGURED, |store| {
                then(store.checkpoints(tenant(), Some(name("s0"))), |all| counted(&all))
            }),
            Question::new("known_subjects", "subjects", Cost::Indexed, move |store| {
                let subjects = vec![subject.clone(); 3];
                then(store.known_subjects(scope.clone(), subjects), |all| Answer::rows(all.iter().flatten().count()))
            }),
            Question::new("subjects_of", "object", Cost::Indexed, move |store| {
                let after = Some(within.clone());
                then(store.subjects_of(of.clone(), "orders".into(), after, PAGE), |all| counted(&all))
            })
            .in_vain(),
            Question::new(
                "absent_subjects",
                "stream",
                Cost::Whole("it is what one scan did not have, held in memory by who asks"),
                move |store| then(store.absent_subjects(key.clone()), |all| counted(&all)),
            )
            .in_vain(),
            Question::new("gaps", "run", Cost::Indexed, move |store| {
                then(store.gaps(tenant(), run), |all| counted(&all))
            }),
        ]
    }

    /// None was learned: these are looked for in vain.
    fn shapes(&self) -> Vec<Question> {
        const LEARNED: Cost = Cost::Whole("a source has so many shapes at most, and a page ends before");
        let key = || ShapeKey { tenant: tenant(), source: name("s0"), of: ShapeOf::Event, name: "push".into() };
        let (page, of_source) = (self.page.clone(), self.page.clone());
        let questions = vec![
            Question::new("shape", "name", Cost::Indexed, move |store| {
                then(store.shape(key()), |found| Answer::rows(usize::from(found.is_some())))
            }),
            Question::new("shape_changes", "name", Cost::Indexed, move |store| {
                then(store.shape_changes(key()), |all| counted(&all))
            }),
            Question::new("shapes", "tenant", LEARNED, move |store| {
                then(store.shapes(tenant(), None, page.clone()), |listed| Answer::of(&listed))
            }),
            Question::new("shapes", "source", LEARNED, move |store| {
                then(store.shapes(tenant(), Some(name("s0")), of_source.clone()), |listed| Answer::of(&listed))
            }),
        ];
        questions.into_iter().map(Question::in_vain).collect()
    }

    fn open(&self) -> Vec<Question> {
        let (begin, source) = (self.growth.begin, self.source());
        let replay = domain::ReplayId::from_uuid(self.growth.id(Kind::Replay, 0));
        let last = self.growth.at(self.growth.events - 1);
        vec![
            Question::new("backlog", "all tenants", Cost::Whole("it counts what waits or is dead"), |store| {
                then(store.backlog(), |all| counted(&all))
            }),
            Question::new(
                "figures",
                "series, step",
                Cost::Whole("a chart has so many steps, and each object one row of each"),
                move |store| then(store.figures(tenant(), Series::Events, Step::Minute, begin), |all| counted(&all)),
            ),
            Question::new("replays", "tenant", Cost::Indexed, |store| {
                then(store.replays(tenant(), Page::first(PAGE)), |all| counted(&all.rows))
            }),
            Question::new("replay", "id", Cost::Indexed, move |store| {
                then(store.replay(tenant(), replay), |found| Answer::rows(usize::from(found.is_some())))
            }),
            Question::new("running_replays", "all tenants", Cost::Whole("those that are running"), |store| {
                then(store.running_replays(), |all| counted(&all))
            })
            .in_vain(),
            Question::new("pending_requests", "due", Cost::Indexed, move |store| {
                then(store.pending_requests(last, PAGE), |all| counted(&all))
            }),
            Question::new("waiting", "source", Cost::Whole("it counts what waits, which is bounded"), {
                let source = source.clone();
                move |store| then(store.waiting(tenant(), source.clone()), |_| Answer::rows(1))
            }),
            Question::new("rejected_requests", "source", Cost::Indexed, move |store| {
                then(store.rejected_requests(tenant(), source.clone(), None, PAGE), |all| counted(&all))
            }),
        ]
    }
}

pub(super) fn counted<T>(all: &[T]) -> Answer {
    Answer::rows(all.len())
}
