//! Compares the embedded numbering plans, and how numbers are parsed with them, with rlibphonenumber.
//! `make numbering-plans` regenerates the file after an update of the library.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is not there fails the test, and says where")]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use contact::Phone;
use prost::Message as _;
use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, PhoneMetadata, PhoneMetadataCollection, PhoneNumberFormat, PhoneNumberType,
    Region,
};

const HEAD: &str = "\
# Numbering plans of Google's libphonenumber (Apache License 2.0), as rlibphonenumber has them. Written by
# `make numbering-plans`. Country code, lengths, prefix, its replacement, number; between tabs.
";

/// The plans of the library, which embeds them privately: read from its source files.
fn plans_of_library() -> Vec<PhoneMetadata> {
    let rustc = run("rustc", &["-vV"]);
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Offline: the sources of this build are in cargo's cache.
    let packages = run(env!("CARGO"), &["metadata", "--format-version=1", "--locked", "--filter-platform", host]);
    let packages: serde_json::Value = serde_json::from_str(&packages).unwrap();
    let packages = packages["packages"].as_array().unwrap();
    let library = packages.iter().find(|package| package["name"] == "rlibphonenumber").unwrap();
    let manifest = PathBuf::from(library["manifest_path"].as_str().unwrap());
    let plans = std::fs::read(manifest.with_file_name("src/generated/metadata/metadata.bin")).unwrap();
    PhoneMetadataCollection::decode(plans.as_slice()).unwrap().metadata
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Formats the library's plan of a country code as a line of the file.
#[expect(deprecated, reason = "they are empty in plans that the library has taken in, not in these")]
fn line(code: i32, plans: &[PhoneMetadata]) -> String {
    let region = PHONE_NUMBER_UTIL.get_region_for_country_code(code).unwrap();
    let mut plans = plans.iter().filter(|plan| plan.country_code == Some(code));
    let plan = plans.find(|plan| Region::from_code(&plan.id) == Ok(region)).unwrap();
    let list = |lengths: &[i32]| {
        let lengths: Vec<_> = lengths.iter().filter(|length| **length > 0).map(ToString::to_string).collect();
        lengths.join(",")
    };
    let within = |anchored: &str| {
        if anchored.is_empty() {
            return String::new();
        }
        anchored.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$")).unwrap().to_owned()
    };
    let number = plan.general_desc.as_ref().unwrap();
    // A number of local length is too short here.
    let longest = number.possible_length.iter().max().unwrap();
    let is_shorter = |local: &i32| local < longest && !number.possible_length.contains(local);
    assert!(number.possible_length_local_only.iter().all(is_shorter), "+{code}");
    let fields = [
        code.to_string(),
        list(&number.possible_length),
        within(plan.national_prefix_for_parsing()),
        plan.national_prefix_transform_rule().to_owned(),
        within(number.national_number_pattern()),
    ];
    fields.join("\t")
}

fn codes() -> impl Iterator<Item = i32> {
    (1..1000).filter(|code| PHONE_NUMBER_UTIL.get_region_for_country_code(*code).is_some())
}

#[test]
fn numbering_plans_match_rlibphonenumber() {
    let mut plans = HEAD.to_owned();
    let of_library = plans_of_library();
    for code in codes() {
        writeln!(plans, "{}", line(code, &of_library)).unwrap();
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/numbering_plans.txt");
    if std::env::var_os("WRITE_NUMBERING_PLANS").is_some() {
        std::fs::write(&file, &plans).unwrap();
    }
    assert!(std::fs::read_to_string(file).unwrap() == plans, "run make numbering-plans");
}

/// Parses a number in international form with the library.
fn of_library(text: &str) -> Option<String> {
    let number = PHONE_NUMBER_UTIL.parse(text, None).ok()?;
    let length = PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number);
    let e164 = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164).into_owned();
    (length == Ok(NumberLengthType::IsPossible) && e164.len() <= 16).then_some(e164)
}

fn of_ours(text: &str) -> Option<String> {
    Phone::parse(text).ok().map(|phone| phone.as_str().to_owned())
}

/// Reproducible digits.
struct Digits(u64);

impl Digits {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn some(&mut self, count: usize) -> String {
        (0..count).map(|_| (self.next() % 10).to_string()).collect()
    }
}

/// Example numbers of every region and type.
fn examples() -> Vec<(i32, String)> {
    use PhoneNumberType as Type;
    let types = [
        Type::FixedLine,
        Type::Mobile,
        Type::TollFree,
        Type::PremiumRate,
        Type::SharedCost,
        Type::VoIP,
        Type::PersonalNumber,
        Type::Pager,
        Type::UAN,
        Type::VoiceMail,
    ];
    let of_regions = PHONE_NUMBER_UTIL.get_supported_regions().flat_map(|region: Region| {
        types
            .iter()
            .filter_map(move |kind| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, *kind).ok())
    });
    of_regions
        .map(|number| {
            let e164 = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
            let code = number.country_code;
            (code, e164.trim_start_matches(&format!("+{code}")).to_owned())
        })
        .collect()
}

#[test]
fn numbers_parse_as_in_rlibphonenumber() {
    let mut digits = Digits(7);
    let mut texts = Vec::new();
    for (code, national) in examples() {
        texts.push(format!("+{code}{national}"));
        // With national prefixes of several countries, and with digits added or removed.
        for prefix in ["0", "1", "8", "00", "01", "06", "0 15", "15", "9", "044", "(0)", "19", "1 520", "0 21 "] {
            texts.push(format!("+{code} {prefix}{national}"));
        }
        texts.push(format!("+{code} {national}{}", digits.some(1)));
        texts.push(format!("+{code} {}", &national[1..]));
        texts.push(format!("+{code} {}", &national[..national.len() - 1]));
    }
    for code in codes() {
        for length in 1..16 {
            for _ in 0..4 {
                texts.push(format!("+{code}{}", digits.some(length)));
                texts.push(format!("+{code} 0{}", digits.some(length)));
            }
        }
    }
    for length in 1..17 {
        for _ in 0..200 {
            texts.push(format!("+{}", digits.some(length)));
        }
    }
    let (mut read, mut differ) = (0, Vec::new());
    for text in &texts {
        // What the library would read as another number is rejected here.
        let of_library = of_library(text).filter(|number| of_library(number).as_ref() == Some(number));
        let of_ours = of_ours(text);
        read += usize::from(of_ours.is_some());
        if of_ours != of_library {
            differ.push(format!("{text}: {of_ours:?}, and the library: {of_library:?}"));
        }
    }
    assert!(differ.is_empty(), "{} of {}:\n{}", differ.len(), texts.len(), differ.join("\n"));
    assert!(read > texts.len() / 10 && read < texts.len(), "{read} of {} are numbers", texts.len());
}

#[test]
fn number_of_every_region_round_trips() {
    let regions: Vec<_> = PHONE_NUMBER_UTIL.get_supported_regions().collect();
    assert!(regions.len() > 200, "{}", regions.len());
    for region in regions {
        let example = PHONE_NUMBER_UTIL.get_example_number(region).unwrap();
        let written = PHONE_NUMBER_UTIL.format(&example, PhoneNumberFormat::International);
        let phone = Phone::parse(&written).unwrap();
        assert_eq!(Phone::parse(phone.as_str()).as_ref(), Ok(&phone), "{written}");
    }
}
