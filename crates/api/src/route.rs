//! One row of the route table: what is called, who may call it, and what is documented about it. The document's schemas
//! are named here and made only when somebody asks for the document: no gateway pays for them at its start.

use std::borrow::Cow;
use std::collections::BTreeSet;

use axum::handler::Handler;
use axum::routing::{MethodRouter, any, on};
use http::{Method, StatusCode};
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::problem::Code;
use crate::written::Action;
use engine::access::Scope;

/// A schema by its name.
pub type NamedSchema = (String, RefOr<Schema>);

/// How a type is documented.
#[derive(Clone, Copy)]
pub struct Documented {
    pub name: fn() -> Cow<'static, str>,
    /// Adds its schema, and those that it refers to.
    pub collect: fn(&mut Vec<NamedSchema>),
}

impl Documented {
    fn of<T: ToSchema>() -> Self {
        Self { name: T::name, collect: collect::<T> }
    }
}

fn collect<T: ToSchema>(schemas: &mut Vec<NamedSchema>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

fn parameters<Q: IntoParams>() -> Vec<Parameter> {
    Q::into_params(|| Some(ParameterIn::Query))
}

/// What a route answers when all is well.
#[derive(Clone, Copy)]
pub enum Gives {
    Nothing,
    /// Bytes of a content type.
    Bytes(&'static str),
    /// JSON, or server-sent events with such JSON as their data, by its schema.
    Json(Documented),
    Events(Documented),
}

pub struct Route {
    pub method: Method,
    pub path: &'static str,
    pub handler: MethodRouter<App>,
    /// The scope that the caller's key needs; `None`: open to all.
    pub needs: Option<Scope>,
    /// As what it is written down in the audit log; `None`: it only reads, or takes in.
    pub audited: Option<Action>,
    pub summary: &'static str,
    pub status: StatusCode,
    pub gives: Gives,
    pub parameters: Option<fn() -> Vec<Parameter>>,
    pub body: Option<Documented>,
    pub codes: BTreeSet<Code>,
    /// Takes an `Idempotency-Key`, and the answer is kept under it.
    pub once: bool,
    /// Bodies may be as large as a webhook's.
    pub large_body: bool,
    /// Ingest: any method, its own limits, and answered before the router where the server can.
    pub ingest: bool,
}

impl Route {
    fn new<H, T>(method: Method, path: &'static str, summary: &'static str, handler: H) -> Self
    where
        H: Handler<T, App>,
        T: 'static,
    {
        let filter = method.clone().try_into().expect("the table uses methods that the router knows");
        Self {
            method,
            path,
            handler: on(filter, handler),
            needs: None,
            audited: None,
            summary,
            status: StatusCode::OK,
            gives: Gives::Nothing,
            parameters: None,
            body: None,
            codes: BTreeSet::new(),
            once: false,
            large_body: false,
            ingest: false,
        }
    }

    pub fn get<H: Handler<T, App>, T: 'static>(path: &'static str, summary: &'static str, handler: H) -> Self {
        Self::new(Method::GET, path, summary, handler)
    }

    pub fn post<H: Handler<T, App>, T: 'static>(path: &'static str, summary: &'static str, handler: H) -> Self {
        Self::new(Method::POST, path, summary, handler)
    }

    pub fn put<H: Handler<T, App>, T: 'static>(path: &'static str, summary: &'static str, handler: H) -> Self {
        Self::new(Method::PUT, path, summary, handler)
    }

    pub fn delete<H: Handler<T, App>, T: 'static>(path: &'static str, summary: &'static str, handler: H) -> Self {
        Self { status: StatusCode::NO_CONTENT, ..Self::new(Method::DELETE, path, summary, handler) }
    }

    /// Only keys with this scope may call it.
    pub fn needs(mut self, scope: Scope) -> Self {
        self.needs = Some(scope);
        self
    }

    /// It is written down before it is done and after, under this name, as done to this: parts in braces are those of
    /// the path.
    pub fn audited(mut self, code: &'static str, object: &'static str) -> Self {
        self.audited = Some(Action { code, object, refusals_only: false });
        self
    }

    /// Written down only where it was refused: what it does is kept anyway, by itself.
    pub fn audited_refusals(mut self, code: &'static str, object: &'static str) -> Self {
        self.audited = Some(Action { code, object, refusals_only: true });
        self
    }

    pub fn query<Q: IntoParams>(mut self) -> Self {
        self.parameters = Some(parameters::<Q>);
        self.may(&[Code::InvalidParameter])
    }

    /// A list: it has cursors.
    pub fn pages<Q: IntoParams>(self) -> Self {
        self.query::<Q>().may(&[Code::InvalidCursor])
    }

    pub fn takes<B: ToSchema>(mut self) -> Self {
        self.body = Some(Documented::of::<B>());
        self.may(&[
            Code::InvalidJson,
            Code::JsonTooDeep,
            Code::InvalidBody,
            Code::BodyIncomplete,
            Code::BodyTimeout,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
        ])
    }

    pub fn gives<T: ToSchema>(mut self, status: StatusCode) -> Self {
        self.status = status;
        self.gives = Gives::Json(Documented::of::<T>());
        self
    }

    pub fn gives_events<T: ToSchema>(mut self) -> Self {
        self.gives = Gives::Events(Documented::of::<T>());
        self
    }

    pub fn gives_bytes(mut self, content_type: &'static str) -> Self {
        self.gives = Gives::Bytes(content_type);
        self
    }

    /// Problems that it may answer beside those that every route of its kind may.
    pub fn may(mut self, codes: &[Code]) -> Self {
        self.codes.extend(codes);
        self
    }

    /// It creates: the same `Idempotency-Key` gets the same answer.
    pub fn once(mut self) -> Self {
        self.once = true;
        self.may(&[Code::IdempotencyInProgress, Code::IdempotencyKeyReused, Code::InvalidParameter])
    }

    pub fn large_body(mut self) -> Self {
        self.large_body = true;
        self
    }

    pub fn ingest<H: Handler<T, App>, T: 'static>(path: &'static str, summary: &'static str, handler: H) -> Self {
        let route = Self::new(Method::POST, path, summary, handler.clone());
        Self { handler: any(handler), ingest: true, ..route }.may(&[
            Code::BodyIncomplete,
            Code::BodyTimeout,
            Code::BodyTooLarge,
            Code::IngestNotFound,
            Code::IngestRejected,
            Code::MethodNotAllowed,
            Code::Overloaded,
        ])
    }

    /// Names of the parameters in the path.
    pub fn path_parameters(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Everything documented of it.
    pub fn documented(&self) -> impl Iterator<Item = Documented> + use<> {
        let given = match self.gives {
            Gives::Json(given) | Gives::Events(given) => Some(given),
            Gives::Nothing | Gives::Bytes(_) => None,
        };
        self.body.into_iter().chain(given)
    }
}
