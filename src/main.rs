//! The program on one page; everything is in the library.

fn main() -> std::process::ExitCode {
    vestibule::cli::main()
}
