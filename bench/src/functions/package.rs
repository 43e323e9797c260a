//! The size of a deployment package.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::write::SimpleFileOptions;

/// The size of the deployment package: the deflated program, named `bootstrap`.
pub fn zip_bytes(program: &Path) -> u64 {
    zip_bytes_of([("bootstrap".to_owned(), program.to_path_buf())])
}

/// The size of a package of these files, deflated, with their names in it.
pub fn zip_bytes_of(files: impl IntoIterator<Item = (String, PathBuf)>) -> u64 {
    let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, path) in files {
        let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        package.start_file(name, SimpleFileOptions::default().unix_permissions(0o755)).expect("room in memory");
        package.write_all(&file).expect("room in memory");
    }
    let package = package.finish().expect("room in memory").into_inner();
    u64::try_from(package.len()).expect("a size")
}
