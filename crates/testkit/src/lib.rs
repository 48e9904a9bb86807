//! Harnesses for tests and benches: TestGateway, fake provider, fake destination, simulation.
