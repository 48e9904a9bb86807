use std::ops::ControlFlow;
use serde_json::{Value as Json, json, Map};
use super::decode::*; use super::path::{self, Path}; use super::transform::Transformation; use super::normalize::Casts;
use super::node::{Document, Read}; use super::scope::Scope;

fn all(d: &Decoder, body: &[u8]) -> Result<Vec<Json>, DecodeError> {
    let mut v = vec![]; let mut b = body;
    d.decode(&mut b, &mut |i| { v.push(i); ControlFlow::Continue(()) })?; Ok(v)
}
fn dec(j: Json) -> Decoder { Decoder::read(&Document::from_json(&json!({"type":"X","d": j})).root().get("d").unwrap()).unwrap() }
fn tr(j: Json) -> Transformation { Transformation::read(&Document::from_json(&json!({"type":"X","d": j})).root().get("d").unwrap()).unwrap() }
// python equality: 1 == 1.0 not wanted; order-insensitive objects
fn eq(a: &Json, b: &Json) -> bool { match (a,b) { (Json::Object(x),Json::Object(y)) => x.len()==y.len() && x.iter().all(|(k,v)| y.get(k).is_some_and(|w| eq(v,w))), (Json::Array(x),Json::Array(y)) => x.len()==y.len() && x.iter().zip(y).all(|(p,q)| eq(p,q)), _ => a==b } }

#[test]
fn scratch_cases() {
    let text = std::fs::read("/tmp/rp/cases.json").unwrap();
    let cases: Vec<Json> = serde_json::from_slice(&text).unwrap();
    let config = json!({}); let now = jiff::Timestamp::UNIX_EPOCH;
    let mut bad: std::collections::BTreeMap<String, (usize, usize, Vec<String>)> = Default::default();
    for c in &cases {
        let kind = c["kind"].as_str().unwrap();
        let mut note = |what: &str, ok: bool, detail: String| { let e = bad.entry(format!("{kind}/{what}")).or_default(); e.0 += 1; if !ok { e.1 += 1; if e.2.len() < 4 { e.2.push(detail); } } };
        let s = |k: &str| c[k].as_str().unwrap_or("");
        let arr = |k: &str| c[k].as_array().cloned();
        match kind {
            "csv" => {
                let d = dec(json!({"type":"CsvDecoder","delimiter": s("delimiter")}));
                let got = all(&d, s("text").as_bytes());
                match got { Err(DecodeError::Truncated{..}) => note("truncated", true, String::new()),
                    got => { let got = got.unwrap(); note("rows", eq(&Json::Array(got.clone()), &c["rows"]), format!("{:?} {:?}\n  got  {}\n  want {}", s("text"), s("delimiter"), Json::Array(got), c["rows"])) } }
            }
            "jsonl" => {
                let got = all(&Decoder::Jsonl, s("text").as_bytes());
                match got { Err(DecodeError::Truncated{..}) => note("truncated", true, String::new()),
                    got => { let got = got.unwrap(); note("rows", eq(&Json::Array(got.clone()), &c["rows"]), format!("{:?}\n  got  {}\n  want {}", s("text"), Json::Array(got), c["rows"])) } }
            }
            "items" => {
                let d = dec(json!({"type":"JsonItemsDecoder","items_path": s("path")}));
                let got = all(&d, s("text").as_bytes()).unwrap();
                note("rows", eq(&Json::Array(got.clone()), &c["rows"]), format!("{:?} {}\n  got  {}\n  want {}", s("text"), s("path"), Json::Array(got), c["rows"]))
            }
            "xml" => {
                let got = all(&Decoder::Xml, s("text").as_bytes());
                match (&c["value"], got) { (Json::Null, got) => note("error", got.is_err(), format!("{:?} {} {:?}", s("text"), s("error"), got)),
                    (want, Ok(got)) => note("value", eq(&got[0], want), format!("{:?}\n  got  {}\n  want {}", s("text"), got[0], want)),
                    (want, Err(e)) => note("value", false, format!("{:?}\n  got  {}\n  want {}", s("text"), e, want)) }
            }
            "dpath" => {
                let names: Vec<String> = serde_json::from_value(c["path"].clone()).unwrap();
                let p = Path::of(&names); let e = Path::evaluated(c["evaluated"].as_array().unwrap());
                if let Some(want) = arr("values") {
                    let got: Vec<Json> = p.all(&c["json"]).into_iter().cloned().collect();
                    note("values", got == want, format!("{} {:?}\n got {}\n want {}", c["json"], names, Json::Array(got), Json::Array(want)));
                    let want = arr("evalues").unwrap();
                    let got: Vec<Json> = e.all(&c["json"]).into_iter().cloned().collect();
                    note("evalues", got == want, format!("{} {:?}\n got {}\n want {}", c["json"], names, Json::Array(got), Json::Array(want.clone())));
                    let mut w = c["json"].clone(); let got = e.take(&mut w);
                    note("take", got == want, format!("{} {:?}", c["json"], names));
                }
                if c["get"] != json!("err") {
                    let want = arr("get");
                    let got = e.one(&c["json"]).ok().map(|o| o.cloned().into_iter().collect::<Vec<_>>());
                    note("get", got == want, format!("{} {:?}\n got {:?}\n want {:?}", c["json"], names, got, want));
                    let mut w = c["json"].clone();
                    let got = e.take_one(&mut w).ok().map(|o| o.into_iter().collect::<Vec<_>>());
                    note("take_one", got == want, format!("{} {:?}\n got {:?}\n want {:?}", c["json"], names, got, want));
                }
                if !c["deleted"].is_null() { let mut w = c["json"].clone(); p.remove(&mut w); note("deleted", eq(&w, &c["deleted"]), format!("{} {:?}\n got {}\n want {}", c["json"], names, w, c["deleted"])); }
                let mut w: Map<String, Json> = c["json"].as_object().unwrap().clone();
                let got = path::set(&mut w, &names, json!("NEW")).ok().map(|()| Json::Object(w)).unwrap_or_default();
                note("new", eq(&got, &c["new"]), format!("{} {:?}\n got {}\n want {}", c["json"], names, got, c["new"]));
            }
            "leaves" => { let mut w = c["json"].clone(); path::remove_leaves(&mut w, &mut |v| v == &json!("s") || v == &json!(1) || v == &json!(true)); note("", eq(&w, &c["result"]), format!("{}\n got {}\n want {}", c["json"], w, c["result"])); }
            "snake" => { let mut w = json!({s("text"): 1}); tr(json!({"type":"KeysToSnakeCase"})).apply(&mut w, &Scope::new(&config, now)).unwrap(); let got = w.as_object().unwrap().keys().next().unwrap().clone(); note("", got == s("result"), format!("{:?} got {:?} want {:?}", s("text"), got, s("result"))); }
            "flatten" => { let mut w = c["json"].clone(); tr(json!({"type":"FlattenFields","flatten_lists":c["lists"]})).apply(&mut w, &Scope::new(&config, now)).unwrap(); note("", eq(&w, &c["result"]), format!("{}\n got {}\n want {}", c["json"], w, c["result"])); }
            "norm" => { let mut w = c["json"].clone(); Casts::of(&c["schema"]).apply(&mut w); note("", eq(&w, &c["result"]), format!("{}\n {}\n got {}\n want {}", c["schema"], c["json"], w, c["result"])); }
            "dflat" => {
                let mut t = json!({"type":"DpathFlattenFields","field_path":c["path"],"delete_origin_value":c["delete_origin_value"],"replace_record":c["replace_record"]});
                if !c["prefix"].is_null() || !c["suffix"].is_null() { t["key_transformation"] = json!({"type":"KeyTransformation","prefix":c["prefix"],"suffix":c["suffix"]}); }
                let mut w = c["json"].clone(); if tr(t).apply(&mut w, &Scope::new(&config, now)).is_ok() { note("", eq(&w, &c["result"]), format!("{} {}\n got {}\n want {}", c["json"], c["path"], w, c["result"])); }
            }
            _ => {}
        }
    }
    for (k, (n, b, ex)) in &bad { println!("{k}: {n} cases, {b} bad"); for e in ex { println!("   {e}"); } }
}
