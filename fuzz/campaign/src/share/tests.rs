//! What is read from others and what is shared, without a campaign.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::time::Instant;

use ctxfuzz_emulator::arch::Endian;
use ctxfuzz_generators::random_scenario;
use ctxfuzz_scenario::scenario::Scenario;
use tempfile::TempDir;

use super::*;

fn text(seed: u64) -> String {
    random_scenario(seed).to_json()
}

fn name(text: &str) -> String {
    format!("{:016x}.json", hash(text.as_bytes()))
}

/// Puts a file under the name that it should have.
fn put(folder: &Path, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name(text)), text).unwrap();
}

/// What one more reading passes on, and whether that is all.
fn read(reader: &mut Reader, folder: &Path) -> (Vec<Shared>, bool) {
    let waiting = Waiting::default();
    let all = reader.read(folder, &waiting, Shared::Scenario);
    (waiting.into_inner().unwrap().into(), all)
}

fn scenarios(shared: &[Shared]) -> usize {
    let is = |shared: &&Shared| matches!(shared, Shared::Scenario(_));
    shared.iter().filter(is).count()
}

#[test]
fn a_file_is_read_once_whatever_its_time_and_in_whichever_folder() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
    let mut reader = Reader::new((0, 1), 10);
    put(&one, &text(1));
    let read_it = (vec![Shared::Scenario(random_scenario(1))], true);
    assert_eq!(read(&mut reader, &one), read_it);
    // It comes later and has an older time.
    put(&one, &text(2));
    let old = File::open(one.join(name(&text(2)))).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(
        read(&mut reader, &one).0,
        [Shared::Scenario(random_scenario(2))]
    );
    put(&two, &text(1));
    assert_eq!(read(&mut reader, &two), (Vec::new(), true));
    assert_eq!(read(&mut reader, &one), (Vec::new(), true));
}

#[test]
fn no_more_is_read_than_there_is_room_for_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    (0..5).for_each(|seed| put(folder.path(), &text(seed)));
    let mut reader = Reader::new((0, 1), 2);
    let counts = [(); 4].map(|()| {
        let (shared, all) = read(&mut reader, folder.path());
        (scenarios(&shared), all)
    });
    assert_eq!(counts, [(2, false), (2, false), (1, true), (0, true)]);
}

#[test]
fn each_process_reads_its_part() {
    let folder = tempfile::tempdir().unwrap();
    (0..20).for_each(|seed| put(folder.path(), &text(seed)));
    let parts = [0, 1, 2].map(|part| {
        let mut reader = Reader::new((part, 3), 100);
        scenarios(&read(&mut reader, folder.path()).0)
    });
    assert!(parts.iter().all(|&part| part > 0), "{parts:?}");
    assert_eq!(parts.iter().sum::<usize>(), 20);
}

#[test]
fn what_is_not_what_it_is_called_is_refused_once_and_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [bad, good] = ["bad", "good"].map(|name| folder.path().join(name));
    let outside = folder.path().join("outside");
    fs::write(&outside, text(9)).unwrap();
    fs::create_dir(&bad).unwrap();
    let whole = text(1);
    // Cut off under the name of a scenario that somebody else has.
    fs::write(bad.join(name(&whole)), &whole[..whole.len() / 2]).unwrap();
    // A scenario under the name of another one.
    fs::write(bad.join(name(&text(7))), text(8)).unwrap();
    put(&bad, "{\"events\": 1}");
    put(&bad, "\u{1b}[2J not JSON");
    let not_text = b"\xff\xfe";
    fs::write(bad.join(format!("{:016x}.json", hash(not_text))), not_text).unwrap();
    put(&bad, &" ".repeat((1 << 20) + 1));
    symlink(&outside, bad.join(name(&text(9)))).unwrap();
    fs::create_dir(bad.join("00000000000000aa.json")).unwrap();
    let pipe = bad.join("00000000000000ab.json");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    // None of these is called by a hash.
    for name in [
        "x.json",
        ".18f625f3f085153f.json.1.0",
        "18F625F3F085153F.json",
        "1.json",
    ] {
        fs::write(bad.join(name), text(8)).unwrap();
    }
    let mut reader = Reader::new((0, 1), 100);
    let (shared, all) = read(&mut reader, &bad);
    assert!(all && shared.len() == 9, "{shared:#?}");
    for one in &shared {
        let Shared::Refused(why) = one else {
            panic!("{one:?}");
        };
        assert!(
            why.contains(": skipped: ") && !why.contains('\u{1b}'),
            "{why}"
        );
    }
    assert_eq!(read(&mut reader, &bad), (Vec::new(), true));
    put(&good, &whole);
    assert_eq!(scenarios(&read(&mut reader, &good).0), 1);
    // A folder that is a link is none of theirs.
    symlink(&good, folder.path().join("link")).unwrap();
    let mut other = Reader::new((0, 1), 100);
    assert_eq!(
        read(&mut other, &folder.path().join("link")),
        (Vec::new(), true)
    );
}

/// A campaign's directories and a folder that it shares in.
struct Host {
    home: TempDir,
    own: Own,
}

impl Host {
    fn new(share: &Path) -> Host {
        let own = Own::open(share, &[1, 2], Endian::Little).unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("corpus/found")).unwrap();
        Host { home, own }
    }

    fn sharer(&self) -> Sharer {
        Sharer::new(
            Some(self.own.path.clone()),
            self.home.path().join("corpus"),
            self.home.path().join("findings"),
            (0, 1),
        )
    }

    fn find(&self, name: &str, seed: u64) {
        let folder = self.home.path().join("findings").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("scenario.json"), text(seed)).unwrap();
    }

    fn shared(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.own.path.join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

#[test]
fn a_campaign_shares_what_nobody_else_has() {
    let share = tempfile::tempdir().unwrap();
    let [one, two] = [(); 2].map(|()| Host::new(share.path()));
    assert_ne!(one.own.path, two.own.path);
    put(&one.home.path().join("corpus/found"), &text(1));
    fs::write(one.home.path().join("corpus/by-hand.json"), text(2)).unwrap();
    one.find("a-signature", 3);
    one.find(".being-written.1.0", 4);
    let mut first = one.sharer();
    first.look();
    let mut both = [name(&text(1)), name(&text(2))];
    both.sort();
    assert_eq!(one.shared("corpus"), both);
    assert_eq!(one.shared("findings"), [name(&text(3))]);

    // The other keeps what it got, and finds the same by it: neither is shared once more.
    let mut second = two.sharer();
    second.look();
    put(&two.home.path().join("corpus/found"), &text(1));
    two.find("a-signature", 3);
    // A finding from a scenario that came for its coverage is news for the one it came from.
    two.find("another", 1);
    second.look();
    assert_eq!(two.shared("corpus"), Vec::<String>::new());
    assert_eq!(two.shared("findings"), [name(&text(1))]);
    let waiting = |sharer: &Sharer| [0, 1].map(|kind| lock(&sharer.waiting[kind]).len());
    assert_eq!(waiting(&second), [2, 1]);
    first.look();
    assert_eq!(waiting(&first), [0, 1]);
}

/// What it has from them a campaign would else share as its own when it is started again.
#[test]
fn nothing_is_shared_before_all_is_read_that_others_have() {
    let share = tempfile::tempdir().unwrap();
    let [one, two] = [(); 2].map(|()| Host::new(share.path()));
    put(&one.own.path.join("corpus"), &text(1));
    for seed in [1, 2] {
        put(&two.home.path().join("corpus/found"), &text(seed));
    }
    let mut sharer = two.sharer();
    let full = (0..MOST_WAITING[0]).map(|_| Shared::Note(String::new()));
    lock(&sharer.waiting[0]).extend(full);
    assert_eq!(sharer.look(), SOON);
    assert_eq!(two.shared("corpus"), Vec::<String>::new());
    lock(&sharer.waiting[0]).clear();
    assert_eq!(sharer.look(), EVERY);
    assert_eq!(two.shared("corpus"), [name(&text(2))]);
}

#[test]
fn very_large_folders_are_looked_at_less_often() {
    let share = tempfile::tempdir().unwrap();
    let mut sharer = Host::new(share.path()).sharer();
    assert_eq!(sharer.look(), EVERY);
    sharer.theirs[0].listed = 100_000;
    assert_eq!(sharer.look(), Duration::from_secs(2));
    assert_eq!(sharer.look(), EVERY);
}

#[test]
fn what_cannot_be_shared_is_said_once_and_tried_again() {
    let share = tempfile::tempdir().unwrap();
    let host = Host::new(share.path());
    put(&host.home.path().join("corpus/found"), &text(1));
    let corpus = host.own.path.join("corpus");
    fs::remove_dir(&corpus).unwrap();
    let mut sharer = host.sharer();
    sharer.look();
    sharer.look();
    let said: Vec<Shared> = lock(&sharer.waiting[0]).drain(..).collect();
    assert!(
        matches!(&said[..], [Shared::Note(note)] if note.contains("tries again")),
        "{said:?}"
    );
    fs::create_dir(&corpus).unwrap();
    sharer.look();
    assert_eq!(host.shared("corpus"), [name(&text(1))]);
}

/// A look that comes while a file is written is not the last one at it.
#[test]
fn what_could_not_be_read_is_shared_once_it_can_be() {
    let share = tempfile::tempdir().unwrap();
    let host = Host::new(share.path());
    let scenario = host.home.path().join("findings/a-signature/scenario.json");
    host.find("a-signature", 1);
    fs::write(&scenario, &text(1)[..20]).unwrap();
    let mut sharer = host.sharer();
    sharer.look();
    assert_eq!(host.shared("findings"), Vec::<String>::new());
    fs::write(&scenario, text(1)).unwrap();
    sharer.look();
    assert_eq!(host.shared("findings"), [name(&text(1))]);
}

#[test]
fn a_campaign_has_the_same_folder_again_and_no_other_has_it() {
    let share = tempfile::tempdir().unwrap();
    let open = |images: &[u64], endian| Own::open(share.path(), images, endian).unwrap();
    let first = open(&[1, 2], Endian::Little);
    let path = first.path.clone();
    assert_ne!(open(&[1, 2], Endian::Little).path, path);
    for (images, endian) in [
        (&[2, 1][..], Endian::Little),
        (&[1, 2], Endian::Big),
        // One kernel that is judged by itself, as no pair is.
        (&[1], Endian::Little),
        (&[2], Endian::Little),
    ] {
        assert_ne!(open(images, endian).path.parent(), path.parent());
    }
    let alone = open(&[1], Endian::Little).path;
    assert_ne!(open(&[1, 1], Endian::Little).path.parent(), alone.parent());
    let left = path.join("corpus/.18f625f3f085153f.json.7.0");
    fs::write(&left, "{").unwrap();
    drop(first);
    let again = open(&[1, 2], Endian::Little);
    // The one that was first is taken first, or the other one that is free.
    assert_eq!(again.path.parent(), path.parent());
    // A copy of a folder has no owner here, whatever the host is called.
    let copied = path.with_file_name(format!("{}copy", super::own::host()));
    fs::create_dir_all(copied.join("corpus")).unwrap();
    let held: Vec<Own> = (0..3).map(|_| open(&[1, 2], Endian::Little)).collect();
    assert!(held.iter().all(|own| own.path != copied));
    assert!(!left.exists(), "what was begun is cleared away");
}

/// The whole thread, both ways.
#[test]
fn two_campaigns_hear_of_each_other() {
    let share = tempfile::tempdir().unwrap();
    let [one, two] = [(); 2].map(|()| Host::new(share.path()));
    let config = |host: &Host| crate::tests::config(host.home.path(), "fixed", "fixed", 1);
    let sharing = |host: &Host| Sharing::start(&config(host), Some(host.own.path.clone()), (0, 1));
    let mut second = sharing(&two);
    let first = sharing(&one);
    put(&one.home.path().join("corpus/found"), &text(1));
    one.find("a-signature", 2);
    // The end shares what was not shared yet.
    drop(first);
    let mut got: Vec<Scenario> = Vec::new();
    let started = Instant::now();
    while got.len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(120), "{got:?}");
        got.extend(second.receive(true).into_iter().map(|shared| match shared {
            Shared::Scenario(scenario) | Shared::Claimed(scenario) => scenario,
            other => panic!("{other:?}"),
        }));
        thread::sleep(SOON);
    }
    assert!(got.contains(&random_scenario(1)) && got.contains(&random_scenario(2)));
}
