//! `cargo xtask demo`: the main job, seen. A guest starts twice; the second start is warm.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use rekindle_testkit::Statistics;

use crate::shell::{release_rekindle, root};

/// One start of a guest.
struct Start {
    picture: Vec<u8>,
    statistics: Statistics,
}

pub(crate) fn run() -> anyhow::Result<()> {
    eprintln!("building…");
    let rekindle = release_rekindle()?;
    let cache = root().join("target/demo-cache");
    if cache.exists() {
        fs::remove_dir_all(&cache).context("the demo's cache cannot be emptied")?;
    }

    let cold = start(&rekindle, &cache, &["raytrace/raytrace"])?;
    let warm = start(&rekindle, &cache, &["raytrace/raytrace"])?;
    std::io::stdout().write_all(&warm.picture)?;
    println!(
        "\nA RISC-V ray tracer drew this picture twice, in two processes, byte for byte the same."
    );
    same(&cold, &warm)?;
    compare(
        "guests/raytrace/raytrace",
        &cold.statistics,
        &warm.statistics,
    );

    let many = ["manyfuncs/manyfuncs", "1000"];
    let cold = start(&rekindle, &cache, &many)?;
    let warm = start(&rekindle, &cache, &many)?;
    println!("\nAnd a program of 1,536 functions, which costs more to compile than to run:");
    same(&cold, &warm)?;
    compare(
        "guests/manyfuncs/manyfuncs 1000",
        &cold.statistics,
        &warm.statistics,
    );

    println!("\n(A first start stays until all that became hot is compiled: --finish-compiles.)");
    println!("The cache is in target/demo-cache. Look at it:");
    println!("  target/release/rekindle cache ls --cache-dir target/demo-cache");
    println!("Talk to a RISC-V Lisp:");
    println!("  target/release/rekindle run guests/lisp/lisp");
    Ok(())
}

/// One process. Its picture and its figures are kept; its errors are the demo's.
fn start(rekindle: &Path, cache: &Path, guest: &[&str]) -> anyhow::Result<Start> {
    let output = Command::new(rekindle)
        .args(["run", "--stats=json", "--finish-compiles", "--cache-dir"])
        .arg(cache)
        .arg(root().join("guests").join(guest[0]))
        .args(&guest[1..])
        .stdin(Stdio::null())
        .output()
        .context("rekindle cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{guest:?} failed: {}\n{said}",
        output.status
    );
    let (statistics, _) =
        Statistics::split(&output.stderr).with_context(|| format!("no statistics: {said}"))?;
    Ok(Start {
        picture: output.stdout,
        statistics,
    })
}

fn same(cold: &Start, warm: &Start) -> anyhow::Result<()> {
    ensure!(
        cold.picture == warm.picture,
        "the two runs printed different things"
    );
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "three digits of a duration are read"
)]
fn compare(what: &str, cold: &Statistics, warm: &Statistics) {
    let ms = |nanoseconds: u64| format!("{:.1} ms", nanoseconds as f64 / 1e6);
    let row = |name: &str, first: String, second: String| {
        println!("  {name:<26}{first:>14}{second:>14}");
    };
    println!("\n  rekindle run {what}");
    row("", "first start".into(), "second start".into());
    row("whole run", ms(cold.wall_ns), ms(warm.wall_ns));
    row(
        "regions compiled",
        cold.regions_compiled.to_string(),
        warm.regions_compiled.to_string(),
    );
    row(
        "regions from the cache",
        cold.regions_loaded.to_string(),
        warm.regions_loaded.to_string(),
    );
    row(
        "time compiling",
        ms(cold.compile_ns_spent),
        ms(warm.compile_ns_spent),
    );
    row(
        "compiling avoided",
        ms(cold.compile_ns_avoided),
        ms(warm.compile_ns_avoided),
    );
    println!(
        "  {:.1} times as fast",
        cold.wall_ns as f64 / warm.wall_ns as f64
    );
}
