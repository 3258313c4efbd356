//! Seats from CSV: a first line that names the columns, then one line a seat.

use std::collections::HashMap;

use boxoffice_saga::identity::SeatName;
use csv::{ReaderBuilder, StringRecord, Trim};

use super::new_show::{InvalidShow, MOST_SEATS, NewSeat};

const COLUMNS: [&str; 5] = ["seat", "row", "number", "section", "price_minor"];

/// What is wrong with a CSV file, and where.
#[derive(Debug, thiserror::Error)]
pub enum InvalidCsv {
    /// The first line does not name the columns.
    #[error(
        "line 1: the first line must name the columns seat,row,number,section,price_minor, in any order; it lacks {0}"
    )]
    Column(&'static str),
    /// A line has more or fewer fields than the first, or is not UTF-8.
    #[error("line {line}: {what}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A field is not what it should be.
    #[error("line {line}, column {column}: {value:?} is not a whole number")]
    Number {
        /// Which line, from 1.
        line: u64,
        /// Which column.
        column: &'static str,
        /// What stands there.
        value: String,
    },
    /// A seat cannot be.
    #[error("line {line}: {what}")]
    Seat {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        what: InvalidShow,
    },
    /// A seat is there twice.
    #[error("line {line}: seat {seat:?} stands in line {before} already")]
    Twice {
        /// Which line, from 1.
        line: u64,
        /// Which seat.
        seat: SeatName,
        /// Where it stood before.
        before: u64,
    },
    /// More seats than a show has.
    #[error("line {0}: a show has at most {MOST_SEATS} seats")]
    TooMany(u64),
}

/// Reads seats from CSV (RFC 4180, UTF-8), with `seat,row,number,section,price_minor` as its first line.
///
/// # Errors
/// [`InvalidCsv`] for the first thing that is wrong.
pub fn seats_of_csv(bytes: &[u8]) -> Result<Vec<NewSeat>, InvalidCsv> {
    // Spreadsheets begin their files with a byte order mark.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|error| unreadable(&error))?;
    let mut places = [0; COLUMNS.len()];
    for (place, column) in places.iter_mut().zip(COLUMNS) {
        let found = header.iter().position(|name| name == column);
        *place = found.ok_or(InvalidCsv::Column(column))?;
    }
    let mut seats = Vec::new();
    let mut lines: HashMap<SeatName, u64> = HashMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(&error))?;
        let line = record.position().map_or(0, |start| line_of(bytes, start));
        if seats.len() == MOST_SEATS {
            return Err(InvalidCsv::TooMany(line));
        }
        let seat = seat(&record, places, line)?;
        if let Some(before) = lines.insert(seat.seat.clone(), line) {
            let seat = seat.seat;
            return Err(InvalidCsv::Twice { line, seat, before });
        }
        seats.push(seat);
    }
    Ok(seats)
}

/// The line of a record. Its position is that of the empty lines before it, which count too.
fn line_of(bytes: &[u8], start: &csv::Position) -> u64 {
    let at = usize::try_from(start.byte()).unwrap_or(bytes.len());
    let skipped = bytes.get(at..).unwrap_or_default().iter();
    let empty = skipped.take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let empty = empty.filter(|byte| **byte == b'\n').count();
    start.line() + u64::try_from(empty).unwrap_or(0)
}

fn seat(
    record: &StringRecord,
    places: [usize; COLUMNS.len()],
    line: u64,
) -> Result<NewSeat, InvalidCsv> {
    let [seat, row, number, section, price] = places.map(|place| record.get(place).unwrap_or(""));
    let not_a_number = |column, value: &str| InvalidCsv::Number {
        line,
        column,
        value: value.to_owned(),
    };
    let seat = NewSeat {
        seat: seat.to_owned(),
        row: row.to_owned(),
        number: number.parse().map_err(|_| not_a_number("number", number))?,
        section: section.to_owned(),
        price_minor: price
            .parse()
            .map_err(|_| not_a_number("price_minor", price))?,
    };
    seat.check()
        .map_err(|what| InvalidCsv::Seat { line, what })?;
    Ok(seat)
}

fn unreadable(error: &csv::Error) -> InvalidCsv {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("has {len} fields where the first line has {expected_len}"),
        csv::ErrorKind::Utf8 { err, .. } => format!("field {} is not UTF-8", err.field() + 1),
        _ => "cannot be read".to_owned(),
    };
    InvalidCsv::Line { line, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(csv: &str) -> String {
        seats_of_csv(csv.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn columns_may_come_in_any_order_and_fields_in_quotes() {
        let csv = "\u{feff}price_minor,seat,number,row,section\r\n45000,A-1,1,A,\"Stalls, left\"\r\n0, A-2 ,2,A,Stalls\n";
        let seats = seats_of_csv(csv.as_bytes()).unwrap();
        assert_eq!(seats.len(), 2);
        assert_eq!(
            seats[0],
            NewSeat {
                seat: "A-1".into(),
                row: "A".into(),
                number: 1,
                section: "Stalls, left".into(),
                price_minor: 45_000
            }
        );
        assert_eq!((seats[1].seat.as_str(), seats[1].price_minor), ("A-2", 0));
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let head = "seat,row,number,section,price_minor\n";
        assert!(wrong("").contains("line 1"));
        assert!(wrong("seat,row,number,section\nA-1,A,1,S\n").contains("lacks price_minor"));
        let wrong = |lines: &str| wrong(&format!("{head}{lines}"));
        assert_eq!(
            wrong("A-1,A,1,S,100\nA-2,A,two,S,100\n"),
            "line 3, column number: \"two\" is not a whole number"
        );
        assert!(wrong("A-1,A,1,S,1.50\n").contains("line 2, column price_minor"));
        assert!(wrong("A-1,A,1,S\n").contains("line 2: has 4 fields"));
        assert!(wrong("A-1,A,1,S,100\nA 2,A,2,S,100\n").starts_with("line 3: seat"));
        assert!(
            wrong("A-1,A,1,S,100\n\nA-1,A,2,S,100\n")
                .contains("line 4: seat \"A-1\" stands in line 2")
        );
        assert!(wrong("A-1,A,1,S,-1\n").contains("line 2: seat \"A-1\": a price"));
    }
}
