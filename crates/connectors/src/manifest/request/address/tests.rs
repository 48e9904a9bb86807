//! URLs joined and quoted, against what the reference implementation sends.

use proptest::prelude::*;

use super::*;

/// What the reference implementation (7.39.1) joins.
#[test]
fn base_and_path_are_joined_as_the_reference_joins_them() {
    let table = [
        ("https://a.example/v1", "items", "https://a.example/v1/items"),
        ("https://a.example/v1/", "items", "https://a.example/v1/items"),
        ("https://a.example/v1", "/items", "https://a.example/items"),
        ("https://a.example/v1", "", "https://a.example/v1"),
        ("https://a.example/v1/", "", "https://a.example/v1/"),
        ("https://a.example/v1/", "https://b.example/x?y=1", "https://b.example/x?y=1"),
        ("https://a.example/v1", "?page=2", "https://a.example/v1/?page=2"),
        ("https://a.example/v1", "../x", "https://a.example/x"),
        ("https://a.example/v1", "./x/.", "https://a.example/v1/x/"),
        ("https://a.example/v1", "a//b", "https://a.example/v1/a/b"),
        ("https://a.example", "/a//b", "https://a.example/a//b"),
        ("https://a.example/v1?k=1", "items", "https://a.example/items"),
        ("https://a.example/v1", "items:search", "items:search"),
        ("https://a.example/v1", "x/items:search", "https://a.example/v1/x/items:search"),
        ("https://a.example/v1", "//b.example/x", "https://b.example/x"),
        ("https://a.example/v1", "HTTPS://B.example/x", "https://B.example/x"),
        ("https://a.example/v1", "a;b?c", "https://a.example/v1/a;b?c"),
        ("https://a.example/v1", "../../../x", "https://a.example/x"),
        (" https://a.example/v1", "a\nb", "https://a.example/v1/ab"),
        ("https://a.example/v1", "x/..", "https://a.example/v1/"),
        ("https://a.example", "items?a=b", "https://a.example/items?a=b"),
    ];
    for (base, path, expected) in table {
        assert_eq!(join(base, path), expected, "{base} + {path}");
    }
}

/// What the reference implementation's HTTP library sends, but for user and fragment, which never reach the wire.
#[test]
fn a_url_is_quoted_as_the_reference_quotes_it() {
    type Pairs = &'static [(&'static str, &'static str)];
    let table: [(&str, Pairs, &str); 15] = [
        ("https://a.example", &[], "https://a.example/"),
        ("https://A.Example:443/X", &[("a", "b c"), ("ü", "1/2")], "https://a.example:443/X?a=b+c&%C3%BC=1%2F2"),
        (
            "http://a.example/a b/%7Ex/%2F/ä?q=a b&c=%zz",
            &[("k", "v")],
            "http://a.example/a%20b/~x/%2F/%C3%A4?q=a%20b&c=%25zz&k=v",
        ),
        ("https://a.example/%41%zz/x", &[], "https://a.example/%2541%25zz/x"),
        ("https://a.example/a/../b/./c/..", &[], "https://a.example/b/"),
        ("https://a.example/x?a=1#frag", &[("b", "*~-._ +&=")], "https://a.example/x?a=1&b=%2A~-._+%2B%26%3D"),
        ("https://u:p@a.example/x", &[], "https://a.example/x"),
        ("https://bücher.example/x", &[], "https://xn--bcher-kva.example/x"),
        ("https://a.example?x=1", &[("y", "2")], "https://a.example/?x=1&y=2"),
        ("https://a.example/x?", &[("y", "2")], "https://a.example/x?y=2"),
        ("https://a.example/%e4%bd", &[], "https://a.example/%E4%BD"),
        ("https://a.example/[x]|{y}\"<>^`\\", &[], "https://a.example/%5Bx%5D%7C%7By%7D%22%3C%3E%5E%60%5C"),
        ("https://a.example/x?f[a]=1&g={}|", &[], "https://a.example/x?f%5Ba%5D=1&g=%7B%7D%7C"),
        ("https://a.example/x%", &[], "https://a.example/x%25"),
        ("https://a.example/..", &[], "https://a.example/"),
    ];
    for (url, parameters, expected) in table {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(prepare(url, &parameters).as_deref(), Ok(expected), "{url}");
    }
}

#[test]
fn what_is_no_http_url_is_refused_without_its_query() {
    for url in
        ["", "items", "ftp://a.example", "https://", "https:///x", "https://*.example", "https://a.example:99999/"]
    {
        let refused = prepare(&format!("{url}?key=s3cret"), &[]).expect_err("it is none");
        assert_eq!(refused.code(), "request_url", "{url}");
        assert!(!refused.to_string().contains("s3cret"), "{refused}");
    }
}

#[test]
fn hosts_are_read_without_user_and_port() {
    let table = [
        ("https://A.example/x", Some("A.example")),
        ("https://u:p@a.example:8080", Some("a.example")),
        ("https://[::1]:80/x", Some("[::1]")),
        ("http://a.example?x=//b.example", Some("a.example")),
        ("//a.example/x", None),
        ("a.example", None),
        ("https://", None),
    ];
    for (url, expected) in table {
        assert_eq!(host(url), expected, "{url}");
    }
}

#[test]
fn allowed_hosts_are_exact_or_all_below_a_domain() {
    let table = [
        ("api.example", "api.example", true),
        ("API.example", "api.example", true),
        ("a.example", "*.example", true),
        ("b.a.example", "*.example", true),
        ("example", "*.example", false),
        ("aexample", "*.example", false),
        ("ü.example", "*.example", true),
    ];
    for (host, allowed, expected) in table {
        assert_eq!(is_within(host, allowed), expected, "{host} in {allowed}");
    }
}

#[test]
fn tls_is_kept_where_no_other_port_is_named() {
    assert_eq!(with_tls("http://a.example/x?y=:80"), "https://a.example/x?y=:80");
    assert_eq!(with_tls("http://a.example:80/x"), "https://a.example/x");
    assert_eq!(with_tls("http://a.example:8080/x"), "http://a.example:8080/x");
}

proptest! {
    #[test]
    fn any_text_is_joined_and_prepared_or_refused(base in ".{0,40}", path in ".{0,40}", name in ".{0,8}") {
        let joined = join(&format!("https://a.example/{base}"), &path);
        if let Ok(url) = prepare(&joined, &[(name, "v".to_owned())]) {
            prop_assert!(url.is_ascii());
            prop_assert!(url::Url::parse(&url).is_ok(), "{}", url);
        }
    }

    #[test]
    fn preparing_twice_changes_nothing_more(path in "[a-z /%.ü0-9A-F]{0,24}", query in "[a-z=&%ü 0-9A-F]{0,24}") {
        let once = prepare(&format!("https://a.example/{path}?{query}"), &[]).expect("it is a URL");
        let twice = prepare(&once, &[]).expect("it is one still");
        prop_assert_eq!(twice, once);
    }
}
