//! Numbering plans: which country codes there are, how long the numbers behind each are, and what is dialled before them
//! within the country alone.
//!
//! The plans are Google's, and so are the rules by which they are read
//! (<https://github.com/google/libphonenumber/blob/master/java/libphonenumber/src/com/google/i18n/phonenumbers/PhoneNumberUtil.java>,
//! `maybeStripNationalPrefixAndCarrierCode` and `testNumberLength`). `numbering_plans.txt` keeps what those rules need of
//! one country code in one line, so that a process reads the line it needs and unpacks nothing: the libraries unpack all
//! plans and compile expressions for all they can do before they read a first number. `tests/numbering_plans.rs` writes that
//! file, and holds what is read here to what rlibphonenumber reads.

use std::borrow::Cow;

use regex_lite::Regex;

/// One plan a line, looked for from the top: country code, lengths of numbers, the expression of a
/// prefix, what it is replaced by, and the expression of a number; between tabs.
const PLANS: &str = include_str!("numbering_plans.txt");

/// The longest country code.
const MAX_CODE_DIGITS: usize = 3;

/// The plan of one country code.
#[derive(Debug)]
pub(crate) struct Plan {
    code: &'static str,
    lengths: &'static str,
    /// What may stand before a number within the country; empty if nothing does.
    prefix: &'static str,
    /// What a prefix with a group in it is replaced by; empty if it is left out.
    replacement: &'static str,
    number: &'static str,
}

/// What a plan says of a number of some length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    Possible,
    /// Or of a length between possible ones.
    TooShort,
    TooLong,
}

impl Plan {
    /// The plan that these digits begin with the country code of, and the digits after it.
    pub(crate) fn of(digits: &str) -> Option<(Self, &str)> {
        // No code begins with another one.
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

    /// The country code.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The number as it is dialled from abroad, if these digits are one of a possible length.
    pub(crate) fn read<'a>(&self, digits: &'a str) -> Option<Cow<'a, str>> {
        let dialled = self.without_prefix(digits);
        // What would be too short without is a number that begins like a prefix.
        let number = if self.length(&dialled) == Length::TooShort { Cow::Borrowed(digits) } else { dialled };
        (self.length(&number) == Length::Possible).then_some(number)
    }

    fn without_prefix<'a>(&self, digits: &'a str) -> Cow<'a, str> {
        let stripped = (!self.prefix.is_empty()).then(|| self.strip(digits)).flatten();
        // What is a number with its prefix must be one without, too.
        let is_better = |stripped: &Cow<'_, str>| !self.is_in_some_range(digits) || self.is_in_some_range(stripped);
        stripped.filter(is_better).unwrap_or(Cow::Borrowed(digits))
    }

    /// The digits after the prefix, or with the prefix replaced, if there is one.
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

    /// Whether these digits are in a range of numbers, in use or not.
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

/// An expression of a plan. That all of them are good is tested.
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
    fn every_line_is_a_plan_whose_expressions_are_good() {
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
    fn no_country_code_begins_with_another() {
        let codes: Vec<_> = PLANS.lines().filter_map(|line| line.split_once('\t')).map(|(code, _)| code).collect();
        for code in &codes {
            assert_eq!(codes.iter().filter(|other| other.starts_with(code)).count(), 1, "{code}");
        }
    }
}
