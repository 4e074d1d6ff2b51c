use std::path::Path;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_emulator::run::outcome::Outcome;
use ctxfuzz_scenario::scenario::Scenario;
use roxmltree::Document;

use super::{Page, page};
use crate::cause::{Explanation, explain};
use crate::kernels::Kernels;
use crate::machines::Machines;
use crate::pair::Pair;
use crate::transparency::expected_outcome;

const HASHES: [u64; 2] = [0xab, 0xcd];

struct Ran {
    explanation: Explanation,
    runs: [Outcome; 2],
}

fn run(a: &str, scenario: &Scenario) -> Ran {
    let (a, b) = (a.parse().unwrap(), "fixed".parse().unwrap());
    let mut pair = Pair::new(&a, &b, Endian::Little).unwrap();
    pair.a.observe();
    pair.b.observe();
    let paired = pair.run(scenario);
    Ran {
        explanation: explain(&Kernels::pair(&a, &b), Endian::Little, scenario).unwrap(),
        runs: [paired.a, paired.b],
    }
}

fn run_one(kernel: &str, scenario: &Scenario) -> Ran {
    let kernels = Kernels::One(kernel.parse().unwrap());
    let mut machines = Machines::new(&kernels, Endian::Little).unwrap();
    let outcome = machines.run(scenario).outcomes.remove(0);
    let expected = expected_outcome(scenario, &outcome);
    Ran {
        explanation: explain(&kernels, Endian::Little, scenario).unwrap(),
        runs: [outcome, expected],
    }
}

fn corpus(name: &str) -> Scenario {
    let file = format!("{}/../corpus/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Scenario::load(Path::new(&file)).unwrap()
}

fn draw(ran: &Ran, signature: Option<&str>) -> String {
    page(&Page {
        signature,
        explanation: &ran.explanation,
        runs: &ran.runs,
        hashes: &HASHES,
        facts: &[("seed", "77".to_owned())],
        command: "ctxfuzz explain 'it'\\''s.json'",
    })
}

/// The page as XML: HTML that `maud` writes is nearly that. What an element may leave open is
/// closed, and what XML does not have is left out.
fn parsed(page: &str) -> String {
    let body = page.split_once("</head>").expect("it has a head").1;
    let body = body.strip_suffix("</html>\n").expect("it ends");
    body.replace(" open>", " open=\"\">")
}

fn texts(document: &Document<'_>, class: &str) -> Vec<String> {
    let nodes = document.descendants().filter(|node| {
        let classes = node.attribute("class").unwrap_or_default();
        classes.split(' ').any(|own| own == class)
    });
    let text = |node: roxmltree::Node<'_, '_>| -> String {
        node.descendants()
            .filter_map(|node| node.text().filter(|_| node.is_text()))
            .collect()
    };
    nodes.map(text).collect()
}

#[test]
fn a_page_says_what_a_finding_is() {
    let ran = run("clobbering", &corpus("io-worker-then-signal"));
    let page = draw(&ran, Some("save_altivec.v0-is-vscr"));
    let xml = parsed(&page);
    let document = Document::parse(&xml).unwrap();
    // Its own cause comes first, whatever the order in the run.
    let titles: Vec<String> = document
        .descendants()
        .filter(|node| node.has_tag_name("h2"))
        .map(|node| {
            node.descendants()
                .filter(|n| n.is_text())
                .filter_map(|n| n.text())
                .collect()
        })
        .collect();
    assert_eq!(
        titles[3..],
        [
            "Cause 1: save_altivec.v0-is-vscr",
            "Cause 2: save_fpu.f0-is-fpscr"
        ]
    );
    let facts = texts(&document, "facts").concat();
    for fact in [
        "clobbering",
        "fixed",
        "00000000000000ab",
        "00000000000000cd",
        env!("CARGO_PKG_VERSION"),
        "77",
        "ctxfuzz explain 'it'\\''s.json'",
    ] {
        assert!(facts.contains(fact), "{fact} is not in {facts}");
    }
    for value in [
        "0x10112233445566778899aabbccddeeff",
        "0x00000000000000000000000000010001",
    ] {
        let values = texts(&document, "value");
        assert!(
            values.iter().any(|shown| shown == value),
            "{value} is not in {values:?}"
        );
    }
    let chain = texts(&document, "trace").concat();
    assert!(chain.contains("save_fpu+0x") && chain.contains("interrupt_return_srr_user+0x"));
    let travel = texts(&document, "travel").concat();
    for stop in [
        "v0 in thread_struct of task 0",
        "goes on with it",
        "user stack at 0x",
        "in the end",
    ] {
        assert!(travel.contains(stop), "{stop}: {travel}");
    }
    // Every part that the navigation leads to is there.
    let ids: Vec<&str> = document
        .descendants()
        .filter_map(|node| node.attribute("id"))
        .collect();
    for link in document
        .descendants()
        .filter_map(|node| node.attribute("href"))
    {
        let id = link.strip_prefix('#').expect("links stay on the page");
        assert!(ids.contains(&id), "{link} leads nowhere");
    }
}

#[test]
fn lanes_and_picture_show_what_was_observed() {
    let ran = run("clobbering", &corpus("io-worker-then-signal"));
    let page = draw(&ran, None);
    let xml = parsed(&page);
    let document = Document::parse(&xml).unwrap();
    let lines = texts(&document, "timeline").concat();
    for line in [
        "event 0: external interrupt",
        "enters its signal handler",
        "f0 0x0000000082004000",
        "f0 0x4142434445464748",
        "still f0, vs0, v0",
        "completed",
    ] {
        assert!(lines.contains(line), "{line}: {lines}");
    }
    // VSR 0 and VSR 32, both halves: four strips, each as long as the values stay; and no other
    // row.
    let cells: Vec<String> = document
        .descendants()
        .filter(|node| node.has_tag_name("title"))
        .filter_map(|node| node.text().map(str::to_owned))
        .chain(texts(&document, "heat"))
        .collect();
    let picture = cells.concat();
    for cell in [
        "f0 of task 0 after event 0: A 0x0000000082004000, B 0x4142434445464748",
        "vs0 of task 0 after event 0: A 0x0000000000000000, B 0x494a4b4c4d4e4f50",
        "doubleword 0 of v0 of task 0 after event 0: A 0x0000000000000000, B 0x1011223344556677",
        "doubleword 1 of v0 of task 0 after event 0: A 0x0000000000010001, B 0x8899aabbccddeeff",
    ] {
        assert!(picture.contains(cell), "{cell}: {picture}");
    }
    assert_eq!(page.matches("<rect class=\"heat-").count(), 4);
    assert_eq!(page.matches("class=\"row hot\"").count(), 2);
    assert_eq!(page.matches("class=\"row\"").count(), 65);
}

#[test]
fn equal_kernels_have_a_page_too() {
    let ran = run("fixed", &corpus("signal"));
    let page = draw(&ran, None);
    Document::parse(&parsed(&page)).unwrap();
    assert!(page.contains("Nothing that anybody could see."));
    assert!(page.contains("No register of any task ever differs"));
    assert_eq!(page.matches("<rect class=\"heat-").count(), 0);
}

#[test]
fn a_kernel_that_died_is_named_with_what_was_wrong_before() {
    let text = include_str!("../../../tests/data/flush-dies.json");
    let scenario = Scenario::from_json(text, "flush-dies.json").unwrap();
    let page = draw(&run("fixed+giveup-keeps-fp-bit", &scenario), None);
    let xml = parsed(&page);
    let document = Document::parse(&xml).unwrap();
    let warning = texts(&document, "warning").concat();
    assert!(
        warning.contains("fixed+giveup-keeps-fp-bit ends with kernel-fault"),
        "{warning}"
    );
    // It dies of what was wrong before, so that is what is shown.
    assert!(page.contains("what came to differ") && page.contains("__giveup_fpu.msr-facility"));
    assert!(!texts(&document, "sides").concat().contains("Ended at "));
}

#[test]
fn a_kernel_that_died_of_nothing_that_is_tracked_shows_its_last_place() {
    let scenario = corpus("signal-handler");
    let page = draw(&run("fixed+vs-low-half-lost", &scenario), None);
    let xml = parsed(&page);
    let document = Document::parse(&xml).unwrap();
    let warning = texts(&document, "warning").concat();
    assert!(
        warning.contains("fixed+vs-low-half-lost ends with kernel-fault"),
        "{warning}"
    );
    assert!(texts(&document, "sides").concat().contains("Ended at "));
    assert!(!page.contains("How the wrong value travelled"));
}

#[test]
fn runs_that_part_share_no_line_from_there_on() {
    let scenario = corpus("signal-handler");
    let mut ran = run("clobbering", &scenario);
    ran.runs[0].log.truncate(1);
    ran.runs[0].observations.truncate(1);
    let page = draw(&ran, None);
    Document::parse(&parsed(&page)).unwrap();
    assert!(page.contains("only here"));
    assert!(page.contains("as long as the two runs do the same"));
}

#[test]
fn nothing_from_a_scenario_is_markup_and_nothing_is_loaded() {
    let mut scenario = corpus("io-worker-then-signal");
    scenario.about =
        Some("</p><script>alert(1)</script><img src=//x.example/y>\u{202e}\u{1b}[2J\u{0}".into());
    let ran = run("clobbering", &scenario);
    let page = draw(&ran, Some("\"><svg onload=alert(1)>"));
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("\\u{202e}\\u{1b}[2J\\u{0}"));
    for forbidden in [
        "<script",
        "<img",
        "<svg onload",
        "\u{202e}",
        "\u{1b}",
        "http:",
        "https:",
        "@import",
        "url(",
        "<link",
        "<iframe",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'"));
    Document::parse(&parsed(&page)).unwrap();
}

#[test]
fn pages_are_the_same_every_time() {
    let scenario = corpus("io-worker-then-signal");
    let draw = || draw(&run("clobbering", &scenario), None);
    assert_eq!(draw(), draw());
}

/// The longest scenario there may be, on a kernel that hands every register to somebody else.
#[test]
fn the_page_of_the_worst_finding_is_small() {
    let task = r#"{"uses": ["fp", "vmx", "vsx"], "pattern": "0x77", "registers": {"fpscr": "0x82004000", "vscr": "0x10001"}}"#;
    let tasks = [task; 8].join(", ");
    let event = |index: u32| match index % 8 {
        1 => r#"{"interrupt": {"vector": "external", "pending": {"io_worker": true}}}"#.to_owned(),
        2 if index < 240 => format!(r#"{{"fill": {{"facility": "vsx", "pattern": "0x{index}"}}}}"#),
        4 => r#"{"interrupt": {"vector": "doorbell", "pending": {"signal": 10}}}"#.to_owned(),
        5 => r#"{"syscall": {"call": "rt_sigreturn"}}"#.to_owned(),
        7 => format!(
            r#"{{"set": {{"f{}": "0x{index}", "v{}": "0x{index}"}}}}"#,
            index % 31,
            index % 29
        ),
        _ => r#"{"interrupt": {"vector": "decrementer", "pending": {"switch": "any"}}}"#.to_owned(),
    };
    let events: Vec<String> = (0..256).map(event).collect();
    let text = format!(
        r#"{{"ctxfuzz": 1, "stage": {{"tasks": [{tasks}], "io_uring": [0, 1, 2, 3, 4, 5, 6, 7]}}, "events": [{}]}}"#,
        events.join(", ")
    );
    let scenario = Scenario::from_json(&text, "worst").unwrap();
    let page = draw(&run("fixed+giveup-keeps-fp-bit", &scenario), None);
    // The way of the value is told in order of time.
    let xml = parsed(&page);
    let document = Document::parse(&xml).unwrap();
    let travel = texts(&document, "travel").concat();
    let numbers = travel.split("event ").skip(1);
    let numbers: Vec<u16> = numbers
        .filter_map(|text| text.split_once(':')?.0.parse().ok())
        .collect();
    assert!(numbers.len() > 10 && numbers.is_sorted(), "{numbers:?}");
    assert!(page.matches("<rect class=\"heat-").count() > 1000);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
}

/// More looks than any scenario has, and in every other one every register is wrong, each in its
/// own way.
#[test]
fn the_picture_of_the_worst_run_is_small() {
    let mut ran = run("clobbering", &corpus("io-worker-then-signal"));
    let first = ran.runs[0].observations[0].clone();
    for (side, run) in ran.runs.iter_mut().enumerate() {
        run.observations = vec![first.clone(); 800];
        for (index, look) in run.observations.iter_mut().enumerate() {
            look.task = (index % 2) as u8;
            if index % 2 == 0 && side == 0 {
                for (row, halves) in look.registers.vsr.iter_mut().enumerate() {
                    *halves = [u64::MAX - (index * row) as u64, !((index + row) as u64)];
                }
            }
        }
    }
    let page = draw(&ran, None);
    Document::parse(&parsed(&page)).unwrap();
    assert!(page.len() < 1_600_000, "{} bytes", page.len());
}

#[test]
fn one_kernel_is_shown_with_what_it_had_to_do() {
    let page = draw(&run_one("fixed", &corpus("preempted-in-sigreturn")), None);
    let document = parsed(&page);
    for said in [
        "In short: an image was filled after it had been loaded.",
        "How f0 was lost",
        "The last copy of that",
        "What was got instead",
        "restore_sigcontext+0x",
    ] {
        assert!(page.contains(said), "{said}");
    }
    for other in ["A: ", "B: ", "A 0x", "B 0x", "kernel B", "against"] {
        assert!(!page.contains(other), "{other}");
    }
    // It was wrong at one look; later ones expect what was there.
    let document = Document::parse(&document).expect("it is well formed");
    let lines = texts(&document, "timeline").concat();
    assert!(lines.contains("f0 0x4a6a7181256c9ac7"), "{lines}");
    assert!(page.contains(", expected 0x4a6a7181256c9ac7</title>"));
    let dead = draw(
        &run_one("fixed+load-up-misses-srr", &corpus("io-worker-vmx")),
        None,
    );
    assert!(
        !dead.contains("The run on <code>found"),
        "the kernel has a name"
    );
}
