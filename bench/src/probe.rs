//! One blocking GET to the gateway under test: is it ready, what do its metrics say.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest wait for an answer: the probed pages are computed from memory.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest page: a metrics page of a hundred destinations is far below.
const PAGE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Status and body. HTTP/1.0, so that the answer ends where the connection does and is never chunked.
pub(crate) fn get(address: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    ask(address, path, "")
}

/// The same for what only those see who have a key.
pub(crate) fn get_with_key(address: SocketAddr, path: &str, key: &str) -> io::Result<(u16, String)> {
    ask(address, path, &format!("authorization: Bearer {key}\r\n"))
}

fn ask(address: SocketAddr, path: &str, header: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT_MAX)?;
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n{header}\r\n").as_bytes())?;
    let mut page = String::new();
    stream.take(PAGE_BYTES_MAX).read_to_string(&mut page)?;
    let body = page.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Ok((crate::wire::status(page.as_bytes()), body))
}

/// Sum of all series of a counter on a Prometheus page; `None` if it has none.
pub(crate) fn counter(page: &str, name: &str) -> Option<f64> {
    let series = page.lines().filter_map(|line| line.strip_prefix(name));
    // The name has to end here: a longer one is another metric.
    let series = series.filter(|rest| rest.starts_with([' ', '{']));
    let values = series.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok());
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_the_sum_of_its_series_and_of_no_other_metric() {
        let page =
            "# TYPE a_total counter\na_total{verb=\"accept\"} 3\na_total{verb=\"settle\"} 4\na_total_seconds 9\nb 1\n";
        assert_eq!(counter(page, "a_total"), Some(7.0));
        assert_eq!(counter(page, "b"), Some(1.0));
        assert_eq!(counter(page, "c"), None);
    }
}
