//! `althing simulate`.

use serde_json::Value;

use super::harness::World;

fn gallery(name: &str) -> String {
    format!(
        "{}/examples/scenarios/{name}.toml",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

#[test]
fn a_run_prints_a_table_or_json_and_writes_figures() {
    let world = World::empty();
    let (svg, page) = (world.path("round.svg"), world.path("report.html"));
    let path = gallery("equivocator");
    let line = format!("simulate run {path} --svg {svg} --html {page}");
    let text = world.run(&line).ok().stdout;
    for part in [
        "ROUND",
        "executed",
        "stand-in signatures",
        "1 caught of 1",
        "ok: every",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let figure = std::fs::read_to_string(svg).unwrap();
    assert!(figure.starts_with("<svg"));
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("<table") && !page.contains("src="));

    let line = format!("--json simulate run {path} --seed 9 --runs 2");
    let runs = lines(&world.run(&line).ok().stdout);
    let seeds: Vec<u64> = (runs.iter())
        .filter_map(|run| run["seed"].as_u64())
        .collect();
    assert_eq!(seeds, [9, 10]);
    assert_eq!(runs[0]["schema"], "althing.simulate-run/1");
    assert_eq!(runs[0]["violation"], Value::Null);
}

#[test]
fn a_sweep_gives_a_line_for_each_cell() {
    let world = World::empty();
    let grid = "--byzantine 0,1/3 --policy default,uniform --loss 0,20 --runs 1";
    let cells = lines(
        &world
            .run(&format!("--json simulate sweep {grid}"))
            .ok()
            .stdout,
    );
    assert_eq!(cells.len(), 8);
    for cell in &cells {
        assert_eq!(cell["schema"], "althing.simulate-cell/1");
        assert_eq!(
            (&cell["wrongly"], &cell["violations"]),
            (&0.into(), &0.into())
        );
    }
    let text = world
        .run("simulate sweep --random 5 --seed 100")
        .ok()
        .stdout;
    assert!(text.contains("5 random runs from seed 100"), "{text}");
}

#[test]
fn a_random_run_can_be_reproduced_and_written_down() {
    let world = World::empty();
    let run = |line: &str| world.run(line).ok().stdout;
    let once = lines(&run("--json simulate reproduce 17"));
    let text = run("simulate reproduce 17 --print");
    let file = world.file("random.toml", text);
    let again = lines(&run(&format!("--json simulate run {file}")));
    assert_eq!(once, again);
}

#[test]
fn a_bad_scenario_is_a_usage_error_with_its_line() {
    let world = World::empty();
    let file = world.file("bad.toml", "name = \"x\"\nruonds = 1\n");
    let ran = world.run(&format!("simulate run {file}")).exits(2);
    assert!(ran.stderr.contains("line 2"), "{ran:?}");
    assert!(ran.stderr.contains("scenario.syntax"), "{ran:?}");
    world.run("simulate run no-such-file.toml").exits(1);
}
