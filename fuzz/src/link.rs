//! What a source's replies say about the next page: the Link header, and the URL that it leads to.

use bolero::check;
use connectors::manifest::request::address;
use connectors::manifest::wire::link;

use crate::mutation::{Edit, Tally, damaged, effort};

const ITERATIONS: usize = 4_000;
const HEADERS: [&str; 5] = [
    "<https://api.example/items?page=2>; rel=\"next\", <https://api.example/items?page=9>; rel=\"last\"",
    "<https://api.example/items?ids=1,2;3>; rel=next; title='a=b',</items>; rel=prev",
    "</items?cursor=a%2Fb>;results=\"true\";rel=\"next\"",
    "<>; rel=\"\"",
    ",,<;<a>;=;rel=next",
];

#[test]
fn link_headers() {
    let tally = Tally::default();
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(pick, edits)| {
        let seed = HEADERS[usize::from(*pick) % HEADERS.len()];
        let bytes = damaged(seed.as_bytes(), &edits[..edits.len().min(3)]);
        let links = link::parse(&String::from_utf8_lossy(&bytes));
        assert!(links.len() <= link::LINKS_MAX);
        tally.note(links.contains_key("next"));
        for (name, link) in &links {
            let url = link["url"].as_str().expect("every link has a URL");
            let named = link.get("rel").and_then(|rel| rel.as_str()).filter(|rel| !rel.is_empty());
            assert_eq!(named.unwrap_or(url), name, "a link goes by its name, else by its URL");
        }
    });
    tally.check("Link headers");
}

#[test]
fn links_to_the_next_page() {
    let tally = Tally::default();
    let seeds =
        ["https://api.example/v2/items?page=2&x=%2F", "/v2/items?a[]=1", "../more/./x", "//api.example/ü x", "?p=2"];
    let (time, inputs) = effort(ITERATIONS);
    check!().with_test_time(time).with_iterations(inputs).with_type::<(u8, Vec<Edit>)>().for_each(|(pick, edits)| {
        let seed = seeds[usize::from(*pick) % seeds.len()];
        let bytes = damaged(seed.as_bytes(), &edits[..edits.len().min(3)]);
        let joined = address::join("https://api.example/v1", &String::from_utf8_lossy(&bytes));
        let prepared = address::prepare(&joined, &[]);
        tally.note(prepared.is_ok());
        if let Ok(url) = prepared {
            assert!(url.is_ascii() && address::host(&url).is_some(), "{url}");
            assert_eq!(address::prepare(&url, &[]).as_ref(), Ok(&url), "preparing again changes nothing");
        }
    });
    tally.check("links to the next page");
}
