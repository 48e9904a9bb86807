//! What is to be done about one webhook subscription at a source: from what is wanted, what was kept of it, and what the
//! source lists. Decides only; whoever sends keeps to the order, in which nothing is made before all else is removed.

use std::time::Duration;

use crate::Timestamp;

/// One that the source lists, ours or somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub id: String,
    pub url: String,
    /// False: it is there, but the source sends nothing.
    pub is_active: bool,
}

/// What was kept of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept<'a> {
    /// `None`: a creation was begun, and its end is not known.
    pub id: Option<&'a str>,
    /// Where it was to send.
    pub url: &'a str,
    /// When it was made, or last prolonged.
    pub renewed_at: Timestamp,
}

/// All that counts for one place of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// Where webhooks are to come; `None`: none are wanted any more.
    pub callback: Option<&'a str>,
    pub kept: Option<Kept<'a>>,
    /// `None`: the source lists none.
    pub listed: Option<&'a [Listed]>,
    /// Ids that are kept for other places: some sources have one list for all.
    pub elsewhere: &'a [&'a str],
    /// The secret of one whose id was not kept is known all the same.
    pub recoverable: bool,
    /// The connector says how one is ended.
    pub removable: bool,
    pub renew_every: Option<Duration>,
    pub now: Timestamp,
}

/// Why something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    Fine,
    /// It ends unless it is prolonged.
    Due,
    /// There was none before.
    New,
    /// The source has it no longer.
    Missing,
    /// The source sends nothing by it.
    Disabled,
    /// It sends to another address than is wanted.
    Astray,
    Unwanted,
}

impl Finding {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Due => "due",
            Self::New => "new",
            Self::Missing => "missing",
            Self::Disabled => "disabled",
            Self::Astray => "astray",
            Self::Unwanted => "unwanted",
        }
    }
}

/// What comes after everything that is to be removed is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Then {
    Keep,
    Renew,
    /// It is ours, made by somebody who could not write it down.
    Adopt(String),
    Create,
    /// Nothing is left of it.
    Forget,
    /// One stands in the way that only a person can remove.
    Stuck,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub finding: Finding,
    /// Ids, all of them ours by the address that they send to.
    pub remove: Vec<String>,
    pub then: Then,
}

/// Decides. Whatever the source lists with an address that was never ours is left alone.
#[must_use]
pub fn decide(situation: &Situation<'_>) -> Decision {
    let finding = situation.finding();
    let decision = match (finding, situation.kept.and_then(|kept| kept.id)) {
        (Finding::Unwanted, _) => Decision { finding, remove: situation.ours(None), then: Then::Forget },
        (Finding::Fine | Finding::Due, id) => {
            let then = if finding == Finding::Due { Then::Renew } else { Then::Keep };
            // A second one for the same place tells everything twice.
            let remove = if situation.removable { situation.ours(id) } else { Vec::new() };
            return Decision { finding, remove, then };
        }
        _ => {
            let adopted = situation.adoptable();
            let remove = situation.ours(adopted.as_deref());
            Decision { finding, remove, then: adopted.map_or(Then::Create, Then::Adopt) }
        }
    };
    if decision.remove.is_empty() || situation.removable {
        return decision;
    }
    Decision { remove: Vec::new(), then: Then::Stuck, ..decision }
}

impl Situation<'_> {
    fn finding(&self) -> Finding {
        let Some(callback) = self.callback else { return Finding::Unwanted };
        let Some(Kept { id: Some(id), url, renewed_at }) = self.kept else { return Finding::New };
        let is_due = || self.renew_every.is_some_and(|every| renewed_at + every <= self.now);
        let at = match self.listed {
            None => Some((url, true)),
            Some(listed) => listed.iter().find(|one| one.id == id).map(|one| (one.url.as_str(), one.is_active)),
        };
        match at {
            None => Finding::Missing,
            Some((url, _)) if !same_address(url, callback) => Finding::Astray,
            Some((_, false)) => Finding::Disabled,
            Some(_) if is_due() => Finding::Due,
            Some(_) => Finding::Fine,
        }
    }

    /// Ids of what is ours by its address, now or formerly, but for one; unlisted, the one that was kept.
    fn ours(&self, but: Option<&str>) -> Vec<String> {
        let Some(listed) = self.listed else {
            let kept = self.kept.and_then(|kept| kept.id).filter(|id| Some(*id) != but);
            return kept.map(str::to_owned).into_iter().collect();
        };
        let addresses = self.callback.into_iter().chain(self.kept.map(|kept| kept.url));
        let is_ours = |one: &&Listed| {
            Some(one.id.as_str()) != but
                && !self.elsewhere.contains(&one.id.as_str())
                && addresses.clone().any(|address| same_address(&one.url, address))
        };
        listed.iter().filter(is_ours).map(|one| one.id.clone()).collect()
    }

    fn adoptable(&self) -> Option<String> {
        let callback = self.callback.filter(|_| self.recoverable)?;
        let stands = |one: &&Listed| {
            one.is_active && same_address(&one.url, callback) && !self.elsewhere.contains(&one.id.as_str())
        };
        self.listed?.iter().find(stands).map(|one| one.id.clone())
    }
}

/// Whether two texts are one address: sources write the scheme, the host, its usual port and the last slash as they like.
fn same_address(one: &str, other: &str) -> bool {
    one == other || plain(one) == plain(other)
}

fn plain(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(usual).unwrap_or(&host);
    format!("{scheme}://{host}{}", path.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "https://hooks.example/in/shop";
    const FORMER: &str = "https://old.example/in/shop";
    const THEIRS: &str = "https://somebody.example/hook";
    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn listed(all: &[(&str, &str, bool)]) -> Vec<Listed> {
        let one = |(id, url, is_active): &(&str, &str, bool)| Listed {
            id: (*id).to_owned(),
            url: (*url).to_owned(),
            is_active: *is_active,
        };
        all.iter().map(one).collect()
    }

    fn kept(id: Option<&'static str>, url: &'static str) -> Option<Kept<'static>> {
        Some(Kept { id, url, renewed_at: NOW - DAY })
    }

    fn plain_situation<'a>(kept: Option<Kept<'a>>, listed: Option<&'a [Listed]>) -> Situation<'a> {
        Situation {
            callback: Some(OURS),
            kept,
            listed,
            elsewhere: &[],
            recoverable: false,
            removable: true,
            renew_every: None,
            now: NOW,
        }
    }

    #[track_caller]
    fn check(situation: &Situation<'_>, finding: Finding, remove: &[&str], then: Then) {
        let remove = remove.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(decide(situation), Decision { finding, remove, then });
    }

    /// What was kept, what is listed, and what follows from both.
    type Case<'a> = (Option<Kept<'static>>, &'a [(&'a str, &'a str, bool)], Finding, &'a [&'a str], Then);

    #[test]
    fn what_is_listed_decides_what_becomes_of_what_was_kept() {
        let (s1, begun) = (kept(Some("s1"), OURS), kept(None, OURS));
        let cases: &[Case<'_>] = &[
            (None, &[], Finding::New, &[], Then::Create),
            (None, &[("x", THEIRS, true)], Finding::New, &[], Then::Create),
            (None, &[("o", OURS, true)], Finding::New, &["o"], Then::Create),
            (begun, &[("o", OURS, true), ("x", THEIRS, false)], Finding::New, &["o"], Then::Create),
            (s1, &[("s1", OURS, true)], Finding::Fine, &[], Then::Keep),
            (s1, &[("s1", "HTTPS://Hooks.Example:443/in/shop/", true)], Finding::Fine, &[], Then::Keep),
            (s1, &[("s1", OURS, true), ("s2", OURS, true)], Finding::Fine, &["s2"], Then::Keep),
            (s1, &[], Finding::Missing, &[], Then::Create),
            (s1, &[("s2", OURS, true)], Finding::Missing, &["s2"], Then::Create),
            (s1, &[("s1", OURS, false)], Finding::Disabled, &["s1"], Then::Create),
            // Somebody gave it another address: it is theirs now.
            (s1, &[("s1", THEIRS, true)], Finding::Astray, &[], Then::Create),
            (kept(Some("s1"), FORMER), &[("s1", FORMER, true)], Finding::Astray, &["s1"], Then::Create),
            (kept(Some("s1"), FORMER), &[("s2", FORMER, true)], Finding::Missing, &["s2"], Then::Create),
        ];
        for (kept, list, finding, remove, then) in cases {
            let list = listed(list);
            check(&plain_situation(*kept, Some(&list)), *finding, remove, then.clone());
        }
    }

    #[test]
    fn one_whose_secret_can_be_known_is_adopted_and_no_second_made() {
        let list = listed(&[("off", OURS, false), ("o", OURS, true), ("p", OURS, true), ("x", THEIRS, true)]);
        let situation = Situation { recoverable: true, ..plain_situation(None, Some(&list)) };
        check(&situation, Finding::New, &["off", "p"], Then::Adopt("o".to_owned()));
        let lost = Situation { kept: kept(Some("s1"), OURS), ..situation };
        check(&lost, Finding::Missing, &["off", "p"], Then::Adopt("o".to_owned()));
    }

    #[test]
    fn what_is_kept_for_another_place_is_neither_adopted_nor_removed() {
        let list = listed(&[("s1", OURS, true), ("s2", OURS, true)]);
        let others = ["s2"];
        let one = Situation { elsewhere: &others, ..plain_situation(kept(Some("s1"), OURS), Some(&list)) };
        check(&one, Finding::Fine, &[], Then::Keep);
        let next = Situation { elsewhere: &["s1", "s2"], recoverable: true, ..plain_situation(None, Some(&list)) };
        check(&next, Finding::New, &[], Then::Create);
    }

    #[test]
    fn a_source_that_lists_nothing_is_believed_to_have_what_was_made() {
        check(&plain_situation(kept(Some("s1"), OURS), None), Finding::Fine, &[], Then::Keep);
        check(&plain_situation(kept(Some("s1"), FORMER), None), Finding::Astray, &["s1"], Then::Create);
        check(&plain_situation(kept(None, OURS), None), Finding::New, &[], Then::Create);
    }

    #[test]
    fn it_is_prolonged_when_its_time_comes_and_only_if_it_stands() {
        let list = listed(&[("s1", OURS, true)]);
        let due =
            |every| Situation { renew_every: Some(every), ..plain_situation(kept(Some("s1"), OURS), Some(&list)) };
        check(&due(DAY), Finding::Due, &[], Then::Renew);
        check(&due(DAY + DAY), Finding::Fine, &[], Then::Keep);
        let gone = Situation { listed: Some(&[]), ..due(DAY) };
        check(&gone, Finding::Missing, &[], Then::Create);
    }

    #[test]
    fn what_is_not_wanted_is_removed_unless_it_is_somebody_elses_by_now() {
        let unwanted = |kept, listed| Situation { callback: None, ..plain_situation(kept, listed) };
        let (mine, theirs) = (listed(&[("s1", OURS, false), ("x", THEIRS, true)]), listed(&[("s1", THEIRS, true)]));
        check(&unwanted(kept(Some("s1"), OURS), Some(&mine)), Finding::Unwanted, &["s1"], Then::Forget);
        check(&unwanted(kept(None, OURS), Some(&mine)), Finding::Unwanted, &["s1"], Then::Forget);
        check(&unwanted(kept(Some("s1"), OURS), Some(&theirs)), Finding::Unwanted, &[], Then::Forget);
        check(&unwanted(kept(Some("s1"), OURS), Some(&[])), Finding::Unwanted, &[], Then::Forget);
        check(&unwanted(kept(Some("s1"), OURS), None), Finding::Unwanted, &["s1"], Then::Forget);
    }

    #[test]
    fn where_none_can_be_removed_no_second_is_made_and_what_stands_stays() {
        let (off, two) = (listed(&[("s1", OURS, false)]), listed(&[("s1", OURS, true), ("s2", OURS, true)]));
        let stuck = |listed| Situation { removable: false, ..plain_situation(kept(Some("s1"), OURS), Some(listed)) };
        check(&stuck(&off), Finding::Disabled, &[], Then::Stuck);
        check(&stuck(&two), Finding::Fine, &[], Then::Keep);
        check(&stuck(&[]), Finding::Missing, &[], Then::Create);
    }
}
