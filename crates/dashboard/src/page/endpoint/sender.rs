//! Choosing whose webhooks an endpoint takes: the sender first, then what that sender is verified by.

use domain::SourceName;
use engine::topology::Source;
use maud::{Markup, html};

use crate::desk::Desk;
use crate::list::said;
use crate::part::form::{choice, field, secret};

pub(super) fn choose(desk: &Desk, name: &SourceName, source: &Source, wanted: &str, url: &str) -> Markup {
    let topology = desk.engine.topology();
    let catalogue = topology.catalogue();
    let now = source.spec.webhook.as_ref().map(|webhook| webhook.provider.clone()).unwrap_or_default();
    let wanted = said(wanted).filter(|wanted| catalogue.get(wanted).is_some());
    let mut senders: Vec<_> =
        catalogue.recipes().map(|(_, recipe)| (recipe.name().to_owned(), recipe.title().to_owned())).collect();
    senders.sort_by_key(|(_, title)| title.to_lowercase());
    html! {
        details open[wanted.is_some()] id="sender" { summary { "Who sends to it" }
            section.card {
                form.row method="get" action={ "/endpoints/" (name) "#sender" } {
                    (choice("Sender", "sender", &senders, wanted.unwrap_or(&now)))
                    button type="submit" { "Choose" }
                }
                @if let Some(recipe) = wanted.and_then(|wanted| catalogue.get(wanted)) {
                    h2 { (recipe.title()) }
                    ol { @for step in recipe.setup(url) { li { (step) } } }
                    form.stackform method="post" action={ "/endpoints/" (name) "/sender" } {
                        input type="hidden" name="provider" value=(recipe.name());
                        @for (role, about) in recipe.roles() {
                            (secret(&format!("{} secret: {about}", role.as_str()), &format!("secret.{}", role.as_str())))
                        }
                        @for (setting, about, default) in recipe.settings() {
                            (field(&format!("{setting}: {about}"), &format!("setting.{setting}"), "", default.unwrap_or_default()))
                        }
                        @for weak in recipe.weaknesses() { p.note { (weak) } }
                        button.main type="submit" { "Take only what " (recipe.title()) " sent" }
                    }
                }
            }
        }
    }
}
