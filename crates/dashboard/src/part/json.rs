//! JSON laid out for reading. Numbers, repeated names and their order stay as they came: what is looked into is often
//! just that. It never changes what a text means, and lays out nothing that is no JSON.

use serde::de::IgnoredAny;

use super::length_of;

/// JSON on lines of its own; `None` where it is none, or would take more than so many bytes of a page.
pub(crate) fn laid_out(bytes: &[u8], most: usize) -> Option<String> {
    serde_json::from_slice::<IgnoredAny>(bytes).ok()?;
    let mut rest = std::str::from_utf8(bytes).ok()?.trim_start();
    let mut out = Lines { text: String::with_capacity(rest.len() * 2), depth: 0 };
    while let Some(first) = rest.chars().next() {
        let length = out.take(first, rest);
        rest = rest[length..].trim_start();
        // What is nested deep grows with its square.
        if out.text.len() > most {
            return None;
        }
    }
    Some(out.text).filter(|text| length_of(text) <= most)
}

struct Lines {
    text: String,
    depth: usize,
}

impl Lines {
    /// Takes the token with which the text begins; gives its length.
    fn take(&mut self, first: char, text: &str) -> usize {
        match first {
            '{' | '[' => return self.open(first, text),
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.line();
                self.text.push(first);
            }
            ',' => {
                self.text.push(',');
                self.line();
            }
            ':' => self.text.push_str(": "),
            '"' => {
                let length = length_of_text(text);
                self.text.push_str(&readable(&text[..length]));
                return length;
            }
            _ => {
                let length = text.find(|letter: char| ",:]}".contains(letter) || letter.is_whitespace());
                let length = length.unwrap_or(text.len());
                self.text.push_str(&text[..length]);
                return length;
            }
        }
        first.len_utf8()
    }

    /// What is empty stays on its line.
    fn open(&mut self, first: char, text: &str) -> usize {
        self.text.push(first);
        let within = &text[1..];
        if let Some(last) = within.trim_start().chars().next().filter(|last| "}]".contains(*last)) {
            self.text.push(last);
            return text.len() - within.trim_start().len() + 1;
        }
        self.depth += 1;
        self.line();
        1
    }

    fn line(&mut self) {
        self.text.push('\n');
        self.text.extend(std::iter::repeat_n("  ", self.depth));
    }
}

/// Of a text with its quotes, which ends: that was looked at before.
fn length_of_text(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, letter)| {
        let ends = *letter == '"' && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

/// Letters instead of their escapes, where all of them stand for some.
fn readable(text: &str) -> String {
    let read = serde_json::from_str::<String>(text).and_then(|read| serde_json::to_string(&read));
    read.unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_told_as_it_came() {
        for (came, shown) in [
            ("12345678901234567890123", "12345678901234567890123"),
            (" [1.0,1e400, -0 ]", "[\n  1.0,\n  1e400,\n  -0\n]"),
            (r#"{"a":1,"a":2}"#, "{\n  \"a\": 1,\n  \"a\": 2\n}"),
            (r#"{ "a" : { } , "b":[ ],"c":null}"#, "{\n  \"a\": {},\n  \"b\": [],\n  \"c\": null\n}"),
            (r#"["\u00e9\/","a\"]{,:b\\",""]"#, "[\n  \"é/\",\n  \"a\\\"]{,:b\\\\\",\n  \"\"\n]"),
            (r#"["\ud800"]"#, "[\n  \"\\ud800\"\n]"),
            ("true", "true"),
        ] {
            assert_eq!(laid_out(came.as_bytes(), 1_000).as_deref(), Some(shown), "{came}");
        }
    }

    #[test]
    fn it_means_what_it_meant_and_is_laid_out_as_usual() {
        let value = serde_json::json!({ "a": [1, { "b": "x\n\"y" }, [], [[true]]], "c": {}, "d": "日本" });
        let usual = serde_json::to_string_pretty(&value).expect("JSON");
        assert_eq!(laid_out(value.to_string().as_bytes(), 1_000), Some(usual.clone()));
        assert_eq!(laid_out(usual.as_bytes(), 1_000), Some(usual));
    }

    #[test]
    fn what_is_no_json_or_takes_too_much_of_a_page_is_left_alone() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let quotes = serde_json::json!("\"".repeat(1_000)).to_string();
        for text in ["", "{", "[1,]", "a=b", "{} {}", "\"", deep.as_str(), quotes.as_str()] {
            assert_eq!(laid_out(text.as_bytes(), 5_000), None, "{text}");
        }
        assert_eq!(laid_out(b"\"\xff\"", 5_000), None);
    }
}
