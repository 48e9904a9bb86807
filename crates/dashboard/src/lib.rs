//! Server-rendered pages over the engine's use cases.
