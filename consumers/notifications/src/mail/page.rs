//! One text in two forms: plain and HTML, from the same blocks, so that they never say different things.

use std::fmt::Write;

use super::letter::{Language, Letterhead, Picture};

/// A piece of a letter. Everything in it is plain text, from whoever: escaping happens here, once.
pub(crate) enum Block {
    Paragraph(String),
    /// Labels and values.
    Facts(Vec<(&'static str, String)>),
    /// A picture of the letter, by its index; the text says what the plain form shows instead.
    Picture(usize, &'static str),
    /// Something to be copied exactly.
    Code(String),
    /// Words, and where they lead. Left out unless it is an `http` or `https` address.
    Link(&'static str, String),
}

pub(crate) struct Page {
    pub language: Language,
    pub title: String,
    pub blocks: Vec<Block>,
    /// What stands before the address where help is found.
    pub help: &'static str,
}

impl Page {
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
                Block::Picture(_, instead) => text.push_str(instead),
                Block::Code(code) => text.push_str(&line(code)),
                Block::Link(words, url) if leads_to_the_web(url) => {
                    let _ = write!(text, "{words}: {}", line(url));
                }
                Block::Link(..) => continue,
            }
            text.push_str("\n\n");
        }
        if let Some(help) = &letterhead.help {
            let _ = write!(text, "{} {}\n\n", self.help, line(help));
        }
        let _ = writeln!(text, "{}", line(&letterhead.name));
        text
    }

    /// The HTML form; pictures are referred to by their `cid:`.
    pub fn html(&self, letterhead: &Letterhead, pictures: &[Picture]) -> String {
        let title = escaped(&self.title);
        let mut html = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
             <body style=\"margin:0 auto;max-width:36em;padding:1em;font-family:sans-serif;\
             line-height:1.5;color:#222;background:#fff\">\n<h1 style=\"font-size:1.3em\">{title}</h1>\n",
            self.language.tag(),
        );
        for block in &self.blocks {
            self.push_html(&mut html, block, pictures);
        }
        if let Some(help) = &letterhead.help {
            let _ = writeln!(html, "<p>{} {}</p>", escaped(self.help), escaped(help));
        }
        let _ = writeln!(html, "<p>{}</p>\n</body></html>", escaped(&letterhead.name));
        html
    }

    fn push_html(&self, html: &mut String, block: &Block, pictures: &[Picture]) {
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
            Block::Picture(at, instead) => match pictures.get(*at) {
                Some(picture) => writeln!(
                    html,
                    "<p><img src=\"cid:{}\" alt=\"{}\" width=\"320\" \
                     style=\"width:320px;max-width:100%\"></p>",
                    escaped(&picture.content_id),
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
            help: "Help:",
        };
        let letterhead = Letterhead {
            name: "A<B".into(),
            help: None,
        };
        let html = page.html(&letterhead, &[]);
        assert!(!html.contains("<script") && !html.contains("javascript"));
        assert!(html.contains("Tom &amp; &quot;Jerry&quot;  Paid: 0</td>"));
        assert!(html.contains("href=\"https://a.example/?a=1&amp;b=&quot;2\""));
        assert!(html.contains("A&lt;B"));
        let text = page.text(&letterhead);
        assert!(text.contains("Show: Tom & \"Jerry\"  Paid: 0\n"));
        assert!(!text.contains("javascript"));
    }
}
