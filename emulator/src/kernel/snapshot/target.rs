//! Which registers a gdb stub has, and under which numbers: its target description
//! (<https://sourceware.org/gdb/current/onlinedocs/gdb.html/Target-Descriptions.html>).

use std::collections::BTreeMap;

use roxmltree::{Document, ParsingOptions};

/// A register that the stub can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// What the stub calls it in a `p` packet.
    pub number: u32,
    /// Its size.
    pub bits: u32,
}

/// The registers of a target, by feature and name.
#[derive(Debug, Default)]
pub struct Target {
    registers: BTreeMap<(String, String), Register>,
    next: u32,
}

impl Target {
    /// Adds the registers of one document of the description, in the order of the description.
    pub fn add(&mut self, xml: &str) -> Result<(), roxmltree::Error> {
        let document = parse(xml)?;
        for feature in document.descendants() {
            if !feature.has_tag_name("feature") {
                continue;
            }
            let name = feature.attribute("name").unwrap_or_default();
            for register in feature.children().filter(|n| n.has_tag_name("reg")) {
                let number = |attribute| register.attribute(attribute)?.parse().ok();
                // One without a number comes after the one before it.
                let own = number("regnum").unwrap_or(self.next);
                self.next = own + 1;
                let register_name = register.attribute("name").unwrap_or_default();
                let key = (name.to_owned(), register_name.to_owned());
                let bits = number("bitsize").unwrap_or_default();
                // QEMU has two names twice, for the same register read and written.
                self.registers
                    .entry(key)
                    .or_insert(Register { number: own, bits });
            }
        }
        Ok(())
    }

    /// Finds a register.
    pub fn find(&self, feature: &str, name: &str) -> Option<Register> {
        let key = (feature.to_owned(), name.to_owned());
        self.registers.get(&key).copied()
    }
}

/// The documents that the main one includes, in order.
pub fn includes(xml: &str) -> Result<Vec<String>, roxmltree::Error> {
    // QEMU leaves the name space of `xi:include` undeclared.
    let declared = xml.replace(
        "<target>",
        r#"<target xmlns:xi="http://www.w3.org/2001/XInclude">"#,
    );
    let document = parse(&declared)?;
    let included = document
        .descendants()
        .filter(|n| n.tag_name().name() == "include");
    Ok(included
        .filter_map(|n| n.attribute("href").map(str::to_owned))
        .collect())
}

fn parse(xml: &str) -> Result<Document<'_>, roxmltree::Error> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(xml, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_as_gdb_reads_it() {
        let main = r#"<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target><architecture>powerpc:common64</architecture><xi:include href="core.xml"/><xi:include href="spr.xml"/></target>"#;
        assert_eq!(includes(main).expect("it reads"), ["core.xml", "spr.xml"]);

        let mut target = Target::default();
        target
            .add(r#"<!DOCTYPE feature SYSTEM "gdb-target.dtd"><feature name="core"><reg name="r0" bitsize="64"/><reg name="pc" bitsize="64" regnum="64"/><reg name="cr" bitsize="32"/></feature>"#)
            .expect("it reads");
        target
            .add(r#"<feature name="spr"><reg name="tbl" bitsize="64"/><reg name="tbl" bitsize="64"/></feature>"#)
            .expect("it reads");
        let found = |feature, name| target.find(feature, name).map(|r| (r.number, r.bits));
        assert_eq!(found("core", "r0"), Some((0, 64)));
        assert_eq!(found("core", "pc"), Some((64, 64)));
        assert_eq!(found("core", "cr"), Some((65, 32)));
        assert_eq!(found("spr", "tbl"), Some((66, 64)));
        assert_eq!(found("spr", "cr"), None);
        assert!(target.add("<feature").is_err());
    }
}
