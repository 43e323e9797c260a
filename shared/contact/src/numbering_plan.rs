//! Numbering plans: the country codes, the lengths of their numbers, and their national prefixes.
//! The plans and the rules for applying them are Google's
//! (<https://github.com/google/libphonenumber/blob/master/java/libphonenumber/src/com/google/i18n/phonenumbers/PhoneNumberUtil.java>,
//! `maybeStripNationalPrefixAndCarrierCode` and `testNumberLength`). `numbering_plans.txt` has one line per country code with
//! what those rules need, so that a process reads only the line it needs; the libraries unpack all plans and compile their
//! expressions before they parse the first number. `tests/numbering_plans.rs` generates the file and compares the results
//! with those of rlibphonenumber.

use std::borrow::Cow;

use regex_lite::Regex;

/// One plan per line, in search order. Tab-separated: country code, lengths, expression of the national prefix, its
/// replacement, expression of a number.
const PLANS: &str = include_str!("numbering_plans.txt");

const MAX_CODE_DIGITS: usize = 3;

/// The numbering plan of one country code.
#[derive(Debug)]
pub(crate) struct Plan {
    code: &'static str,
    lengths: &'static str,
    /// The national prefix; empty if there is none.
    prefix: &'static str,
    /// The replacement of a prefix with a group; empty if the prefix is dropped.
    replacement: &'static str,
    number: &'static str,
}

/// How a plan classifies the length of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Possible,
    /// Also a length between two possible ones.
    TooShort,
    TooLong,
}

impl Plan {
    /// Finds the plan whose country code these digits start with. Returns it with the remaining digits.
    pub(crate) fn of(digits: &str) -> Option<(Self, &str)> {
        // No country code is a prefix of another.
        (1..=MAX_CODE_DIGITS).find_map(|length| {
            let (code, rest) = digits.split_at_checked(length)?;
            Some((Self::of_code(code)?, rest))
        })
    }

    fn of_code(code: &str) -> Option<Self> {
        let mut plans = PLANS.lines().filter_map(|line| line.split_once('\t'));
        let (code, rest) = plans.find(|(of, _)| *of == code)?;
        let mut fields = rest.split('\t');
        Some(Self {
            code,
            lengths: fields.next()?,
            prefix: fields.next()?,
            replacement: fields.next()?,
            number: fields.next()?,
        })
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the number as dialled from abroad, if its length is possible, and if it would not be read as another number
    /// itself, as one with two national prefixes would.
    pub(crate) fn read<'a>(&self, digits: &'a str) -> Option<Cow<'a, str>> {
        let number = self.read_once(digits)?;
        (self.read_once(&number)? == number).then_some(number)
    }

    fn read_once<'a>(&self, digits: &'a str) -> Option<Cow<'a, str>> {
        let dialled = self.without_prefix(digits);
        // A number that would be too short without the prefix starts with the same digits by chance.
        let number = if self.length(&dialled) == Length::TooShort { Cow::Borrowed(digits) } else { dialled };
        (self.length(&number) == Length::Possible).then_some(number)
    }

    fn without_prefix<'a>(&self, digits: &'a str) -> Cow<'a, str> {
        let stripped = (!self.prefix.is_empty()).then(|| self.strip(digits)).flatten();
        // If the digits with the prefix are a number, those without must be one, too.
        let is_better = |stripped: &Cow<'_, str>| !self.is_in_some_range(digits) || self.is_in_some_range(stripped);
        stripped.filter(is_better).unwrap_or(Cow::Borrowed(digits))
    }

    /// Strips or replaces the national prefix, if there is one.
    fn strip<'a>(&self, digits: &'a str) -> Option<Cow<'a, str>> {
        let prefix = expression(&format!("^(?:{})", self.prefix))?;
        let captures = prefix.captures(digits)?;
        let (first, second) = (captures.get(1), captures.get(2));
        let is_replaced = !self.replacement.is_empty()
            && first.is_some_and(|first| second.map_or(!first.is_empty(), |second| !second.is_empty()));
        if is_replaced {
            return Some(Cow::Owned(prefix.replace(digits, self.replacement).into_owned()));
        }
        let end = captures.get(0)?.end();
        digits.get(end..).map(Cow::Borrowed)
    }

    /// Whether these digits are in a range of numbers, assigned or not.
    fn is_in_some_range(&self, digits: &str) -> bool {
        expression(&format!("^(?:{})$", self.number)).is_some_and(|number| number.is_match(digits))
    }

    fn length(&self, digits: &str) -> Length {
        let length = digits.len();
        if numbers(self.lengths).any(|possible| possible == length) {
            return Length::Possible;
        }
        match numbers(self.lengths).max() {
            Some(longest) if length > longest => Length::TooLong,
            _ => Length::TooShort,
        }
    }
}

/// Compiles an expression of a plan. A test compiles all of them.
fn expression(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

fn numbers(list: &str) -> impl Iterator<Item = usize> {
    list.split(',').filter_map(|number| number.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_plan_has_valid_expressions() {
        let lines: Vec<_> = PLANS.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() > 200, "{}", lines.len());
        for line in lines {
            let code = line.split('\t').next().unwrap();
            let plan = Plan::of_code(code).unwrap_or_else(|| panic!("{line}"));
            assert!(numbers(plan.lengths).count() > 0, "{line}");
            for text in [plan.prefix, plan.number] {
                assert!(expression(&format!("^(?:{text})")).is_some(), "{line}");
            }
        }
    }

    #[test]
    fn country_codes_are_prefix_free() {
        let codes: Vec<_> = PLANS.lines().filter_map(|line| line.split_once('\t')).map(|(code, _)| code).collect();
        for code in &codes {
            assert_eq!(codes.iter().filter(|other| other.starts_with(code)).count(), 1, "{code}");
        }
    }
}
