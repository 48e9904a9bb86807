//! The half of tools/record_goldens that runs cases: asks, one JSON line per command, for a run of the reference, and
//! reads how it ended from the next line of its input. Writes the goldens, or with `--check` compares with them.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value as Json, json};
use testkit::goldens::{Case, Connector, Ended, Files, Verb, differences, laid_out, run_case};

/// The reference, on the other side of standard input and output.
struct Asked {
    case: String,
}

impl Connector for Asked {
    fn run(&mut self, verb: Verb, files: &Files) -> io::Result<Ended> {
        let ask = json!({
            "case": self.case,
            "verb": verb.word(),
            "manifest": files.manifest,
            "config": files.config,
            "catalog": files.catalog,
            "state": files.state,
        });
        writeln!(io::stdout(), "{ask}")?;
        io::stdout().flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        let ended: Json = serde_json::from_str(&line)?;
        let stdout = ended["stdout"].as_str().unwrap_or_default().to_owned();
        Ok(Ended { exit: ended["exit"].as_i64().and_then(|code| i32::try_from(code).ok()), stdout })
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (folder, mode) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let chosen: Vec<String> = arguments.collect();
    let mut failed = false;
    for name in chosen {
        if let Err(error) = handle(&Path::new(&folder).join(&name), mode == "--check") {
            // Nobody reads it once standard error is closed.
            let _ = writeln!(io::stderr(), "{name}: {error}");
            failed = true;
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn handle(folder: &Path, check: bool) -> Result<(), Box<dyn std::error::Error>> {
    let case = Case::load(folder)?;
    let outcome = run_case(&case, &mut Asked { case: case.name.clone() }, None)?;
    if !check {
        return Ok(std::fs::write(case.golden_path(), laid_out(&outcome))?);
    }
    let written = std::fs::read_to_string(case.golden_path())?;
    if written == laid_out(&outcome) {
        return Ok(());
    }
    let found = differences(&case.golden()?, &outcome);
    Err(format!("another outcome than the golden:\n  {}", found.join("\n  ")).into())
}
