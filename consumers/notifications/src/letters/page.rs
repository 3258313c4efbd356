//! One text in two forms: plain and HTML, from the same blocks, so that they never say different things.

use std::fmt::Write;

use crate::language::Language;

/// A piece of a letter. Everything in it is plain text, from whoever: escaping happens here, once.
pub(super) enum Block {
    Paragraph(String),
    /// Labels and values.
    Facts(Vec<(&'static str, String)>),
    /// The letter's picture; the text says what the plain form shows instead.
    Picture(&'static str),
    /// Something to be copied exactly.
    Code(String),
    /// Words, and where they lead. Left out unless it is an `http` or `https` address.
    Link(&'static str, String),
}

/// Who writes: the same on every letter of a box office.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letterhead {
    /// The name that the letter is signed with.
    pub name: String,
    /// Where a worried customer finds a person: an address or a telephone number.
    pub help: Option<String>,
}

/// A letter's text in one language.
pub struct Page {
    pub(super) language: Language,
    pub(super) title: String,
    pub(super) blocks: Vec<Block>,
}

impl Page {
    /// The subject, one line.
    pub fn subject(&self) -> String {
        line(&self.title)
    }

    /// The plain form.
    pub fn text(&self, letterhead: &Letterhead) -> String {
        let mut text = format!("{}\n\n", line(&self.title));
        for block in &self.blocks {
            match block {
                Block::Paragraph(words) => text.push_str(&line(words)),
                Block::Facts(facts) => {
                    let facts: Vec<_> = facts
                        .iter()
                        .map(|(label, value)| format!("{label}: {}", line(value)))
                        .collect();
                    text.push_str(&facts.join("\n"));
                }
                Block::Picture(instead) => text.push_str(instead),
                Block::Code(code) => text.push_str(&line(code)),
                Block::Link(words, url) if leads_to_the_web(url) => {
                    let _ = write!(text, "{words}: {}", line(url));
                }
                Block::Link(..) => continue,
            }
            text.push_str("\n\n");
        }
        if let Some(help) = &letterhead.help {
            let _ = write!(text, "{} {}\n\n", self.language.words().help, line(help));
        }
        let _ = writeln!(text, "{}", line(&letterhead.name));
        text
    }

    /// The HTML form; the picture is referred to by its Content-ID.
    pub fn html(&self, letterhead: &Letterhead, picture: Option<&str>) -> String {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
             <body style=\"margin:0 auto;max-width:36em;padding:1em;font-family:sans-serif;\
             line-height:1.5;color:#222;background:#fff\">\n<h1 style=\"font-size:1.3em\">{title}</h1>\n",
            self.language.tag(),
        );
        for block in &self.blocks {
            push_html(&mut html, block, picture);
        }
        if let Some(help) = &letterhead.help {
            let before = escaped(self.language.words().help);
            let _ = writeln!(html, "<p>{before} {}</p>", escaped(help));
        }
        let _ = writeln!(html, "<p>{}</p>\n</body></html>", escaped(&letterhead.name));
        html
    }
}

fn push_html(html: &mut String, block: &Block, picture: Option<&str>) {
    let _ = match block {
        Block::Paragraph(words) => writeln!(html, "<p>{}</p>", escaped(words)),
        Block::Facts(facts) => {
            html.push_str("<table style=\"border-spacing:0 0.2em\">\n");
            for (label, value) in facts {
                let _ = writeln!(
                    html,
                    "<tr><th style=\"text-align:left;vertical-align:top;padding-right:1em;\
                     font-weight:normal;color:#555\">{}</th><td>{}</td></tr>",
                    escaped(label),
                    escaped(value),
                );
            }
            writeln!(html, "</table>")
        }
        Block::Picture(instead) => match picture {
            Some(content_id) => writeln!(
                html,
                "<p><img src=\"cid:{}\" alt=\"{}\" width=\"320\" \
                 style=\"width:320px;max-width:100%\"></p>",
                escaped(content_id),
                escaped(instead),
            ),
            None => writeln!(html, "<p>{}</p>", escaped(instead)),
        },
        Block::Code(code) => writeln!(
            html,
            "<p><code style=\"font-size:0.8em;word-break:break-all\">{}</code></p>",
            escaped(code),
        ),
        Block::Link(words, url) if leads_to_the_web(url) => {
            writeln!(
                html,
                "<p><a href=\"{}\">{}</a></p>",
                escaped(url),
                escaped(words)
            )
        }
        Block::Link(..) => Ok(()),
    };
}

/// One line: control characters become spaces, and what turns the reading direction is left out, so that a
/// show's title cannot pretend to be something else.
pub(crate) fn line(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
        .map(|c| {
            if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
                ' '
            } else {
                c
            }
        })
        .collect()
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
    html
}

fn leads_to_the_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_text_stays_text() {
        let page = Page {
            language: Language::English,
            title: "<script>alert('1')</script>".into(),
            blocks: vec![
                Block::Facts(vec![("Show", "Tom & \"Jerry\"\r\nPaid: 0\u{202e}".into())]),
                Block::Link("Look", "javascript:alert(1)".into()),
                Block::Link("Status", "https://a.example/?a=1&b=\"2".into()),
            ],
        };
        let letterhead = Letterhead {
            name: "A<B".into(),
            help: None,
        };
        let html = page.html(&letterhead, None);
        assert!(!html.contains("<script") && !html.contains("javascript"));
        assert!(html.contains("Tom &amp; &quot;Jerry&quot;  Paid: 0</td>"));
        assert!(html.contains("href=\"https://a.example/?a=1&amp;b=&quot;2\""));
        assert!(html.contains("A&lt;B"));
        let text = page.text(&letterhead);
        assert!(text.contains("Show: Tom & \"Jerry\"  Paid: 0\n"));
        assert!(!text.contains("javascript"));
    }
}
