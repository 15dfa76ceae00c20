//! Reads `expected.txt`, and finds the one row that fits a cell.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    str::FromStr,
};

use strum::IntoEnumIterator as _;

use super::cell::{At, Cell, Condition, Fault};

/// The codes that the relay replies with.
#[derive(Debug, Default)]
pub(super) struct Codes(HashMap<(At, Fault), u16>);

impl Codes {
    pub(super) fn of(&self, at: At, fault: Fault) -> u16 {
        self.0[&(at, fault)]
    }
}

/// The whole of `expected.txt`.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) codes: Codes,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    number: usize,
    at: Vec<At>,
    faults: Vec<Fault>,
    /// One of each.
    when: Vec<Vec<Condition>>,
    expected: Expected,
}

/// What should come of a cell.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// `outcome at code retry acceptance again`, as in the table.
    pub(super) facts: [String; 6],
    /// `None`: there was no session.
    pub(super) recipients: Option<States>,
}

/// What becomes of the recipients.
#[derive(Clone, Debug)]
pub(super) struct States {
    /// Of the one that the answer is for.
    pub(super) its: String,
    /// Of the one behind it.
    pub(super) next: String,
    pub(super) others: String,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.facts.join(" "))?;
        match &self.recipients {
            None => f.write_str(" -"),
            Some(States { its, next, others }) => {
                write!(f, " {its}, next {next}, others {others}")
            }
        }
    }
}

impl Table {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut table = Self::default();
        let mut in_codes = false;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            match line.trim() {
                line if line.is_empty() || line.starts_with('#') => {}
                "[codes]" => in_codes = true,
                "[outcomes]" => in_codes = false,
                line if in_codes => table
                    .add_codes(line)
                    .map_err(|error| format!("line {number}: {error}"))?,
                line => table.rows.push(
                    Row::parse(number, line).map_err(|error| format!("line {number}: {error}"))?,
                ),
            }
        }
        for at in At::iter() {
            if !table.codes.0.keys().any(|(known, _)| *known == at) {
                return Err(format!("{at} has no codes"));
            }
        }
        Ok(table)
    }

    fn add_codes(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [at, codes @ ..] = &words[..] else {
            return Err("nothing".into());
        };
        let faults = [
            Fault::Transient,
            Fault::Permanent,
            Fault::Positive,
            Fault::Intermediate,
        ];
        if codes.len() != faults.len() {
            return Err(format!("{} codes", codes.len()));
        }
        let at: At = word(at)?;
        for (fault, code) in faults.into_iter().zip(codes) {
            if self.codes.0.insert((at, fault), word(code)?).is_some() {
                return Err(format!("{at} has codes already"));
            }
        }
        Ok(())
    }

    /// Each cell with what should come of it, or what is wrong with the table.
    pub(super) fn assign(&self, cells: &[Cell]) -> Result<Vec<(Cell, Expected)>, Vec<String>> {
        let mut wrong = Vec::new();
        let mut assigned = Vec::new();
        let mut uses = HashSet::new();
        let mut rows: HashMap<_, Vec<&Row>> = HashMap::new();
        for row in &self.rows {
            for at in &row.at {
                rows.entry(*at).or_default().push(row);
            }
        }
        for cell in cells {
            let rows = rows.get(&cell.at).into_iter().flatten().copied();
            let fitting: Vec<&Row> = rows.filter(|row| row.fits(cell)).collect();
            match fitting[..] {
                [row] => {
                    uses.insert((row.number, cell.at, cell.fault));
                    assigned.push((*cell, row.expected.clone()));
                }
                [] => wrong.push(format!("no row fits {cell}")),
                [one, other, ..] => wrong.push(format!(
                    "lines {} and {} both fit {cell}",
                    one.number, other.number
                )),
            }
        }
        for row in &self.rows {
            for at in &row.at {
                for fault in &row.faults {
                    if !uses.contains(&(row.number, *at, *fault)) {
                        wrong.push(format!("line {}: no cell is {at} {fault}", row.number));
                    }
                }
            }
        }
        if wrong.is_empty() {
            Ok(assigned)
        } else {
            Err(wrong)
        }
    }
}

impl States {
    fn parse(words: &[&str]) -> Result<Option<Self>, String> {
        let (its, next, others) = match words {
            ["-"] => return Ok(None),
            [all] => (all, all, all),
            [its, "others", others] => (its, others, others),
            [its, "next", next, "others", others] => (its, next, others),
            _ => return Err(format!("recipients: {words:?}")),
        };
        let state = |word: &&str| word.trim_end_matches(',').to_owned();
        Ok(Some(Self {
            its: state(its),
            next: state(next),
            others: state(others),
        }))
    }
}

impl Row {
    fn parse(number: usize, line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [at, faults, when, facts @ ..] = &words[..] else {
            return Err("too few columns".into());
        };
        let (facts, recipients) = facts.split_at_checked(6).ok_or("too few columns")?;
        Ok(Self {
            number,
            at: words_of(at, ',')?,
            faults: words_of(faults, ',')?,
            when: match *when {
                "*" => Vec::new(),
                when => when
                    .split('+')
                    .map(|one_of| words_of(one_of, '/'))
                    .collect::<Result<_, _>>()?,
            },
            expected: Expected {
                facts: std::array::from_fn(|n| facts[n].to_owned()),
                recipients: States::parse(recipients)?,
            },
        })
    }

    fn fits(&self, cell: &Cell) -> bool {
        self.faults.contains(&cell.fault)
            && self
                .when
                .iter()
                .all(|one_of| one_of.iter().any(|condition| cell.fits(*condition)))
    }
}

fn words_of<T: FromStr>(text: &str, separator: char) -> Result<Vec<T>, String> {
    text.split(separator).map(word).collect()
}

fn word<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not known"))
}
