//! Lists the recipes of `catalogue/providers`, so that a file alone adds a sender. Reads names only, never their text.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let out = std::env::var_os("OUT_DIR").expect("Cargo says where to write");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalogue/providers");
    let folder = folder.canonicalize().expect("the catalogue is beside the crates");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut list = String::from("&[\n");
    for name in names(&folder) {
        let file = folder.join(format!("{name}.yaml"));
        writeln!(list, "    ({name:?}, include_str!({file:?})),").expect("a String takes any text");
    }
    list.push_str("]\n");
    std::fs::write(Path::new(&out).join("catalogue.rs"), list).expect("the list is written");
}

/// The names of all recipes, in alphabetical order.
fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).expect("the catalogue can be read");
    let mut names: Vec<String> = files
        .map(|file| file.expect("an entry of the catalogue can be read").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_suffix(".yaml")?.to_owned()))
        .collect();
    names.sort();
    names
}
