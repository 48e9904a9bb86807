//! Where the keys of a sender may be fetched from: whole hosts by https, and paths of one form. Nothing is normalised,
//! so nothing is read differently later.

use std::fmt;

/// Longest address of a key: senders' are a tenth of it.
const URL_BYTES_MAX: usize = 2 * 1024;

/// Stands for one label of a host.
const ANY_LABEL: &str = "{label}";
/// Stands for one label that has the form of a cloud's region, such as `eu-central-1`. Where buckets are hosts too,
/// `sns.s3-eu-central-1.amazonaws.com` is whoever owns the bucket `sns`.
const REGION: &str = "{region}";
/// Stands for letters, digits, `-` and `_` of a path.
const WORD: &str = "{word}";

/// The addresses that keys may come from.
#[derive(Debug)]
pub(crate) struct Anchor {
    pub hosts: Vec<HostPattern>,
    /// Any path, if none is given.
    pub path: Option<PathPattern>,
}

impl Anchor {
    /// Whether a key may be fetched from an address: by https, at the default port, of a host that is written out
    /// exactly as one of the patterns allows.
    pub fn allows(&self, url: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>');
        if url.len() > URL_BYTES_MAX || !url.bytes().all(plain) {
            return false;
        }
        let Some(rest) = url.strip_prefix("https://") else { return false };
        let Some((host, path)) = rest.split_once('/') else { return false };
        let climbs = path.split('/').any(|part| matches!(part, "." | ".."));
        let fits = self.path.as_ref().is_none_or(|pattern| pattern.matches(path));
        !climbs && fits && self.hosts.iter().any(|pattern| pattern.matches(host))
    }
}

/// A whole host name in which some labels may vary. The last two never do: they are who owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPattern(Vec<Label>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Label {
    Any,
    Region,
    Fixed(Box<str>),
}

impl HostPattern {
    pub fn parse(text: &str) -> Option<Self> {
        let label = |label: &str| match label {
            ANY_LABEL => Some(Label::Any),
            REGION => Some(Label::Region),
            label => is_label(label).then(|| Label::Fixed(label.into())),
        };
        let labels: Vec<Label> = text.split('.').map(label).collect::<Option<_>>()?;
        let owned = labels.len() >= 2 && labels.iter().rev().take(2).all(|label| matches!(label, Label::Fixed(_)));
        owned.then_some(Self(labels))
    }

    pub fn matches(&self, host: &str) -> bool {
        let labels: Vec<&str> = host.split('.').collect();
        let fits = |(wanted, label): (&Label, &&str)| match wanted {
            Label::Any => is_label(label),
            Label::Region => is_region(label),
            Label::Fixed(wanted) => **wanted == **label,
        };
        labels.len() == self.0.len() && self.0.iter().zip(&labels).all(fits)
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, label) in self.0.iter().enumerate() {
            let label = match label {
                Label::Any => ANY_LABEL,
                Label::Region => REGION,
                Label::Fixed(label) => label,
            };
            write!(f, "{}{label}", if index == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// A whole path in which `{word}` may vary: no query, and no other folder. An empty one matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathPattern(Vec<Box<str>>);

impl PathPattern {
    /// The texts between the words, the first of them without its slash.
    pub fn parse(text: &str) -> Option<Self> {
        let fixed: Vec<Box<str>> = text.strip_prefix('/')?.split(WORD).map(Into::into).collect();
        let plain = |text: &str| text.bytes().all(|byte| is_word_byte(byte) || matches!(byte, b'/' | b'.'));
        // Two words beside each other could be read in many ways.
        let apart = fixed.len() < 3 || fixed[1..fixed.len() - 1].iter().all(|text| !text.is_empty());
        (apart && fixed.iter().all(|text| plain(text))).then_some(Self(fixed))
    }

    /// Whether it stands for more than one path.
    pub fn varies(&self) -> bool {
        self.0.len() > 1
    }

    fn matches(&self, path: &str) -> bool {
        let Some((first, others)) = self.0.split_first() else { return false };
        let Some(mut rest) = path.strip_prefix(&**first) else { return false };
        for fixed in others {
            let word = rest.bytes().take_while(|byte| is_word_byte(*byte)).count();
            let after = rest.get(word..).and_then(|after| after.strip_prefix(&**fixed));
            let Some(after) = after.filter(|_| word > 0) else { return false };
            rest = after;
        }
        rest.is_empty()
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
}

/// Words of letters and a number at the end: `us-east-1`, `us-gov-west-1`.
fn is_region(label: &str) -> bool {
    let Some((words, number)) = label.rsplit_once('-') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && words.contains('-') && words.split('-').all(is_word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn anchor(hosts: &[&str], path: Option<&str>) -> Anchor {
        let hosts = hosts.iter().map(|host| HostPattern::parse(host).expect("a pattern")).collect();
        Anchor { hosts, path: path.map(|path| PathPattern::parse(path).expect("a pattern")) }
    }

    fn any_path() -> Anchor {
        anchor(&["sns.{region}.amazonaws.com", "keys.{label}.example.com", "keys.example.com"], None)
    }

    #[test]
    fn keys_come_from_whole_hosts_by_https() {
        for url in [
            "https://sns.us-east-1.amazonaws.com/cert.pem",
            "https://sns.us-gov-west-1.amazonaws.com/cert.pem",
            "https://keys.example.com/a/b?c=d",
            "https://keys.s3-eu.example.com/a",
        ] {
            assert!(any_path().allows(url), "{url}");
        }
    }

    #[test]
    fn threat_07_no_other_address_is_fetched() {
        for url in [
            "http://keys.example.com/a",
            "HTTPS://keys.example.com/a",
            "https://keys.example.com",
            "https://keys.example.com:443/a",
            "https://keys.example.com:8443/a",
            "https://keys.example.com./a",
            "https://KEYS.example.com/a",
            "https://user@keys.example.com/a",
            "https://keys.example.com@evil.example/a",
            "https://evil.example/keys.example.com/",
            "https://evil.example#keys.example.com/",
            "https://evil.example\\@keys.example.com/",
            "https://keys.example.com\t/a",
            "https://keys.example.com/../a",
            "https://keys.example.com.evil.example/a",
            "https://xkeys.example.com/a",
            "https://sns.us-east-1.amazonaws.com.evil/a",
            "https://sns.a.b.amazonaws.com/a",
            "https://sns..amazonaws.com/a",
            "https://sns.amazonaws.com/a",
            "https://sns.s3.amazonaws.com/a",
            "https://sns.s3-us-west-2.amazonaws.com/a",
            "https://sns.s3-website-us-east-1.amazonaws.com/a",
            "https://sns.x.amazonaws.com/a",
            "https://sns.us-east-1\u{3002}amazonaws.com/a",
            "https://sns.\u{ff41}.amazonaws.com/a",
            "https://keys.xn--e1afmkfd-.example.com/a",
            "https://127.0.0.1/a",
            "https://[::1]/a",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!any_path().allows(url), "{url}");
        }
        assert!(!any_path().allows(&format!("https://keys.example.com/{}", "a".repeat(URL_BYTES_MAX))));
    }

    #[test]
    fn threat_07_a_path_is_of_the_recipes_form_to_its_end() {
        let anchor = anchor(&["keys.example.com"], Some("/{word}/certs/Key-{word}.pem"));
        for (path, allowed) in [
            ("v1/certs/Key-a_b-9.pem", true),
            ("v1/certs/Key-.pem", false),
            ("v1/certs/Key-a.pem/", false),
            ("v1/certs/Key-a.pem?x=-----BEGIN", false),
            ("v1/certs/Key-a%2f.pem", false),
            ("v1/x/certs/Key-a.pem", false),
            ("?Action=/certs/Key-a.pem", false),
            ("certs/Key-a.pem", false),
            ("", false),
        ] {
            assert_eq!(anchor.allows(&format!("https://keys.example.com/{path}")), allowed, "{path}");
        }
    }

    #[test]
    fn patterns_leave_no_owner_and_no_path_open() {
        for pattern in
            ["{label}.com", "com", "*.example.com", "a.{label}", "a.{region}", "Keys.example.com", "", "a..com"]
        {
            assert_eq!(HostPattern::parse(pattern), None, "{pattern}");
        }
        for pattern in ["a", "/a?b", "/{word}{word}", "/{label}", "/a b"] {
            assert_eq!(PathPattern::parse(pattern), None, "{pattern}");
        }
        let shown = HostPattern::parse("sns.{region}.{label}.example.com").map(|pattern| pattern.to_string());
        assert_eq!(shown.as_deref(), Some("sns.{region}.{label}.example.com"));
    }

    proptest! {
        #[test]
        fn no_text_panics(url: String, path: String) {
            let _ = any_path().allows(&url);
            let _ = anchor(&["keys.example.com"], Some("/{word}.pem")).allows(&format!("https://keys.example.com/{path}"));
        }
    }
}
