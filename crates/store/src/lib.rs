//! The Store trait: the verbs of the state machine, each one transaction, all in batches; and its conformance suite.
