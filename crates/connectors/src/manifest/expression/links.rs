//! The Link header (RFC 8288) as the reference's HTTP library reads it, leniently.

/// Each link's URL with its parameters, in order.
pub(crate) fn parse(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let quotes: &[char] = &[' ', '\'', '"'];
    let header = header.trim_matches(quotes);
    if header.is_empty() {
        return Vec::new();
    }
    values(header)
        .into_iter()
        .map(|value| {
            let (url, parameters) = value.split_once(';').unwrap_or((value, ""));
            let url = url.trim_matches(&['<', '>', ' ', '\'', '"'][..]).to_owned();
            let parameters = parameters.split(';').map_while(|parameter| {
                let mut parts = parameter.split('=');
                let (key, value) = (parts.next()?, parts.next()?);
                // More than one `=` ends the reading of parameters.
                parts
                    .next()
                    .is_none()
                    .then(|| (key.trim_matches(quotes).to_owned(), value.trim_matches(quotes).to_owned()))
            });
            (url, parameters.collect())
        })
        .collect()
}

/// The header cut at commas that a `<` follows; other commas belong to a URL.
fn values(header: &str) -> Vec<&str> {
    let mut values = Vec::new();
    let mut start = 0;
    for (at, _) in header.match_indices(',') {
        let rest = header[at + 1..].trim_start_matches(' ');
        if at >= start && rest.starts_with('<') {
            values.push(&header[start..at]);
            start = header.len() - rest.len() + 1;
        }
    }
    values.push(&header[start..]);
    values
}
