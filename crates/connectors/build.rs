//! Lists the recipes and the manifests of the catalogue, so that a file alone adds a sender or a connector. Reads names
//! only, never their text.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let out = std::env::var_os("OUT_DIR").expect("Cargo says where to write");
    for (kind, list) in [("providers", "catalogue.rs"), ("connectors", "connectors.rs")] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogue").join(kind);
        let folder = folder.canonicalize().expect("the catalogue is beside the crates");
        println!("cargo::rerun-if-changed={}", folder.display());
        std::fs::write(Path::new(&out).join(list), list_of(&folder)).expect("the list is written");
    }
}

/// Name and text of each file, as an expression of Rust.
fn list_of(folder: &Path) -> String {
    let mut list = String::from("&[\n");
    for name in names(folder) {
        let file = folder.join(format!("{name}.yaml"));
        writeln!(list, "    ({name:?}, include_str!({file:?})),").expect("a String takes any text");
    }
    list.push_str("]\n");
    list
}

/// The names of all files, in alphabetical order.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the catalogue can be read");
    let mut names: Vec<String> = files
        .map(|file| file.expect("an entry of the catalogue can be read").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".yaml")?.to_owned()))
        .collect();
    names.sort();
    names
}
