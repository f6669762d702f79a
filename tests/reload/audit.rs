//! The audit log of the real program, where whoever should read it does not.

use std::{
    fs,
    io::{Read as _, Write as _},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    process::Program,
    world::{Place, replace},
};

const BY_SIGNAL: &str = "vestibule_config_reloads_total{outcome=\"unchanged\",trigger=\"signal\"}";
const SOON: Duration = Duration::from_secs(5);

/// The `audit` key in front of a configuration.
fn audited(place: &Place, audit: &str) -> String {
    format!("audit: {audit}\n{}", place.text(&["/mcp"]))
}

/// Reloads go on, another file takes over, and the end is not held up.
async fn goes_on(mut program: Program) {
    program.signal("HUP");
    program.place.until_metric(BY_SIGNAL, "1").await;
    let file = program.place.path("audit.jsonl");
    replace(&program.place.config(), &audited(&program.place, &file.display().to_string()));
    program.place.until_metric("vestibule_config_reloads_total{outcome=\"applied\",trigger=\"file\"}", "1").await;
    for _ in 0..200 {
        if fs::read_to_string(&file).is_ok_and(|text| text.contains("\"applied\"")) {
            program.signal("TERM");
            assert!(program.ended(SOON).await.success());
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("nothing is in the new file: {}", program.log());
}

/// A named pipe that nobody reads, nor ever read.
#[tokio::test]
async fn a_pipe_that_nobody_reads_holds_nothing_up() {
    let place = Place::new().await;
    let pipe = place.path("audit.pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::write(place.config(), audited(&place, &pipe.display().to_string())).unwrap();
    goes_on(Program::start(place).await).await;
}

/// Standard output is a pipe that somebody holds and does not empty.
#[tokio::test]
async fn a_full_standard_output_holds_nothing_up() {
    let place = Place::new().await;
    fs::write(place.config(), audited(&place, "stdout")).unwrap();
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let theirs = writer.try_clone().unwrap();
    let program = Program::start_with(place, Stdio::from(theirs)).await;
    // Ends with an error when the reader is gone.
    let filling = std::thread::spawn(move || while writer.write_all(&[b'\n'; 4096]).is_ok() {});
    tokio::time::sleep(Duration::from_millis(300)).await;
    goes_on(program).await;
    reader.read_exact(&mut [0; 16]).unwrap();
    drop(reader);
    filling.join().unwrap();
}
