//! Every file of the catalogue: read whole, run through its vectors, signed and judged again.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use connectors::provider::{Again, Judgement, Keys, Kind, Recipe, Vector, catalogue};

/// The files themselves rather than the embedded list, so that a forgotten one is found.
pub fn recipes() -> Vec<Recipe> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogue/providers");
    let mut recipes = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the catalogue's folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let file = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a text");
        let recipe = Recipe::from_yaml(&file, &text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(format!("{}.yaml", recipe.name()), file, "a file is called after its provider");
        recipes.push(recipe);
    }
    assert!(!recipes.is_empty());
    recipes
}

#[test]
fn every_file_is_embedded_in_order_under_its_name() {
    let files: BTreeSet<String> = recipes().iter().map(|recipe| recipe.name().to_owned()).collect();
    let embedded: Vec<&str> = catalogue().names().collect();
    assert_eq!(embedded, files.iter().map(String::as_str).collect::<Vec<_>>());
    for name in embedded {
        assert_eq!(catalogue().get(name).expect("listed").name(), name);
    }
    assert!(catalogue().get("nobody").is_none());
}

/// Those that stand for no sender of their own, but for whoever signs in their way.
const FOR_ANYONE: [&str; 5] = ["cloudevents", "generic-hmac", "none", "standard-webhooks", "websub"];

#[test]
fn a_hundred_senders_are_confirmed_and_say_how_they_are_set_up_and_what_they_prove() {
    let recipes = recipes();
    let senders = || recipes.iter().filter(|recipe| !FOR_ANYONE.contains(&recipe.name()));
    assert_eq!(recipes.len() - senders().count(), FOR_ANYONE.len(), "they are there under their names");
    let confirmed: Vec<_> = senders().filter(|recipe| recipe.is_confirmed()).collect();
    assert!(confirmed.len() >= 130, "{}", confirmed.len());
    for recipe in senders() {
        let (name, facts) = (recipe.name(), recipe.facts());
        let setup: Vec<String> = recipe.setup("https://hooks.example/in/it").collect();
        assert!(
            setup.iter().any(|step| step.contains("https://hooks.example/in/it")),
            "{name}: where is the address entered?"
        );
        assert!(facts.source.starts_with("https://") && facts.as_of.len() == 10, "{name}: {facts:?}");
        let proves = recipe.vectors().iter().find_map(|vector| recipe.assurance(&vector.settings).ok());
        assert!(proves.is_some(), "{name}: what does it prove?");
    }
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let failures: Vec<String> = recipes()
        .iter()
        .flat_map(|recipe| {
            let failed = recipe.vectors().iter().filter_map(|vector| vector.run(recipe).err());
            failed.map(|error| format!("{}: {error}", recipe.name())).collect::<Vec<_>>()
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_file_has_a_valid_a_tampered_a_stale_and_a_wrong_key_vector() {
    for recipe in recipes() {
        for kind in Kind::REQUIRED {
            let of_kind = recipe.vectors().iter().filter(|vector| vector.kind == kind);
            let said: Vec<_> = of_kind.map(|vector| (vector.name.as_str(), vector.not_applicable.as_deref())).collect();
            assert!(!said.is_empty(), "{}.yaml has no {kind:?} vector, nor a reason why not", recipe.name());
            assert!(said.iter().all(|(_, reason)| *reason != Some("")), "{}: a reason is empty", recipe.name());
        }
        for vector in recipe.vectors().iter().filter(|vector| vector.not_applicable.is_none()) {
            assert!(!vector.made_by.is_empty(), "{}: '{}' does not say made_by", recipe.name(), vector.name);
            let accepts = vector.expect.assurance.is_some() || vector.expect.handshake.is_some();
            let should = matches!(vector.kind, Kind::Valid | Kind::Handshake);
            assert_eq!(accepts, should, "{}: '{}' expects the opposite of its kind", recipe.name(), vector.name);
            let waits = (vector.expect.pending.is_some(), vector.kind == Kind::Pending);
            assert_eq!(waits.0, waits.1, "{}: '{}' expects the opposite of its kind", recipe.name(), vector.name);
        }
    }
}

/// Whether a recipe shows, by an event without an id, how long equal bytes count as the sender's retry.
fn shows_retries(recipe: &Recipe) -> bool {
    let within = recipe.dedupe_within();
    let is_shown = |vector: &Vector| {
        let has_no_id = vector.expect.events.iter().all(|event| event.id.is_none());
        let says = |same: bool, after: Duration| vector.again.contains(&Again { after, same });
        has_no_id && says(true, within) && says(false, within + Duration::from_secs(1))
    };
    recipe.vectors().iter().any(is_shown)
}

#[test]
fn every_sender_whose_retries_are_known_by_their_bytes_shows_for_how_long() {
    let recipes = recipes();
    let retrying: Vec<_> = recipes.iter().filter(|recipe| !recipe.dedupe_within().is_zero()).collect();
    let missing: Vec<_> = retrying.iter().filter(|recipe| !shows_retries(recipe)).map(|recipe| recipe.name()).collect();
    assert!(missing.is_empty(), "no vector of {} says 'again' at the end of dedupe.within", missing.join(", "));
    assert!(retrying.len() >= 45, "{}", retrying.len());
    let others = recipes.iter().filter(|recipe| recipe.dedupe_within().is_zero());
    let others = others.flat_map(|recipe| recipe.vectors()).filter(|vector| !vector.again.is_empty());
    assert!(others.count() >= 15, "senders whose equal bodies are never one event, and senders of ids");
}

/// Whether a vector is judged by keys that are fetched.
fn fetches(recipe: &Recipe, vector: &Vector) -> bool {
    let schemes = recipe.schemes(&vector.settings).unwrap_or_default();
    vector.not_applicable.is_none() && schemes.iter().any(|scheme| !scheme.key_hosts.is_empty())
}

#[test]
fn threat_07_every_sender_of_fetched_keys_has_a_request_that_waits_and_one_that_names_another_host() {
    let mut senders = 0;
    for recipe in recipes() {
        if !recipe.vectors().iter().any(|vector| fetches(&recipe, vector)) {
            continue;
        }
        senders += 1;
        for kind in [Kind::Pending, Kind::Hostile] {
            let has = recipe.vectors().iter().any(|vector| vector.kind == kind);
            assert!(has, "{}.yaml has no {kind:?} vector, nor a reason why not", recipe.name());
        }
        let by_fetched = |vector: &&Vector| {
            // Who gives a key that an API would give asks for none.
            vector.kind == Kind::Valid && fetches(&recipe, vector) && !vector.fetched.is_empty()
        };
        assert!(recipe.vectors().iter().any(|vector| by_fetched(&vector)), "{}", recipe.name());
        for vector in recipe.vectors().iter().filter(by_fetched) {
            let unserved = Vector { fetched: Vec::new(), ..vector.clone() };
            let keys = Keys::compile(&recipe, &unserved.role_secrets(), &unserved.settings).expect("a vector's keys");
            let judgement = unserved.judge(&recipe, &keys, &unserved.incoming());
            assert!(matches!(judgement, Judgement::Pending(_)), "{} '{}': {judgement:?}", recipe.name(), vector.name);
        }
    }
    assert!(senders >= 6, "only {senders}");
}

#[test]
fn what_is_to_be_configured_names_only_what_a_newcomer_needs() {
    for (name, configured) in [
        ("github", r#"{ provider: github, secret: "${GITHUB_SECRET}" }"#),
        ("paypal", "{ provider: paypal, webhook_id: ... }"),
        // A plain secret is told by its look.
        ("gitlab", r#"{ provider: gitlab, secret: "${GITLAB_SECRET}" }"#),
        ("standard-webhooks", r#"{ provider: standard-webhooks, secret: "${STANDARD_WEBHOOKS_SECRET}" }"#),
        (
            "brevo",
            "{ provider: brevo, secret: \"${BREVO_SECRET}\" }\n    # or by secrets: { basic: \"${BREVO_BASIC}\" }",
        ),
        // What shakes hands is needed beside what signs.
        (
            "meta",
            r#"{ provider: meta, secrets: { signing: "${META_SIGNING}", verify_token: "${META_VERIFY_TOKEN}" } }"#,
        ),
        // The sender hands it over.
        ("asana", "{ provider: asana }"),
        ("notion", "{ provider: notion }"),
        // Credentials suffice, and a key that is pasted is told from them.
        ("plaid", r#"{ provider: plaid, secret: "${PLAID_SECRET}" }"#),
        ("ebay", r#"{ provider: ebay, secrets: { api: "${EBAY_API}", verify_token: "${EBAY_VERIFY_TOKEN}" } }"#),
        (
            "google-pubsub",
            "{ provider: google-pubsub, service_account: to-the-gateway@project.iam.gserviceaccount.com }",
        ),
    ] {
        let said = catalogue().get(name).expect("listed").configuration("mine");
        assert_eq!(said, format!("sources:\n  mine:\n    webhook: {configured}"));
    }
}

#[test]
fn the_committed_page_is_made_from_the_files() {
    let mut recipes = recipes();
    recipes.sort_by(|one, other| one.name().cmp(other.name()));
    let made = connectors::provider::page(recipes.iter());
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/providers.md");
    if made != std::fs::read_to_string(&committed).unwrap_or_default() {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("providers.md");
        std::fs::write(&fresh, made).expect("the target folder can be written");
        panic!("docs/providers.md is out of date: cp {} docs/providers.md", fresh.display());
    }
}
