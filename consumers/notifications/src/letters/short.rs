//! Short messages: how much room they take, and how a long title is made to fit.

use super::line;

/// No short message takes more segments than this.
pub const MOST_SEGMENTS: usize = 2;

/// Longer titles are cut in any case, in characters.
const LONGEST_TITLE: usize = 60;

/// How a text travels as SMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Seven bits a character: 160 in a message, 153 in each of several.
    Gsm7,
    /// Sixteen bits a unit, as soon as one character is not in the GSM alphabet: 70 in a message, 67 in each of
    /// several.
    Ucs2,
}

impl Encoding {
    /// What fits into one message, and into each of several.
    const fn room(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }
}

/// How a text travels as SMS, and in how many segments (3GPP TS 23.038 and 23.040, without national language
/// tables). A character is never cut in two.
pub fn segments(text: &str) -> (Encoding, usize) {
    let sevens: Option<Vec<usize>> = text.chars().map(gsm7_units).collect();
    let (encoding, units) = match sevens {
        Some(units) => (Encoding::Gsm7, units),
        None => (
            Encoding::Ucs2,
            text.chars().map(char::len_utf16).collect::<Vec<_>>(),
        ),
    };
    let (alone, each) = encoding.room();
    if units.iter().sum::<usize>() <= alone {
        return (encoding, 1);
    }
    let (mut count, mut used) = (1, 0);
    for units in units {
        if used + units > each {
            count += 1;
            used = 0;
        }
        used += units;
    }
    (encoding, count)
}

/// Septets of a character of the GSM alphabet; its extension takes an escape before each.
fn gsm7_units(c: char) -> Option<usize> {
    const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
                         ¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
    const EXTENSION: &str = "^{}\\[~]|€\u{c}";
    if BASIC.contains(c) {
        Some(1)
    } else if EXTENSION.contains(c) {
        Some(2)
    } else {
        None
    }
}

/// Writes `text` around a show's title that is shortened as far as needed to fit [`MOST_SEGMENTS`].
pub(super) fn fitted(title: &str, text: impl Fn(&str) -> String) -> String {
    let whole: Vec<char> = line(title).trim().chars().collect();
    let mut kept = whole.len().min(LONGEST_TITLE);
    loop {
        let mut shown: String = whole.iter().take(kept).collect();
        if kept < whole.len() {
            shown.truncate(shown.trim_end().len());
            shown.push_str("..");
        }
        let written = text(&shown);
        if kept == 0 || segments(&written).1 <= MOST_SEGMENTS {
            return written;
        }
        kept -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_a_network_does() {
        for (text, expected) in [
            (String::new(), (Encoding::Gsm7, 1)),
            ("a".repeat(160), (Encoding::Gsm7, 1)),
            ("a".repeat(161), (Encoding::Gsm7, 2)),
            ("a".repeat(306), (Encoding::Gsm7, 2)),
            ("a".repeat(307), (Encoding::Gsm7, 3)),
            ("€".repeat(80), (Encoding::Gsm7, 1)),
            // 153 is odd: an escaped character does not fit into the last septet of a segment.
            ("€".repeat(152), (Encoding::Gsm7, 2)),
            ("€".repeat(153), (Encoding::Gsm7, 3)),
            ("₹".repeat(70), (Encoding::Ucs2, 1)),
            ("₹".repeat(71), (Encoding::Ucs2, 2)),
            ("ह".repeat(134), (Encoding::Ucs2, 2)),
            ("ह".repeat(135), (Encoding::Ucs2, 3)),
            // Two units each, and 67 is odd.
            ("🎭".repeat(35), (Encoding::Ucs2, 1)),
            ("🎭".repeat(66), (Encoding::Ucs2, 2)),
            ("🎭".repeat(67), (Encoding::Ucs2, 3)),
            (format!("{}`", "a".repeat(70)), (Encoding::Ucs2, 2)),
        ] {
            assert_eq!(segments(&text), expected, "{} of {text}", text.len());
        }
    }

    #[test]
    fn a_title_gives_way() {
        let text = |title: &str| format!("{}{title}.", "a".repeat(290));
        assert_eq!(fitted("Rosmersholm", text), text("Rosmersholm"));
        let long = "Night and day and night";
        assert_eq!(fitted(long, text), text("Night and day.."));
        assert_eq!(segments(&fitted(long, text)).1, 2);
        let too_long = |title: &str| format!("{}{title}", "a".repeat(400));
        assert_eq!(fitted(long, too_long), too_long(".."));
        let cut = fitted(&"x".repeat(500), str::to_owned);
        assert_eq!(cut.chars().count(), LONGEST_TITLE + 2);
        assert_eq!(fitted("a\r\nb", str::to_owned), "a  b");
    }
}
