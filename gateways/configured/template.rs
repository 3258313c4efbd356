//! What is signed, as text with places in it: `{timestamp}.{body}`.

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Itself.
    Text(String),
    /// The header with the time, as it was received.
    Timestamp,
    /// The header with the event's id, as it was received.
    Id,
    /// The raw body.
    Body,
    /// The configured address of the webhook.
    Url,
}

/// A template, in pieces.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// # Errors
    /// In words, what cannot be.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let place = rest.find(['{', '}']).unwrap_or(rest.len());
            let (before, from) = rest.split_at(place);
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            if from.is_empty() {
                break;
            }
            let (name, after) = from
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'))
                .ok_or_else(|| format!("`signed` has a brace without its other half: {text:?}"))?;
            pieces.push(match name {
                "timestamp" => Piece::Timestamp,
                "id" => Piece::Id,
                "body" => Piece::Body,
                "url" => Piece::Url,
                _ => {
                    return Err(format!(
                        "`signed` has {{{name}}}: it may have {{timestamp}}, {{id}}, {{body}} and {{url}}"
                    ));
                }
            });
            rest = after;
        }
        if pieces.iter().filter(|piece| **piece == Piece::Body).count() != 1 {
            return Err(
                "`signed` must have {body} once: what is not signed cannot be believed".into(),
            );
        }
        Ok(Self(pieces))
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_taken_to_pieces_and_mistakes_are_told() {
        let pieces = |text| Template::parse(text).map(|template| template.0);
        assert_eq!(pieces("{body}"), Ok(vec![Piece::Body]));
        assert_eq!(
            pieces("v0:{timestamp}:{body}\n{url}{id}"),
            Ok(vec![
                Piece::Text("v0:".into()),
                Piece::Timestamp,
                Piece::Text(":".into()),
                Piece::Body,
                Piece::Text("\n".into()),
                Piece::Url,
                Piece::Id,
            ])
        );
        for (text, words) in [
            ("", "{body} once"),
            ("{timestamp}.", "{body} once"),
            ("{body}{body}", "{body} once"),
            ("{body", "other half"),
            ("body}", "other half"),
            ("{body}.{host}", "{host}"),
            ("{{body}}", "{{body}"),
        ] {
            let told = pieces(text).unwrap_err();
            assert!(told.contains(words), "{told}");
        }
    }
}
