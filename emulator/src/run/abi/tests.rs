//! C, assembly, Rust and the page have the same numbers.

use std::collections::BTreeMap;

use super::source::{
    beginning, defines, emulator, fields, internals, internals_unwrapped, number, rows,
};
use crate::arch::{Endian, RegisterFile};
use crate::machine::address::USER_DATA;
use crate::run::call::{KernelCall, UserCall};
use crate::run::platform::agent::{self, request};
use crate::run::platform::{quiet, remote_work, stage};
use crate::run::user::{self, Operation, kind};
use crate::run::{ptrace, reads};
use ctxfuzz_scenario::Facility;

const USER_H: &str = "model/include/user.h";
const AGENT_H: &str = "agent/agent.h";
const PTRACE_H: &str = "model/include/ptrace-area.h";

type Numbers = BTreeMap<String, u64>;

fn numbers(all: &[(&str, u64)]) -> Numbers {
    all.iter()
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect()
}

/// Rows that begin with a decimal number, and the name in backquotes in that cell of theirs.
fn named(rows: &[Vec<String>], name: usize) -> Numbers {
    let named = rows.iter().filter_map(|row| {
        let value = row.first()?.parse().ok()?;
        Some((row.get(name)?.trim_matches('`').to_uppercase(), value))
    });
    named.collect()
}

#[test]
fn host_calls_have_their_numbers() {
    let header = beginning(&defines(&emulator("model/include/hostcall.h")), "HOST_");
    let mut calls = numbers(UserCall::ALL);
    calls.extend(numbers(KernelCall::ALL));
    // The machine serves this one, before there is a host.
    calls.insert("STAGED".to_owned(), 16);
    let plain = |calls: &Numbers| -> Numbers {
        let names = calls
            .iter()
            .map(|(name, value)| (name.replace('_', ""), *value));
        names.collect()
    };
    let mut declared = plain(&header);
    declared.remove("CALLWORD");
    let calls: Numbers = calls
        .iter()
        .map(|(name, value)| (name.to_uppercase(), *value))
        .collect();
    assert_eq!(declared, calls);
    assert_eq!(
        plain(&named(&rows(&internals(), "## 2. Host calls"), 2)),
        calls
    );
}

#[test]
fn operations_have_their_kinds() {
    let kinds = numbers(kind::ALL);
    let table = emulator("model/user/interpreter.S");
    let table = table
        .split("\noperations:\n")
        .nth(1)
        .expect("there is a table");
    let entries = table
        .lines()
        .map_while(|line| line.trim().strip_prefix("b\top_"));
    let entries = (0..).zip(entries).map(|(n, name)| (name.to_uppercase(), n));
    assert_eq!(entries.collect::<Numbers>(), kinds);
    let section = rows(&internals(), "## 3. User side: the interpreter");
    assert_eq!(named(&section, 1), kinds);
}

#[test]
fn an_operation_is_laid_out_as_the_interpreter_reads_it() {
    let header = defines(&emulator(USER_H));
    let operation = Operation {
        kind: 1,
        event: 2,
        arguments: [3, 4, 5, 6, 7, 8],
        flags: 9,
    };
    let bytes = operation.bytes(Endian::Big);
    assert_eq!(bytes.len() as u64, header["OP_SIZE"]);
    let word = |at: u64| {
        let at = at as usize;
        u64::from_be_bytes(bytes[at..at + 8].try_into().expect("it is a doubleword"))
    };
    assert_eq!(
        word(header["OP_KIND"]),
        1 << 32 | 2,
        "the event follows the kind"
    );
    for n in 0..6 {
        assert_eq!(word(header[&format!("OP_A{n}")]), 3 + n);
    }
    assert_eq!(word(header["OP_FLAGS"]), 9);
}

#[test]
fn a_register_image_is_laid_out_as_the_interpreter_reads_it() {
    let header = defines(&emulator(USER_H));
    let mut file = RegisterFile::default();
    (file.fpscr, file.vrsave, file.vscr) = (1, 2, 3);
    file.vsr[1] = [4, 5];
    file.vsr[32] = [6, 7];
    let bytes = user::image(&file, Endian::Big);
    let word = |at: u64| {
        let at = at as usize;
        u64::from_be_bytes(bytes[at..at + 8].try_into().expect("it is a doubleword"))
    };
    assert_eq!([word(16), word(24)], [4, 5]);
    assert_eq!(word(header["IMAGE_FPSCR"]), 1);
    assert_eq!(word(header["IMAGE_VRSAVE"]), 2);
    assert_eq!(word(header["IMAGE_VSCR"] + 8), 3);
    assert_eq!(
        [word(header["IMAGE_VRS"]), word(header["IMAGE_VRS"] + 8)],
        [6, 7]
    );
    assert_eq!(word(header["IMAGE_VSCR_LVX"] + 8), 3);
}

#[test]
fn user_memory_lies_where_the_interpreter_and_the_page_have_it() {
    let (header, shared) = (
        defines(&emulator(USER_H)),
        defines(&emulator("model/include/user-data.h")),
    );
    assert_eq!(USER_DATA + shared["SHARED_NEXT"], user::QUEUE);
    assert_eq!(USER_DATA + shared["SHARED_BLOCKS"], user::BLOCKS_USED);
    assert_eq!(USER_DATA + shared["SHARED_FUTEX"], user::FUTEX);
    assert_eq!(USER_DATA + shared["CONTROL_BLOCKS"], user::BLOCKS);
    assert_eq!(1 << header["BLOCK_SHIFT"], user::BLOCK_SIZE);
    let section = rows(&internals(), "## 3. User side: the interpreter");
    let addresses = section.iter().filter(|row| row[0].starts_with("`0x2"));
    let addresses: Vec<Option<u64>> = addresses.map(|row| number(&row[0])).collect();
    let ours = [
        USER_DATA,
        user::BLOCKS,
        user::IMAGES,
        user::DUMPS,
        user::OPERATIONS,
        user::FILLS,
        reads::SOURCE,
        reads::DESTINATION,
        user::STACKS,
    ];
    assert_eq!(addresses, ours.map(Some));
}

#[test]
fn facilities_have_their_bits() {
    let bits: Numbers = [
        ("FP", Facility::Fp),
        ("VMX", Facility::Vmx),
        ("VSX", Facility::Vsx),
    ]
    .map(|(name, facility)| (name.to_owned(), user::facility_bit(facility)))
    .into();
    let uses = beginning(&defines(&emulator(USER_H)), "USES_");
    assert_eq!(uses, bits);
    let regsets = beginning(&defines(&emulator(PTRACE_H)), "REGSET_");
    assert_eq!(regsets, bits);
}

/// Each of these is in that structure.
fn are_in(ours: &[(&str, u64)], structure: &Numbers) {
    for (name, offset) in ours {
        assert_eq!(structure.get(*name), Some(offset), "{name}");
    }
}

#[test]
fn the_agents_page_is_one() {
    let header = emulator(AGENT_H);
    let constants = defines(&header);
    let busy = fields(&header, "busy_thread", &constants, &[])[""];
    let mut page = fields(&header, "agent_page", &constants, &[("busy_thread", busy)]);
    are_in(agent::at::ALL, &page);
    are_in(quiet::at::ALL, &page);
    assert_eq!(busy, quiet::BUSY_SIZE);
    page.remove("");
    assert_eq!(named(&rows(&internals(), "### The agent's page"), 1), page);

    assert_eq!(constants["AGENT_PAGE"], agent::PAGE);
    assert_eq!(constants["AGENT_MAGIC"], agent::MAGIC);
    assert_eq!(constants["WORKER_TRIGGERS"], agent::WORKER_TRIGGERS as u64);
    assert_eq!(constants["BUSY_THREADS"], quiet::BUSY_THREADS);
    assert_eq!(beginning(&constants, "REQUEST_"), numbers(request::ALL));
    let mut idle = beginning(&constants, "IDLE_");
    assert_eq!(idle.remove("NOTHING"), Some(0));
    assert_eq!(idle, numbers(agent::idle::ALL));
}

#[test]
fn the_tracers_memory_is_one() {
    let header = emulator(PTRACE_H);
    assert!(header.contains(&format!("((struct ptrace_area *){:#x})", ptrace::AREA)));
    let sets = fields(&header, "regsets", &Numbers::new(), &[]);
    let area = fields(
        &header,
        "ptrace_area",
        &Numbers::new(),
        &[("regsets", sets[""])],
    );
    let mut offsets = area.clone();
    let read = offsets.remove("READ").expect("there is what was read");
    let ours = ["FP", "VMX", "VSX"].map(|set| (set.to_owned(), read + sets[set]));
    offsets.extend(ours);
    are_in(ptrace::at::ALL, &offsets);
    let page = internals_unwrapped();
    for (name, set) in [
        ("NT_PRFPREG", "FP"),
        ("NT_PPC_VMX", "VMX"),
        ("NT_PPC_VSX", "VSX"),
    ] {
        let said = format!("`+{}` {name}", offsets[set]);
        assert!(page.contains(&said), "the page has `{said}`");
    }
    assert!(page.contains(&format!("`+{}` these bytes", offsets["DATA"])));
}

#[test]
fn what_the_model_is_told_is_one() {
    let (main, smp) = (
        emulator("model/kernel/main.c"),
        emulator("model/kernel/smp.c"),
    );
    let mut of_stage = fields(&main, "stage", &Numbers::new(), &[]);
    of_stage.remove("");
    assert_eq!(of_stage, numbers(stage::ALL));
    let mut work = fields(&smp, "remote_work", &Numbers::new(), &[]);
    work.remove("");
    assert_eq!(work, numbers(remote_work::at::ALL));
    assert_eq!(
        beginning(&defines(&smp), "WORK_"),
        numbers(remote_work::work::ALL)
    );
    let page = internals_unwrapped();
    let section = &page[page.find("* `stage`:").expect("it is there")..];
    let (told_stage, rest) = section.split_once("* `remote_work`:").expect("it is there");
    let told_work = rest
        .split("* The tracer's memory")
        .next()
        .expect("it is there");
    for (name, offset) in stage::ALL {
        assert!(told_stage.contains(&format!("`+{offset}`")), "stage {name}");
    }
    for (name, offset) in remote_work::at::ALL {
        assert!(
            told_work.contains(&format!("`+{offset}`")),
            "remote_work {name}"
        );
    }
    for (name, bit) in remote_work::work::ALL {
        let said = format!("bit {} ", bit.trailing_zeros());
        assert!(told_work.contains(&said), "{name} is {said}");
    }
}
