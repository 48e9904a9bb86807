//! JWTs, sessions and their old form, and what is told of a manifest that has them wrong.

use serde_json::{Value as Json, json};

use super::super::request::trial::{Partition, at, component, line, problem, reply};
use super::*;

/// What an authenticator adds to a plain request.
fn sent(authenticator: &Authenticator, config: &Json, token: Option<&Token>) -> Result<String, Trouble> {
    let slice = Partition::of(&json!({}));
    let scope = slice.scope(config, at(1_700_000_000));
    let requester: Requester = component(&json!({"type": "HttpRequester", "url": "https://api.example/x"}));
    let mut additions = Additions::new();
    authenticator.add(&scope, token, &mut additions)?;
    requester.request(&scope, additions, None).map(|request| line(&request))
}

fn jwt(fields: Json) -> Json {
    let mut jwt = json!({"type": "JwtAuthenticator", "algorithm": "HS256", "secret_key": "{{ config['k'] }}"});
    jwt.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    jwt
}

/// Tokens that the reference implementation (7.39.1) signs at the same second with the same key.
#[test]
fn jwts_are_those_of_the_reference_implementation() {
    let claims = "eyJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMTIwMCwibmJmIjoxNzAwMDAwMDAwfQ";
    let plain = format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.eqKBaRbfkcK3gSl0sjLkFJCYBlFAyUbD7Oo4bNq0fOk");
    let encoded = format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.K8J0BToU6TS1aXCSydrXU_LdzKniw4DKJikuvLarJ2s");
    let long = format!(
        "eyJhbGciOiJIUzUxMiIsInR5cCI6IkpXVCJ9.{claims}.aqx5aAl4d76nXi0SHh_tdmi_GkJanopjlLHT39BZtg7E5svl7FSocPCq1oDuL9\
         yZMEKqV-A-_FeMEGUfx5pzVA"
    );
    let option = json!({"type": "RequestOption", "inject_into": "request_parameter", "field_name": "jwt"});
    let table = [
        (jwt(json!({})), format!("GET https://api.example/x [authorization: {plain}]")),
        (jwt(json!({"jwt_headers": {"typ": ""}})), format!("GET https://api.example/x [authorization: {plain}]")),
        (
            jwt(json!({"base64_encode_secret_key": true})),
            format!("GET https://api.example/x [authorization: {encoded}]"),
        ),
        (jwt(json!({"algorithm": "HS512"})), format!("GET https://api.example/x [authorization: {long}]")),
        (jwt(json!({"header_prefix": "Bearer"})), format!("GET https://api.example/x [authorization: Bearer {plain}]")),
        (jwt(json!({ "request_option": option })), format!("GET https://api.example/x?jwt={plain} []")),
    ];
    let config = json!({"k": "a-secret-of-thirty-two-bytes-long"});
    for (authenticator, expected) in table {
        assert_eq!(sent(&component(&authenticator), &config, None), Ok(expected), "{authenticator}");
    }
}

#[test]
fn a_jwt_says_what_the_manifest_wants_it_to_say() {
    let fields = json!({"jwt_headers": {"kid": "k1", "typ": "JOSE", "cty": "x"},
        "jwt_payload": {"iss": "me", "sub": "s", "aud": "a"}, "additional_jwt_headers": {"h": "1"},
        "additional_jwt_payload": {"p": "{{ config['n'] }}", "q": "ü"}, "token_duration": 60});
    let config = json!({"k": "secret", "n": 5});
    let line = sent(&component(&jwt(fields)), &config, None).expect("it signs");
    let token = line.split("authorization: ").nth(1).expect("a header").trim_end_matches(']');
    let part = |at: usize| {
        let bytes = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(at).expect("a part").as_bytes());
        String::from_utf8(bytes.expect("base64")).expect("text")
    };
    assert_eq!(part(0), r#"{"alg":"HS256","cty":"x","h":1,"kid":"k1","typ":"JOSE"}"#);
    assert_eq!(
        part(1),
        r#"{"p":5,"q":"ü","iss":"me","sub":"s","aud":"a","iat":1700000000,"exp":1700000060,"nbf":1700000000}"#
    );
    let reserved = jwt(json!({"additional_jwt_payload": {"exp": "1"}}));
    let trouble = sent(&component(&reserved), &config, None).expect_err("it is the format's own");
    assert_eq!(trouble.code(), "auth_reserved_claim");
    let locked = jwt(json!({"algorithm": "RS256", "passphrase": "{{ config['k'] }}"}));
    let trouble = sent(&component(&locked), &config, None).expect_err("it is locked");
    assert!(trouble.to_string().contains("passphrase"), "{trouble}");
}

fn session(fields: Json) -> Authenticator {
    let mut session = json!({"type": "SessionTokenAuthenticator", "session_token_path": ["data", "token"],
        "login_requester": {"type": "HttpRequester", "url": "https://api.example/login", "http_method": "POST",
                            "request_body_json": {"user": "{{ config['u'] }}"}},
        "request_authentication": {"type": "Bearer"}});
    session.as_object_mut().expect("a map").extend(fields.as_object().expect("a map").clone());
    component(&session)
}

#[test]
fn a_session_is_logged_in_for_and_kept_as_long_as_the_manifest_says() {
    let (config, slice) = (json!({"u": "me"}), Partition::of(&json!({})));
    let scope = |second| slice.scope(&config, at(second));
    let with_session = session;
    let session = session(json!({"expiration_duration": "PT1H"}));
    let Ok(Some(Step::Login(login))) = session.refresh(&scope(0), None, false) else { panic!("it must log in") };
    let request = login.request(&scope(0), Additions::new(), None).expect("it is complete");
    assert_eq!(line(&request), r#"POST https://api.example/login [content-type: application/json] {"user":"me"}"#);
    let answer = reply(200, &[], r#"{"data": {"token": "t1"}}"#);
    let Ok(Granted::Token(token)) = session.token(Purpose::Login, &answer, &scope(0)) else { panic!("it is there") };
    assert_eq!(
        sent(&session, &config, Some(&token)).as_deref(),
        Ok("GET https://api.example/x [authorization: Bearer t1]")
    );
    let needs = |second, refused| session.refresh(&scope(second), Some(&token), refused);
    assert!(matches!(needs(3_500, false), Ok(Some(Step::Have(_)))));
    assert!(matches!(needs(3_601, false), Ok(Some(Step::Login(_)))));
    assert!(matches!(needs(10, true), Ok(Some(Step::Login(_)))));
    for nothing in ["{}", "oops", "[]"] {
        let empty = session.token(Purpose::Login, &reply(200, &[], nothing), &scope(0));
        assert_eq!(empty.err(), Some(Trouble::NoToken { what: "login", name: "data.token".to_owned() }));
    }
    let xml = with_session(json!({"decoder": {"type": "XmlDecoder"}, "session_token_path": ["r", "t"]}));
    let granted = xml.token(Purpose::Login, &reply(200, &[], "<r><t>x1</t></r>"), &scope(0));
    assert!(matches!(granted, Ok(Granted::Token(token)) if token.value.expose() == "x1"));
}

#[test]
fn without_a_duration_each_request_has_its_own_session() {
    let (config, slice) = (json!({"u": "me"}), Partition::of(&json!({})));
    let scope = slice.scope(&config, at(0));
    let way = json!({"type": "ApiKey", "api_token": "Token {{ session_token }}",
        "inject_into": {"type": "RequestOption", "inject_into": "header", "field_name": "X-Session"}});
    let session = session(json!({ "request_authentication": way }));
    let answer = reply(200, &[], r#"[{"data": {"token": 7}}]"#);
    let Ok(Granted::Token(token)) = session.token(Purpose::Login, &answer, &scope) else { panic!("it is there") };
    assert_eq!(sent(&session, &config, Some(&token)).as_deref(), Ok("GET https://api.example/x [x-session: Token 7]"));
    assert!(matches!(session.refresh(&scope, Some(&token), false), Ok(Some(Step::Login(_)))));
}

#[test]
fn tokens_are_shared_by_those_who_ask_with_the_same() {
    let slice = Partition::of(&json!({}));
    let key = |authenticator: &Authenticator, config: &Json| authenticator.key(&slice.scope(config, at(0)));
    let (me, you) = (json!({"u": "me"}), json!({"u": "you"}));
    let (one, other) = (session(json!({})), session(json!({})));
    assert_eq!(key(&one, &me), key(&other, &me));
    assert_ne!(key(&one, &me), key(&one, &you));
    assert_eq!(key(&Authenticator::None, &me), Ok(None));
    assert!(!format!("{:?}", key(&one, &me)).contains("me\""));
}

fn legacy(config: Json) -> (Requester, Json) {
    let authenticator = json!({"type": "LegacySessionTokenAuthenticator", "header": "X-Session",
        "session_token": "{{ config['s'] }}", "username": "{{ config['u'] }}", "password": "{{ config['p'] }}",
        "session_token_response_key": "id", "login_url": "session", "validate_session_url": "user/current"});
    let requester = json!({"type": "HttpRequester", "url_base": "https://{{ config['h'] }}/api/", "path": "x",
        "authenticator": authenticator});
    (component(&requester), config)
}

#[test]
fn a_session_of_the_config_is_tried_before_logging_in() {
    let (requester, config) = legacy(json!({"s": "old", "u": "me", "p": "pw", "h": "api.example"}));
    let slice = Partition::of(&json!({}));
    let scope = slice.scope(&config, at(0));
    let auth = requester.authenticator();
    let Ok(Some(Step::Send(errand))) = auth.refresh(&scope, None, false) else { panic!("it is tried") };
    assert_eq!(line(&errand.request), "GET https://api.example/api/user/current [x-session: old]");
    let good = auth.token(errand.purpose, &reply(200, &[], "{}"), &scope);
    let Ok(Granted::Token(token)) = good else { panic!("it holds") };
    assert_eq!(sent(auth, &config, Some(&token)).as_deref(), Ok("GET https://api.example/x [x-session: old]"));

    let over = reply(401, &[], "");
    let verdict = auth.judge(errand.purpose, Outcome::Reply(&over), &scope, &mut Attempts::new());
    assert_eq!(verdict.action, super::super::failure::Action::Success);
    let Ok(Granted::Next(login)) = auth.token(errand.purpose, &over, &scope) else { panic!("it is over") };
    assert_eq!(login.purpose, Purpose::Login);
    let expected =
        r#"POST https://api.example/api/session [content-type: application/json] {"username":"me","password":"pw"}"#;
    assert_eq!(line(&login.request), expected);
    let Ok(Granted::Token(token)) = auth.token(Purpose::Login, &reply(200, &[], r#"{"id": "new"}"#), &scope) else {
        panic!("it is there")
    };
    assert_eq!(token.value.expose(), "new");
    let refused = auth.judge(Purpose::Login, Outcome::Reply(&over), &scope, &mut Attempts::new());
    assert_eq!(refused.failure_type, Some(super::super::failure::FailureType::Config));
}

#[test]
fn without_session_and_password_a_person_is_asked() {
    let (requester, config) = legacy(json!({"u": "me", "h": "api.example"}));
    let slice = Partition::of(&json!({}));
    let trouble = requester.authenticator().refresh(&slice.scope(&config, at(0)), None, false);
    assert_eq!(trouble.err().map(|trouble| trouble.code()), Some("auth_credentials"));
}

#[test]
fn mistakes_of_a_manifest_are_told() {
    let table = [
        (json!({"type": "BearerAuthenticator"}), "needs 'api_token'"),
        (json!({"type": "OAuthAuthenticator", "token_refresh_endpoint": "https://a/t"}), "'client_id'"),
        (
            json!({"type": "OAuthAuthenticator", "token_refresh_endpoint": "https://a/t", "client_id": "a",
                   "client_secret": "b"}),
            "needs a 'refresh_token'",
        ),
        (json!({"type": "OAuthAuthenticator", "use_profile_assertion": true}), "'profile_assertion'"),
        (json!({"type": "CustomAuthenticator", "class_name": "a.B"}), "a.B"),
        (jwt(json!({"token_duration": -1})), "'token_duration'"),
        (
            json!({"type": "RateLimitedMultipleTokenAuthenticator", "tokens": "x", "quotas": [],
                   "quota_status_source": {"type": "QuotaStatusSource", "url": "https://a/q"}}),
            "quotas",
        ),
    ];
    for (authenticator, expected) in table {
        let problem = problem::<Authenticator>(&authenticator);
        assert!(problem.contains(expected), "{authenticator}: {problem}");
    }
}
