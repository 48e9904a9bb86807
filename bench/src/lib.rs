//! The load generator, sink and calibration behind 'trireme bench' and 'make bench'.
