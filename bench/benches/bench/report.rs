//! The report: printed as it grows, and kept for `bench/RESULTS.md`.

use std::fmt::Write;
use std::time::Duration;

/// The report so far, in Markdown.
#[derive(Default)]
pub(crate) struct Report(String);

impl Report {
    /// Adds a paragraph.
    pub(crate) fn text(&mut self, text: &str) {
        self.add(&format!("{text}\n\n"));
    }

    /// Adds a table. Columns of numbers are right-aligned.
    pub(crate) fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([heads[column].chars().count()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let is_number = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
            cells.clone().count() > 0
                && cells.clone().all(|cell| cell.starts_with(|first: char| first.is_ascii_digit()))
        };
        let numbers: Vec<bool> = (0..heads.len()).map(is_number).collect();
        let line = |cells: Vec<&str>| {
            let cells = cells.iter().zip(&widths).zip(&numbers).map(|((cell, width), number)| {
                if *number { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
            });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let mut table = line(heads.to_vec());
        let rules = widths
            .iter()
            .zip(&numbers)
            .map(|(width, number)| if *number { format!("{}:", "-".repeat(width + 1)) } else { "-".repeat(width + 2) });
        writeln!(table, "|{}|", rules.collect::<Vec<_>>().join("|")).expect("room in memory");
        for row in rows {
            table.push_str(&line(row.iter().map(String::as_str).collect()));
        }
        self.add(&format!("{table}\n"));
    }

    #[expect(clippy::print_stdout, reason = "the tables are the output of the command")]
    fn add(&mut self, text: &str) {
        print!("{text}");
        self.0.push_str(text);
    }

    pub(crate) fn markdown(&self) -> &str {
        self.0.trim_end()
    }
}

/// Prints the progress of a long measurement.
#[expect(clippy::print_stderr, reason = "progress goes to standard error, tables to standard output")]
pub(crate) fn progress(text: &str) {
    eprintln!("{text} ...");
}

pub(crate) fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// The ratio of two durations.
pub(crate) fn ratio(duration: Duration, reference: Duration) -> f64 {
    duration.as_secs_f64() / reference.as_secs_f64()
}

/// Converts a count.
pub(crate) fn number(count: u64) -> f64 {
    // Exact up to 2^53, which is far above any count here.
    let (high, low) = (u32::try_from(count >> 32).unwrap_or(u32::MAX), u32::try_from(count & 0xFFFF_FFFF).unwrap_or(0));
    f64::from(high).mul_add(4_294_967_296.0, f64::from(low))
}

pub(crate) fn millions(count: u64) -> String {
    format!("{:.2} M", number(count) / 1e6)
}

pub(crate) fn mib(kib: u64) -> String {
    format!("{:.1} MiB", number(kib) / 1024.0)
}

pub(crate) fn mb(bytes: u64) -> String {
    format!("{:.2} MB", number(bytes) / 1e6)
}
