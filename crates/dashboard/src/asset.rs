//! Style, script and mark: ours, in the binary, under a name that changes with their bytes.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use domain::identity::Digest;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// One file. Its name holds a digest, so browsers may keep it for ever.
pub(crate) struct Asset {
    stem: &'static str,
    kind: &'static str,
    text: &'static str,
}

pub(crate) static STYLE: Asset = Asset { stem: "style", kind: "css", text: include_str!("asset/style.css") };
pub(crate) static SCRIPT: Asset = Asset { stem: "script", kind: "js", text: include_str!("asset/script.js") };
const MARK: &str = include_str!("asset/mark.svg");

static PATHS: LazyLock<[String; 2]> = LazyLock::new(|| [&STYLE, &SCRIPT].map(Asset::named));

impl Asset {
    fn named(&self) -> String {
        let digest = HEXLOWER.encode(&Digest::of(self.text.as_bytes()).0[..6]);
        format!("{}-{digest}.{}", self.stem, self.kind)
    }

    pub(crate) fn path(&'static self) -> String {
        let [style, script] = &*PATHS;
        format!("/assets/{}", if self.kind == "css" { style } else { script })
    }
}

pub(crate) async fn serve(Path(name): Path<String>) -> Response {
    let [style, script] = &*PATHS;
    let for_ever = "public, max-age=31536000, immutable";
    let answer = |kind: &'static str, keep: &'static str, text: &'static str| {
        ([(CONTENT_TYPE, kind), (CACHE_CONTROL, keep)], text).into_response()
    };
    match name.as_str() {
        name if name == style => answer("text/css; charset=utf-8", for_ever, STYLE.text),
        name if name == script => answer("text/javascript; charset=utf-8", for_ever, SCRIPT.text),
        "mark.svg" => answer("image/svg+xml", "public, max-age=86400", MARK),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
