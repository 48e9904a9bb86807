//! The HTTP face: router on one page, ingest, REST, OpenAPI, auth.
