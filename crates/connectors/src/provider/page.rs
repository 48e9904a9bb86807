//! The catalogue as a page for people, made from the data alone: what each sender proves, and how to set it up.

use std::fmt::{self, Write as _};

use super::recipe::{Published, Recipe};

/// Where a source listens, in words that everyone replaces by their own.
pub const ADDRESS_TO_REPLACE: &str = "https://hooks.example/in";

const HEAD: &str = "# Senders

Every sender that comes with Trireme, made from `catalogue/providers` by the tests of `crates/connectors`; do not edit it by
hand. `trireme providers` lists the same, and `trireme providers show NAME` one of them.

**Proves** is what a verified request of the sender proves, and stands on every event as its `assurance`: `body` every
byte, `partial` the fields that are signed, `origin` who sent it but not what, `shared` only that somebody knew a
secret, `none` nothing. A route can ask for a level with `assurance`. *Thin* events only say that something changed;
*batched* requests hold many. What is said of retries is dated, advisory, and nothing depends on it.
";

/// The whole page, as Markdown.
#[must_use]
pub fn page<'r>(recipes: impl Iterator<Item = &'r Recipe> + Clone) -> String {
    let mut text = HEAD.to_owned();
    let confirmed = recipes.clone().filter(|recipe| recipe.is_confirmed()).count();
    let written = write_table(&mut text, confirmed, recipes.clone())
        .and_then(|()| recipes.clone().try_for_each(|recipe| write_sender(&mut text, recipe)));
    written.expect("a String takes any text");
    text
}

fn write_table<'r>(text: &mut String, confirmed: usize, recipes: impl Iterator<Item = &'r Recipe>) -> fmt::Result {
    writeln!(
        text,
        "\n{confirmed} of them follow the sender's own documentation, its SDK, or two sources that agree.\n"
    )?;
    writeln!(text, "| sender | `provider` | proves | events | status |\n|---|---|---|---|---|")?;
    for recipe in recipes {
        let (title, name) = (recipe.title(), recipe.name());
        let (proves, events) = (proves(recipe), events(recipe));
        writeln!(text, "| [{title}](#{name}) | `{name}` | {proves} | {events} | {} |", status(recipe))?;
    }
    Ok(())
}

fn proves(recipe: &Recipe) -> &'static str {
    recipe.assurance(&recipe.settings_to_start_with()).map_or("by its settings", domain::Assurance::as_str)
}

fn events(recipe: &Recipe) -> String {
    let words = [(recipe.is_thin(), "thin"), (recipe.is_batched(), "batched")];
    words.iter().filter_map(|(is, word)| is.then_some(*word)).collect::<Vec<_>>().join(", ")
}

fn status(recipe: &Recipe) -> &'static str {
    if recipe.is_confirmed() { "" } else { "unconfirmed" }
}

fn write_sender(text: &mut String, recipe: &Recipe) -> fmt::Result {
    let name = recipe.name();
    writeln!(text, "\n## {name}\n\n{} · [its documentation]({})\n", recipe.title(), recipe.docs())?;
    for scheme in recipe.schemes(&recipe.settings_to_start_with()).unwrap_or_default() {
        writeln!(text, "- Verified: {}.", scheme.text.replace('|', "\\|"))?;
    }
    for (role, about) in recipe.roles() {
        writeln!(text, "- Secret `{role}`: {about}.")?;
    }
    if let Some(role) = recipe.pairs() {
        writeln!(
            text,
            "- Pairs: the sender hands the `{role}` secret over while a person lets the source wait for it."
        )?;
    }
    if recipe.proposes() {
        writeln!(
            text,
            "- Asks: the sender wants an address of its own opened before it sends, which a person approves."
        )?;
    }
    for (setting, about, default) in recipe.settings() {
        let default = default.map(|default| format!(" (default `{default}`)")).unwrap_or_default();
        writeln!(text, "- Setting `{setting}`: {about}{default}.")?;
    }
    for weakness in recipe.weaknesses() {
        writeln!(text, "- Beware: {weakness}.")?;
    }
    write_facts(text, recipe)?;
    write_setup(text, recipe)
}

fn write_facts(text: &mut String, recipe: &Recipe) -> fmt::Result {
    let facts = recipe.facts();
    if let Some(retries) = facts.retries {
        writeln!(text, "- Retries: {retries} ([read {}]({})).", facts.as_of, facts.source)?;
    }
    if let Some(deadline) = recipe.reply_contract().deadline {
        writeln!(text, "- Waits {} s for its answer.", deadline.as_secs_f32())?;
    }
    match recipe.published_addresses() {
        Some(Published::List { url, .. }) => writeln!(text, "- Sends from the addresses in [its list]({url}).")?,
        Some(Published::Page(url)) => writeln!(text, "- Names its addresses [on a page]({url}).")?,
        None => {}
    }
    facts.notes.iter().try_for_each(|note| writeln!(text, "- {}", note.trim_end()))
}

fn write_setup(text: &mut String, recipe: &Recipe) -> fmt::Result {
    let name = recipe.name();
    let steps: Vec<String> = recipe.setup(&format!("{ADDRESS_TO_REPLACE}/{name}")).collect();
    if !steps.is_empty() {
        writeln!(text, "\nTo set it up:\n")?;
    }
    for (number, step) in (1..).zip(&steps) {
        writeln!(text, "{number}. {step}")?;
    }
    writeln!(text, "\n```yaml\n{}\n```", recipe.configuration(name))
}
