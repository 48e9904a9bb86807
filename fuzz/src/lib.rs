//! Fuzz targets for every parser of outside bytes; they run as tests on stable.
