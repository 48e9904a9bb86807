//! What a file gets: its values, or every one of its mistakes with its place.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use domain::ordering::Ordering;
use domain::retry::Backoff;
use proptest::prelude::*;

use super::*;

mod schema;
mod variables;

const KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

fn env(name: &str) -> Option<String> {
    match name {
        "KEY" | "APP_SECRET" | "APP_SECRET_OLD" | "SHOP_SECRET" | "SHOP_SECRET_OLD" => Some(KEY.to_owned()),
        "GITHUB_SECRET" => Some("hunter2".to_owned()),
        "LEDGER_TOKEN" | "BILLING_SECRET" => Some("hunter3".to_owned()),
        "SLACK_URL" | "DISCORD_URL" | "TEAMS_URL" => Some("https://services.example/T0/B0/key".to_owned()),
        "SMTP_PASSWORD" | "TELEGRAM_TOKEN" | "PAGERDUTY_KEY" => Some("hunter4".to_owned()),
        "ALERT_SECRET" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        "PORT" => Some("8443".to_owned()),
        "TRIES" => Some("7".to_owned()),
        "STATUS" => Some("202".to_owned()),
        "WAIT" => Some("17s".to_owned()),
        "RANGE" => Some("192.0.2.0/24".to_owned()),
        "YES" => Some("true".to_owned()),
        _ => None,
    }
}

fn around(egress_allow: &[IpNet]) -> Surroundings<'_> {
    let directory = PathBuf::from("/etc/trireme");
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let connectors = Arc::new(connectors::Files::below(&examples));
    Surroundings { directory, env: &env, egress_allow, own: recipes::Own::default(), connectors }
}

fn read_bytes(bytes: &[u8]) -> Result<Config, ConfigErrors> {
    read("trireme.yaml", bytes, &around(&[]))
}

fn good(text: &str) -> Config {
    match read_bytes(text.as_bytes()) {
        Ok(config) => config,
        Err(errors) => panic!("{text}\n{errors}"),
    }
}

/// Every error as `line:column code`, in order.
fn errors(text: &str) -> Vec<String> {
    let errors = read_bytes(text.as_bytes()).err().map(|errors| errors.0).unwrap_or_default();
    let place = |one: &Diagnosis| format!("{}:{}", one.line.unwrap_or(0), one.column.unwrap_or(0));
    errors.iter().filter(|one| one.is_error()).map(|one| format!("{} {}", place(one), one.code)).collect()
}

/// Checks that texts have exactly these errors.
#[track_caller]
fn check(cases: &[(&str, &[&str])]) {
    let wrong: Vec<_> = cases.iter().map(|(text, _)| (*text, errors(text))).zip(cases).collect();
    let wrong: Vec<_> = wrong.iter().filter(|((_, said), (_, expected))| said != expected).map(|(is, _)| is).collect();
    assert!(wrong.is_empty(), "these have other errors than expected: {wrong:#?}");
}

#[test]
fn a_file_becomes_plain_values() {
    let config = good(include_str!("../../../../examples/trireme.yaml"));
    assert_eq!(config.public_url.as_deref(), Some("https://hooks.example"));
    let [github, shop] = config.specs.sources.as_slice() else { panic!("{:?}", config.specs.sources) };
    assert_eq!(github.webhook.as_ref().map(|webhook| webhook.secrets.len()), Some(1));
    assert_eq!(shop.webhook.as_ref().map(|webhook| webhook.secrets.len()), Some(2));
    assert_eq!(shop.connections.len(), 1);
    let [app] = config.specs.destinations.as_slice() else { panic!("{:?}", config.specs.destinations) };
    assert_eq!(app.retry.attempts, 12);
    let first = Duration::from_secs(10);
    assert!(matches!(app.retry.backoff, Backoff::Fibonacci { first: ten, .. } if ten == first));
    let [opened, orders] = config.specs.routes.as_slice() else { panic!("{:?}", config.specs.routes) };
    assert_eq!((opened.name.as_str(), opened.when.as_deref()), ("github-app", Some("data.action = 'opened'")));
    assert_eq!((orders.name.as_str(), orders.ordering), ("shop-orders", Ordering::Subject));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn an_empty_file_is_all_defaults() {
    for text in ["", "# nothing\n", "---\n", "{}", "sources:\nroutes:\nretention:\n"] {
        let config = good(text);
        let Specs { sources, destinations, routes, .. } = &config.specs;
        assert!(sources.is_empty() && destinations.is_empty() && routes.is_empty());
        assert_eq!(config.limits.body_bytes, 25 << 20);
        assert_eq!(config.store, StoreChoice::Default);
        assert_eq!(config.retention, Retention::default());
    }
}

#[test]
fn yaml_itself_is_judged_with_its_place() {
    check(&[
        ("a: [", &["1:4 yaml_syntax"]),
        ("sources:\n\tgithub: {}", &["2:2 yaml_syntax"]),
        ("limits: {}\nlimits: {}", &["2:1 duplicate_key"]),
        ("--- {}\n--- {}", &["2:1 yaml_documents"]),
        ("public_url: *gone", &["1:13 yaml_alias"]),
        ("limits: &l { x: *l }", &["1:17 yaml_alias"]),
        ("limits: !custom {}", &["1:9 yaml_tag"]),
        ("[a]: b", &["1:1 yaml_key"]),
        ("<<: 1", &["1:1 yaml_merge"]),
        ("- a", &["1:1 wrong_type"]),
    ]);
}

#[test]
fn aliases_and_merges_mean_what_they_name() {
    let config = good(
        "destinations:\n\
         \x20 a: &base { http: { url: 'https://a.example', secret: '${KEY}' }, retry: &slow { attempts: 3 } }\n\
         \x20 b: { <<: *base, paused: true }\n\
         \x20 c: { <<: *base, retry: { attempts: 4 } }\n\
         \x20 d: { http: { url: 'https://d.example', secret: '${KEY}' }, retry: *slow }\n",
    );
    let attempts: Vec<_> = config.specs.destinations.iter().map(|one| (one.retry.attempts, one.paused)).collect();
    assert_eq!(attempts, [(3, false), (3, true), (4, false), (3, false)]);
}

#[test]
fn aliases_cannot_multiply_without_end() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let before = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let said = errors(&text);
    assert_eq!(said.iter().filter(|one| one.ends_with("too_large")).count(), 1, "{said:?}");
}

#[test]
fn depth_is_bounded() {
    let nested = format!("limits: {}{}", "[".repeat(40), "]".repeat(40));
    check(&[(&nested, &["1:41 too_deep"])]);
    let deep = format!("limits: {}", "{a: ".repeat(100_000));
    assert_eq!(errors(&deep).len(), 1);
}

#[test]
fn sections_are_judged() {
    check(&[
        ("public_url: hooks.example", &["1:13 invalid_value"]),
        ("public_url: https://h.example/?a=b", &["1:13 invalid_value"]),
        ("trusted_proxies: 10.0.0.0/8", &["1:18 wrong_type"]),
        ("trusted_proxies: [10.0.0.0/8, 10.0.0.1, nowhere]", &["1:41 invalid_value"]),
        ("egress: { allow: ['10.0.0.0/33'], deny: [] }", &["1:19 invalid_value", "1:35 unknown_key"]),
        ("store: 'sqlite:'", &["1:8 store_unknown"]),
        ("store: mysql://x", &["1:8 store_unknown"]),
        ("alerts: { slack: x }", &["1:11 unknown_key"]),
        ("alerts: { rules: { silenc: off } }", &["1:20 unknown_key"]),
        ("alerts: { rules: { silence: { share: 5% } } }", &["1:31 unknown_key"]),
        ("alerts: { zone: Mars }", &["1:17 invalid_value"]),
        ("alerts: { quiet: { from: '25:00', to: '07:00' } }", &["1:26 invalid_value"]),
        ("alerts: { digest: { every: day, at: '08:00', to: nobody } }", &["1:50 unknown_name"]),
        (
            "alerts: { channels: { a: { pagerduty: { secret: x } } }, digest: { every: day, at: '08:00', to: a } }",
            &["1:97 conflict"],
        ),
        ("alerts: { channels: { a: {} } }", &["1:23 missing_key"]),
        ("alerts: { channels: { a: { slack: { secret: 'not-an-address' } } } }", &["1:45 egress_refused"]),
        ("alerts: { channels: { a: { webhook: { url: 'https://a.example' } } } }", &["1:28 missing_key"]),
        ("limits: { body_bytes: 25MB, headers: 5 }", &["1:23 invalid_value", "1:38 invalid_value"]),
        ("limits: { body_bytes: 30MiB, requests_bytes: 20MiB }", &["1:46 conflict"]),
        ("retention: { events: 90d, identities: 40d }", &["1:39 conflict"]),
        ("retention: { identities: 1d }", &["1:26 invalid_value"]),
        ("tenants: { default: {} }", &["1:12 reserved"]),
        ("tenants: { 'a b': {} }", &["1:12 invalid_name"]),
        ("tenants: { acme: { limits: {} } }", &["1:20 unknown_key"]),
        ("tenants: { acme: { routes: [{ from: x, to: y }] } }", &["1:37 unknown_name", "1:44 unknown_name"]),
    ]);
}

#[test]
fn tenants_have_objects_and_ranges_of_their_own() {
    let config = good(
        "sources: { hook: { publish: true } }\n\
         destinations: { d: { http: { url: 'https://d.example', secret: '${KEY}' } } }\n\
         tenants:\n\
         \x20 acme:\n\
         \x20   egress: { allow: [127.0.0.1] }\n\
         \x20   sources: { hook: { publish: true } }\n\
         \x20   destinations: { d: { http: { url: 'http://127.0.0.1:9000', secret: '${KEY}' } } }\n\
         \x20   routes: [{ from: hook, to: d }]\n",
    );
    assert_eq!(config.specs.sources.len(), 2);
    assert_eq!(config.specs.routes[0].tenant.as_str(), "acme");
    assert_eq!(config.egress_allow[&Tenant::default_tenant()], []);
    let local = "destinations: { d: { http: { url: 'http://127.0.0.1:9000', secret: '${KEY}' } } }";
    let allowed = ["127.0.0.0/8".parse().expect("a range")];
    assert!(read("trireme.yaml", local.as_bytes(), &around(&allowed)).is_ok(), "allowed by the command line");
    let of_tenant = format!("tenants: {{ acme: {{ {local} }} }}");
    check(&[(local, &["1:35 egress_refused"]), (&of_tenant, &["1:54 egress_refused"])]);
}

#[test]
fn identities_live_as_long_as_a_source_may_retry() {
    let source = "sources: { a: { webhook: { provider: github, secret: x, dedupe: { within: 30d } } } }\n";
    assert_eq!(good(source).retention.identities, Duration::from_secs(30 * 86_400));
    let config = good(&format!("{source}retention: {{ events: 90d }}"));
    assert_eq!(config.retention.identities, Duration::from_secs(90 * 86_400));
}

#[test]
fn variables_fill_any_value_but_expressions() {
    let config = good(
        "sources: { a: { publish: \"${YES}\" } }\n\
         destinations: { b: { http: { url: 'https://b.example', secret: '${KEY}' }, retry: { attempts: '${TRIES}' } } }\n\
         routes: [{ from: a, to: b, when: '\"${GONE}\" = data', map: '$$.x' }]\n",
    );
    assert!(config.specs.sources[0].publish);
    assert_eq!(config.specs.destinations[0].retry.attempts, 7);
    let route = &config.specs.routes[0];
    assert_eq!((route.when.as_deref(), route.map.as_deref()), (Some("\"${GONE}\" = data"), Some("$$.x")));
}

#[test]
fn a_value_that_could_not_be_had_is_told_once() {
    check(&[(
        "public_url: ${GONE}\nsources: { a: { webhook: { provider: github, secret: '${GONE}' } } }\n",
        &["1:13 variable_missing", "2:55 variable_missing"],
    )]);
}

#[test]
fn expressions_are_compiled_and_their_mistakes_pointed_at() {
    let objects = "sources: { one: { publish: true } }\n\
        destinations: { app: { http: { url: 'https://a.example', secret: '${KEY}' } } }\n";
    let route = |rest: &str| errors(&format!("{objects}routes:\n- from: one\n  to: app\n{rest}\n"));
    assert_eq!(route("  when: data.a = )"), ["6:18 expression_syntax"]);
    assert_eq!(route("  when: 'data.a = )'"), ["6:19 expression_syntax"]);
    assert_eq!(route("  map: |\n    {\n      'a': )\n    }"), ["8:12 expression_syntax"]);
    let text = format!("{objects}routes: [{{ from: one, to: app, map: \"{{\\n 'a': )}}\" }}]");
    let said = read_bytes(text.as_bytes()).expect_err("no expression").to_string();
    assert!(said.contains("line 2, column 7: "), "{said}");
}

#[test]
fn what_may_not_be_shown_and_what_has_no_key_are_told_all_the_same() {
    let told = |text: &str| {
        let (_, report) = examine(text, &around(&[]));
        let finding = report.errors().next().expect("an error").clone();
        (finding.message, finding.help.unwrap_or_default())
    };
    let (message, help) = told("sources: { 'hunter2 x': { publish: true } }");
    assert!(!message.contains("hunter2") && help.starts_with("use 1 to 64 of letters"), "{message}: {help}");
    let (message, help) = told("sources: { a: { publish: true } }\nroutes: [{ from: \"a 'b\", to: x }]");
    assert!(message.starts_with("'***'") && help.starts_with("use 1 to 64 of letters"), "{message}: {help}");
    assert_eq!(told("[]").0, "all of it must be a mapping, not a list");
}

#[test]
fn routes_name_what_is_there() {
    let objects = "sources: { one: { publish: true }, bad: { publish: 1 } }\n\
        destinations: { app: { http: { url: 'https://a.example', secret: '${KEY}' } } }\n";
    let route = |routes: &str| errors(&format!("{objects}routes: {routes}\n"));
    assert_eq!(route("[{ from: one, to: app }]"), ["1:52 invalid_value"]);
    assert_eq!(route("[{ from: bad, to: app }]"), ["1:52 invalid_value"]);
    assert_eq!(route("[{ from: oen, to: ap }]"), ["1:52 invalid_value", "3:18 unknown_name", "3:27 unknown_name"]);
    assert_eq!(
        route("[{ from: one, to: app }, { from: one, to: app }, { from: one, to: app, name: one-app }]"),
        ["1:52 invalid_value", "3:34 name_taken", "3:58 name_taken"]
    );
}

const EVERYTHING: &str = include_str!("../../../../examples/everything.yaml");

/// The keys that the code asks for when it reads the file that sets all of them.
fn known_keys() -> BTreeSet<String> {
    let (_, report) = examine(EVERYTHING, &around(&[]));
    // A tenant's objects and a route's retry are those of the top level and of a destination.
    let again = |key: &String| key.starts_with("tenants.*.") || key.starts_with("routes[].retry.");
    report.keys.into_iter().filter(|key| !again(key)).collect()
}

#[test]
fn the_reference_lists_every_key_and_no_other() {
    let guide = include_str!("../../../../docs/guide/configuration.md");
    let section = &guide[guide.find("## Top level").expect("a heading")..];
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let listed: BTreeSet<String> = rows.map(|(key, _)| key.to_owned()).collect();
    assert_eq!(listed, known_keys());
}

#[test]
fn one_example_sets_every_key() {
    let config = good(EVERYTHING);
    assert_eq!(config.specs.routes.len(), 3);
    let unset = |key: &String| {
        let word = key.rsplit(['.']).next().unwrap_or_default().to_owned() + ":";
        !EVERYTHING.contains(&word)
    };
    assert_eq!(known_keys().iter().filter(|key| unset(key)).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(known_keys().len() > 60, "the test sees the keys");
}

#[test]
fn everything_that_has_a_default_says_the_one_that_the_example_shows() {
    let (all, none) = (good(EVERYTHING), good("{}"));
    assert_eq!(all.limits, none.limits);
    assert_eq!(all.retention, none.retention);
    let app = &all.specs.destinations[0];
    assert_eq!(app.http.timeouts, Default::default());
    assert_eq!(app.breaker, Default::default());
    assert_eq!(app.http.concurrency, engine::spec::CONCURRENCY_DEFAULT);
}

const MISTAKES: &str = include_str!("tests/mistakes.yaml");

#[test]
fn a_file_of_mistakes_is_told_all_of_them_at_once() {
    let said = read_bytes(MISTAKES.as_bytes()).expect_err("mistakes").to_string();
    let expected = include_str!("tests/mistakes.txt");
    assert!(said == expected, "mistakes.txt should be:\n{said}");
}

#[test]
fn no_output_shows_a_secret() {
    let errors = read_bytes(MISTAKES.as_bytes()).expect_err("mistakes");
    let outputs = [errors.to_string(), format!("{errors:?}"), serde_json::json!(errors.0).to_string()];
    for output in outputs {
        assert!(
            !output.contains("literal-secret") && !output.contains("hunter2") && !output.contains("MDEyMz"),
            "{output}"
        );
    }
    let config = good("sources: { a: { webhook: { provider: github, secret: '${GITHUB_SECRET}' } } }");
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn a_line_that_is_no_yaml_is_quoted_without_its_values() {
    let said = read_bytes(b"sources:\n  a: { secret: 'literal-secret, b }\n").expect_err("no YAML").to_string();
    assert!(said.contains("yaml_syntax") && !said.contains("literal-secret"), "{said}");
    let said = read_bytes(b"a: { secret: \"literal-secret\" x\n").expect_err("no YAML").to_string();
    assert!(said.contains("1 | a: { *** \"***\" ***") && !said.contains("literal-secret"), "{said}");
}

#[test]
fn files_that_are_no_text_are_said_so() {
    let said = read_bytes(b"a: b\n\xff").expect_err("no text").to_string();
    assert!(said.contains("line 2 is not UTF-8 text"), "{said}");
    let file = tempfile::NamedTempFile::new().expect("a file");
    file.as_file().set_len(FILE_BYTES_MAX + 1).expect("sized");
    let said = load(file.path(), &env).expect_err("large").to_string();
    assert!(said.contains("larger than"), "{said}");
}

/// What a slip of the finger puts in, or takes out (`None`).
fn slips() -> impl Iterator<Item = Option<char>> {
    "{}[]:,\"'*!|>-#$%@\n\t ~a\0".chars().map(Some).chain([None])
}

const SECRETS: &str = "sources:\n\
    \x20 a: { webhook: { provider: github, secrt: \"literal-secret\" } }\n\
    destinations:\n\
    \x20 b:\n\
    \x20   http: { url: https://b.example, secret: 'literal-secret', headers: { x: literal-secret } }\n\
    \x20   paused: 1\n\
    store: postgres://user:literal-secret@db/trireme\n";

/// Every slip at every place of every line that holds a secret: a text that lost its quote or a key that lost its
/// colon must not carry the secret into an error.
#[test]
fn no_slip_makes_a_file_show_its_secrets() {
    let leaks = |text: &str| {
        let errors = read_bytes(text.as_bytes()).err()?;
        let said = format!("{errors}\n{}", serde_json::json!(errors.0));
        said.lines().find(|line| line.contains("literal-secret")).map(str::to_owned)
    };
    let inside: Vec<_> = SECRETS.match_indices("literal-secret").map(|(at, word)| at + 1..at + word.len()).collect();
    let places = (0..SECRETS.len()).filter(|place| !inside.iter().any(|word| word.contains(place)));
    let slipped = places.flat_map(|place| slips().map(move |slip| (place, slip)));
    let found: Vec<_> = slipped
        .filter_map(|(place, slip)| {
            let mut text = SECRETS.to_owned();
            match slip {
                Some(letter) => text.insert(place, letter),
                None => drop(text.remove(place)),
            }
            leaks(&text).map(|line| format!("{place} {slip:?}: {line}"))
        })
        .collect();
    assert!(found.is_empty(), "{} leaks: {found:#?}", found.len());
}

/// Where a byte is put in, taken out or doubled.
fn mutations() -> impl Strategy<Value = Vec<(prop::sample::Index, Option<char>)>> {
    let letter = prop::sample::select("{}[]:,\"'&*!|>-#$%@\n\t ~aä\0".chars().collect::<Vec<_>>());
    prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(letter)), 1..6)
}

fn damaged(text: &str, mutations: Vec<(prop::sample::Index, Option<char>)>) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for (index, letter) in mutations {
        let at = index.index(letters.len());
        match letter {
            Some(letter) => letters.insert(at, letter),
            None => drop(letters.remove(at)),
        }
    }
    letters.into_iter().collect()
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Err(errors) = read_bytes(&bytes) {
            prop_assert!(!errors.0.is_empty());
        }
    }

    #[test]
    fn a_damaged_file_is_read_or_refused_with_places_inside_of_it(mutations in mutations()) {
        let text = damaged(EVERYTHING, mutations);
        let lines = u32::try_from(text.lines().count()).expect("few lines") + 1;
        if let Err(errors) = read_bytes(text.as_bytes()) {
            for one in errors.0 {
                prop_assert!(one.line.is_some_and(|line| (1..=lines).contains(&line)), "{}", one);
                prop_assert!(!one.to_string().is_empty());
            }
        }
    }
}
