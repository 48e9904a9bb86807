//! OAuth: what is sent for a token and how answers are read, against what the reference implementation does.

use serde_json::{Value as Json, json};

use super::super::super::failure::{Action, FailureType};
use super::super::super::request::trial::{Partition, at, component, line, reply};
use super::super::super::wire::Outcome;
use super::super::{Attempts, Authenticator, Granted, write_back};
use super::*;

const NOW: i64 = 1_700_000_000;

fn oauth(fields: Json) -> Authenticator {
    let mut oauth = json!({"type": "OAuthAuthenticator", "client_id": "{{ config['cid'] }}",
        "client_secret": "{{ config['cs'] }}", "refresh_token": "{{ config['rt'] }}",
        "token_refresh_endpoint": "https://api.example/token"});
    let own = oauth.as_object_mut().expect("a map");
    own.extend(fields.as_object().expect("a map").clone());
    own.retain(|_, value| !value.is_null());
    component(&oauth)
}

fn config(more: Json) -> Json {
    let mut config = json!({"cid": "id1", "cs": "sec", "rt": "1_000"});
    config.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
    config
}

/// What is sent to have a token; `None` if the config has one.
fn asked(oauth: &Authenticator, config: &Json) -> Option<String> {
    let slice = Partition::of(&json!({}));
    match oauth.refresh(&slice.scope(config, at(NOW)), None, false).expect("it can be asked for") {
        Some(Step::Send(errand)) => Some(line(&errand.request)),
        _ => None,
    }
}

fn granted(oauth: &Authenticator, config: &Json, answer: &str) -> Result<Token, Trouble> {
    let slice = Partition::of(&json!({}));
    match oauth.token(Purpose::Refresh, &reply(200, &[], answer), &slice.scope(config, at(NOW)))? {
        Granted::Token(token) => Ok(token),
        Granted::Next(_) => panic!("there is no second step"),
    }
}

/// What the reference implementation (7.39.1) sends.
#[test]
fn the_request_for_a_token_is_that_of_the_reference_implementation() {
    let form = "[content-type: application/x-www-form-urlencoded]";
    let to = format!("POST https://api.example/token {form}");
    let table = [
        (json!({}), format!("{to} grant_type=refresh_token&client_id=id1&client_secret=sec&refresh_token=1_000")),
        (
            json!({"scopes": ["a", "b"]}),
            format!("{to} grant_type=refresh_token&client_id=id1&client_secret=sec&refresh_token=1_000&scopes=a&scopes=b"),
        ),
        (
            json!({"grant_type": "client_credentials", "refresh_token": null}),
            format!("{to} grant_type=client_credentials&client_id=id1&client_secret=sec"),
        ),
        (
            json!({"client_id_name": "ci", "client_secret_name": "cse", "refresh_token_name": "r", "grant_type_name": "gt"}),
            format!("{to} gt=refresh_token&ci=id1&cse=sec&r=1_000"),
        ),
        (
            json!({"refresh_request_body": {"x": "{{ config['cid'] }}", "client_id": "no", "n": 5}}),
            format!("{to} grant_type=refresh_token&client_id=id1&client_secret=sec&refresh_token=1_000&x=id1&n=5"),
        ),
        (
            json!({"refresh_request_headers":
                {"Authorization": "Basic {{ (config['cid'] ~ ':' ~ config['cs']) | base64encode }}"}}),
            "POST https://api.example/token [authorization: Basic aWQxOnNlYw==, content-type: \
             application/x-www-form-urlencoded] grant_type=refresh_token&refresh_token=1_000"
                .to_owned(),
        ),
        (
            json!({"send_refresh_request_as_query_params": true}),
            "POST https://api.example/token?grant_type=refresh_token&client_id=id1&client_secret=sec&refresh_token=1_000 []"
                .to_owned(),
        ),
        (
            json!({"refresh_token_updater": {}}),
            format!("{to} grant_type=refresh_token&client_id=CC&client_secret=sec&refresh_token=R"),
        ),
        (
            json!({"refresh_token_updater": {"refresh_token_name": "next", "refresh_token_config_path": ["b"]}}),
            format!("{to} grant_type=refresh_token&client_id=CC&client_secret=sec&next=B"),
        ),
    ];
    let config = config(json!({"credentials": {"client_id": "CC", "refresh_token": "R"}, "b": "B"}));
    for (fields, expected) in table {
        assert_eq!(asked(&oauth(fields.clone()), &config), Some(expected), "{fields}");
    }
}

#[test]
fn an_assertion_is_signed_and_sent_in_place_of_the_client() {
    let fields = json!({"use_profile_assertion": true, "client_id": null, "client_secret": null, "refresh_token": null,
        "profile_assertion": {"type": "JwtAuthenticator", "algorithm": "HS256", "secret_key": "{{ config['cs'] }}"}});
    let asked = asked(&oauth(fields), &config(json!({}))).expect("it is asked for");
    let form = asked.split("] ").nth(1).expect("a form");
    let expected = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJhbGciOiJIUzI1NiIs";
    assert!(form.starts_with(expected), "{form}");
}

#[test]
fn an_answer_is_read_as_the_reference_implementation_reads_it() {
    let names = json!({"access_token_name": "at", "expires_in_name": "ei"});
    let table = [
        (json!({}), r#"{"access_token": "A", "expires_in": 3600}"#, "A", NOW + 3_600),
        (json!({}), r#"{"access_token": "A", "expires_in": "59.9"}"#, "A", NOW + 59),
        (json!({}), r#"{"access_token": "A"}"#, "A", NOW + 3_600),
        (json!({}), r#"{"access_token": "A", "expires_in": null}"#, "A", NOW + 3_600),
        (json!({}), r#"{"data": {"tok": [{"access_token": "N", "expires_in": 5}]}}"#, "N", NOW + 5),
        (names, r#"{"at": "B", "ei": "10"}"#, "B", NOW + 10),
        (
            json!({"token_expiry_date_format": "%Y-%m-%dT%H:%M:%S"}),
            r#"{"access_token": "A", "expires_in": "2023-11-15T00:00:00"}"#,
            "A",
            1_700_006_400,
        ),
    ];
    for (fields, answer, value, end) in table {
        let token = granted(&oauth(fields.clone()), &config(json!({})), answer).expect("it is there");
        assert_eq!(token.value.expose(), value, "{fields}");
        assert_eq!(token.expiry, Expiry::At { at: at(end), since: Some(at(NOW)) }, "{fields} {answer}");
        assert!(token.writes.is_empty());
    }
    let plain = oauth(json!({}));
    for (answer, code) in [
        ("{}", "auth_no_token"),
        ("oops", "auth_no_token"),
        (r#"{"access_token": ""}"#, "auth_no_token"),
        (r#"{"access_token": "A", "expires_in": "soon"}"#, "auth_expiry"),
    ] {
        let trouble = granted(&plain, &config(json!({})), answer).expect_err("it is none");
        assert_eq!(trouble.code(), code, "{answer}");
    }
}

#[test]
fn single_use_refresh_tokens_are_told_where_they_go() {
    let fields = json!({"refresh_token_updater": {"access_token_config_path": ["a"], "refresh_token_config_path": ["b", "c"],
        "token_expiry_date_config_path": ["d"]}});
    let oauth = oauth(fields);
    let mut config = config(json!({"b": {"c": "R1"}}));
    let answer = r#"{"access_token": "A1", "refresh_token": "R2", "expires_in": 60}"#;
    let token = granted(&oauth, &config, answer).expect("it is there");
    let shown = format!("{token:?}");
    assert!(!shown.contains("A1") && !shown.contains("R2"), "{shown}");
    write_back(&mut config, &token.writes);
    assert_eq!(config["a"], "A1");
    assert_eq!(config["b"]["c"], "R2");
    assert_eq!(config["d"], "2023-11-14T22:14:20+00:00");
    assert_eq!(asked(&oauth, &config), None, "the config's token holds");

    // A source that gives no new refresh token means the old one to stay.
    let again = granted(&oauth, &config, r#"{"access_token": "A2", "expires_in": 60}"#).expect("it is there");
    write_back(&mut config, &again.writes);
    assert_eq!((&config["a"], &config["b"]["c"]), (&json!("A2"), &json!("R2")));
}

#[test]
fn a_token_of_the_config_is_used_while_it_holds() {
    let dated = json!({"access_token_value": "{{ config['at'] }}", "token_expiry_date": "{{ config['end'] }}"});
    let table = [
        (dated.clone(), json!({"at": "K", "end": "2999-01-01T00:00:00Z"}), false),
        (dated.clone(), json!({"at": "K", "end": "2000-01-01T00:00:00Z"}), true),
        (dated.clone(), json!({"at": "K"}), true),
        (dated, json!({}), true),
        (
            json!({"access_token_value": "{{ config['at'] }}", "token_refresh_endpoint": null}),
            json!({"at": "K"}),
            false,
        ),
        (
            json!({"refresh_token_updater": {}}),
            json!({"credentials": {"access_token": "K", "token_expiry_date": "2999-01-01"}}),
            false,
        ),
        (
            json!({"refresh_token_updater": {}}),
            json!({"credentials": {"access_token": "K", "token_expiry_date": ""}}),
            true,
        ),
    ];
    for (fields, more, is_asked) in table {
        assert_eq!(asked(&oauth(fields.clone()), &config(more.clone())).is_some(), is_asked, "{fields} {more}");
    }
    let nothing = oauth(json!({"token_refresh_endpoint": null}));
    let (config, slice) = (config(json!({})), Partition::of(&json!({})));
    let trouble = nothing.refresh(&slice.scope(&config, at(NOW)), None, false);
    assert_eq!(trouble.err().map(|trouble| trouble.code()), Some("auth_credentials"));
}

#[test]
fn a_refused_token_is_asked_for_anew_unless_the_config_has_a_newer_one() {
    let (config, slice) = (config(json!({"at": "NEWER", "end": "2999-01-01"})), Partition::of(&json!({})));
    let scope = slice.scope(&config, at(NOW));
    let plain = oauth(json!({}));
    let kept = granted(&plain, &config, r#"{"access_token": "A", "expires_in": 3600}"#).expect("it is there");
    assert!(matches!(plain.refresh(&scope, Some(&kept), false), Ok(Some(Step::Have(token))) if token == kept));
    assert!(matches!(plain.refresh(&scope, Some(&kept), true), Ok(Some(Step::Send(_)))));
    let dated = oauth(json!({"access_token_value": "{{ config['at'] }}", "token_expiry_date": "{{ config['end'] }}"}));
    let step = dated.refresh(&scope, Some(&kept), true);
    assert!(matches!(step, Ok(Some(Step::Have(token))) if token.value.expose() == "NEWER"));
}

#[test]
fn a_refused_refresh_token_asks_for_a_person() {
    let judge = |oauth: &Authenticator, status: u16, body: &str| {
        let (config, slice) = (config(json!({})), Partition::of(&json!({})));
        let (scope, answer) = (slice.scope(&config, at(NOW)), reply(status, &[], body));
        oauth.judge(Purpose::Refresh, Outcome::Reply(&answer), &scope, &mut Attempts::new())
    };
    let own = json!({"refresh_token_error_status_codes": [401], "refresh_token_error_key": "code",
        "refresh_token_error_values": ["dead"]});
    let table = [
        (
            json!({}),
            400,
            r#"{"error": "invalid_grant"}"#,
            Action::Fail,
            FailureType::Config,
            "connect the account again",
        ),
        (json!({}), 400, r#"{"error": "other"}"#, Action::Fail, FailureType::Config, "status 400"),
        (own.clone(), 401, r#"{"code": "dead"}"#, Action::Fail, FailureType::Config, "connect the account again"),
        (json!({"refresh_token_updater": own}), 401, r#"{"code": "dead"}"#, Action::Fail, FailureType::Config, "again"),
        (json!({}), 404, "{}", Action::Fail, FailureType::System, "status 404"),
        (json!({}), 429, "{}", Action::Retry, FailureType::Transient, "status 429"),
        (json!({}), 503, "{}", Action::Retry, FailureType::Transient, "status 503"),
    ];
    for (fields, status, body, action, failure_type, message) in table {
        let verdict = judge(&oauth(fields.clone()), status, body);
        assert_eq!((verdict.action, verdict.failure_type), (action, Some(failure_type)), "{fields} {status}");
        assert!(verdict.message.as_deref().is_some_and(|text| text.contains(message)), "{fields}: {verdict:?}");
    }
}

#[test]
fn streams_with_the_same_credentials_share_a_token() {
    let slice = Partition::of(&json!({}));
    let key = |fields: Json, more: Json| oauth(fields).key(&slice.scope(&config(more), at(NOW))).expect("it has one");
    assert_eq!(key(json!({}), json!({})), key(json!({}), json!({})));
    assert_ne!(key(json!({}), json!({})), key(json!({}), json!({"rt": "other"})));
    assert_ne!(key(json!({}), json!({})), key(json!({"scopes": ["a"]}), json!({})));
    // Where the refresh token is replaced with every use, the key must outlive it.
    let updater = || json!({"refresh_token_updater": {}});
    let with = |token: &str| json!({"credentials": {"refresh_token": token}});
    assert_eq!(key(updater(), with("R1")), key(updater(), with("R2")));
}
