//! `trireme check`: every mistake of a configuration at once, and what runs but probably not as meant.

use std::io::{self, Write};
use std::path::Path;

use serde_json::json;

use crate::config::{self, Config, Diagnosis, Env};

/// Writes what is to be said of a file; `false` if it cannot be run.
pub fn check(path: &Path, json: bool, env: Env<'_>, out: &mut dyn Write) -> io::Result<bool> {
    let checked = config::load(path, env);
    if json {
        write_json(&checked, out)?;
    } else {
        write_text(path, &checked, out)?;
    }
    Ok(checked.is_ok())
}

type Checked = Result<Config, config::ConfigErrors>;

fn write_text(path: &Path, checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    match checked {
        Ok(config) => {
            for warning in &config.warnings {
                writeln!(out, "{warning}")?;
            }
            writeln!(out, "ok: {}", counted(config))
        }
        Err(errors) => {
            writeln!(out, "{errors}")?;
            let count = errors.0.iter().filter(|one| one.is_error()).count();
            writeln!(out, "{} cannot be run: {}", path.display(), plural(count, "error"))
        }
    }
}

fn counted(config: &Config) -> String {
    let specs = &config.specs;
    let parts = [
        plural(specs.sources.len(), "source"),
        plural(specs.destinations.len(), "destination"),
        plural(specs.routes.len(), "route"),
    ];
    let warned = match config.warnings.len() {
        0 => String::new(),
        count => format!("; {}", plural(count, "warning")),
    };
    format!("{}{warned}", parts.join(", "))
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn write_json(checked: &Checked, out: &mut dyn Write) -> io::Result<()> {
    let found: &[Diagnosis] = match checked {
        Ok(config) => &config.warnings,
        Err(errors) => &errors.0,
    };
    let (errors, warnings): (Vec<_>, Vec<_>) = found.iter().partition(|one| one.is_error());
    let mut answer = json!({ "ok": checked.is_ok(), "errors": errors, "warnings": warnings });
    if let Ok(config) = checked {
        let specs = &config.specs;
        answer["sources"] = specs.sources.len().into();
        answer["destinations"] = specs.destinations.len().into();
        answer["routes"] = specs.routes.len().into();
    }
    writeln!(out, "{answer}")
}

#[cfg(test)]
mod stream_mistakes;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, json: bool) -> (bool, String) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let mut out = Vec::new();
        let ok = check(file.path(), json, &|_| None, &mut out).expect("written to memory");
        (ok, String::from_utf8(out).expect("text"))
    }

    const OPEN: &str = "sources: { a: { webhook: { provider: none } } }\n\
        destinations: { b: { http: { url: 'https://b.example', unsigned: true } } }\n\
        routes: [{ from: a, to: b }]\n";

    #[test]
    fn a_good_file_is_counted_after_its_warnings() {
        let (ok, said) = run(OPEN, false);
        assert!(ok);
        assert!(said.contains("warning[unsigned]") && said.contains("warning[unverified]"), "{said}");
        assert!(said.ends_with("ok: 1 source, 1 destination, 1 route; 2 warnings\n"), "{said}");
    }

    #[test]
    fn a_bad_file_gets_all_of_its_errors() {
        let (ok, said) = run("sorces: {}\nroutes: 1\n", false);
        assert!(!ok);
        assert!(said.contains("did you mean 'sources'?") && said.contains("must be a list"), "{said}");
        assert!(said.ends_with("cannot be run: 2 errors\n"), "{said}");
    }

    #[test]
    fn programs_get_one_line_of_json() {
        let (ok, said) = run("sorces: {}\n", true);
        let answer: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert!(!ok && answer["ok"] == false && said.lines().count() == 1);
        let error = &answer["errors"][0];
        assert_eq!((&error["code"], &error["line"], &error["column"]), (&"unknown_key".into(), &1.into(), &1.into()));
        assert_eq!(error["help"], "did you mean 'sources'?");
        let (ok, said) = run(OPEN, true);
        let answer: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert!(ok && answer["routes"] == 1 && answer["warnings"].as_array().map(Vec::len) == Some(2), "{said}");
    }

    #[test]
    fn a_file_that_is_not_there_is_said_so() {
        let mut out = Vec::new();
        let ok = check(Path::new("/nonexistent/trireme.yaml"), false, &|_| None, &mut out).expect("written");
        let said = String::from_utf8_lossy(&out).into_owned();
        assert!(!ok && said.contains("file_unreadable") && said.contains("--config"), "{said}");
    }
}
