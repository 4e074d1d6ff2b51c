use super::*;

const RIGHT: &str = "[    0.1] Linux\nTAP version 13\n1..2\n# control: the same, not disturbed: 20 attempts, 0 differ\nok 1 control: the same, not disturbed\n";

fn said(rest: &str, trouble: Option<&str>) -> Answer {
    read(&Guest {
        console: format!("{RIGHT}{rest}"),
        trouble: trouble.map(str::to_owned),
    })
    .answer
}

#[test]
fn what_the_program_says_is_the_answer() {
    let differ = "# x: y: 44 attempts, 10 differ, 17 disturbed too late, 1 did not end\n# f0 is 1\nnot ok 2 x\n\nctxfuzz: the test ended with status 1\n";
    assert_eq!(
        said(differ, None),
        Answer::Reproduced(Count { differ: 10, of: 26 }, "x".to_owned())
    );
    let same = "# x: 200 attempts, 0 differ\nok 2 x\n\nctxfuzz: the test ended with status 0\r\n";
    assert_eq!(
        said(same, None),
        Answer::NotReproduced(Count { differ: 0, of: 200 })
    );
}

#[test]
fn what_says_nothing_is_inconclusive_with_the_reason() {
    let inconclusive = |answer: Answer| match answer {
        Answer::Inconclusive(why) => why,
        other => panic!("{other:?}"),
    };
    let skipped = "# x: 9 attempts, 0 differ, 9 disturbed too late\nok 2 # SKIP x: 0 attempts say something\n\nctxfuzz: the test ended with status 4\n";
    let why = inconclusive(said(skipped, None));
    assert!(why.starts_with("too few attempts say anything: "), "{why}");
    // It died on the way; it was never there.
    let why = inconclusive(said(
        "Kernel panic - not syncing\n",
        Some("the kernel panicked"),
    ));
    assert_eq!(why, "the kernel panicked");
    let why = inconclusive(said("\nctxfuzz: the test ended with status 139\n", None));
    assert_eq!(
        why,
        "the program ended with status 139: control: the same, not disturbed: 20 attempts, 0 differ"
    );
    // It cannot go on.
    let bails = "Bail out! fork: Cannot allocate memory\n\nctxfuzz: the test ended with status 1\n";
    let why = inconclusive(said(bails, None));
    let expected = "the program ended with status 1: Bail out! fork: Cannot allocate memory";
    assert_eq!(why, expected);
    // A result that the status contradicts.
    let lies = "# x: 200 attempts, 0 differ\nok 2 x\n\nctxfuzz: the test ended with status 1\n";
    let why = inconclusive(said(lies, None));
    assert!(why.starts_with("the program ended with status 1"), "{why}");
}

#[test]
fn a_control_that_differs_makes_the_rest_worthless() {
    let console = "1..2\n# control: the same, not disturbed: 20 attempts, 3 differ\n# f0 is 1\nnot ok 1 control: the same, not disturbed\nok 2 # SKIP the control shows nothing\n\nctxfuzz: the test ended with status 1\n";
    let answer = read(&Guest {
        console: console.to_owned(),
        trouble: None,
    })
    .answer;
    let expected = "the control differs too, so it shows nothing: f0 is 1";
    assert_eq!(answer, Answer::Inconclusive(expected.to_owned()));
}

/// Another way was tried when the first one had shown nothing.
#[test]
fn the_first_test_that_fails_is_told() {
    let both = "# x: 9 attempts, 0 differ, 4 disturbed too late\nok 2 x\n# x, by y: 3 attempts, 1 differ\nnot ok 3 x, by y\nctxfuzz: the test ended with status 1\n";
    let expected = Answer::Reproduced(Count { differ: 1, of: 3 }, "x, by y".to_owned());
    assert_eq!(said(both, None), expected);
    let none = both
        .replace("1 differ", "0 differ")
        .replace("not ok 3", "ok 3")
        .replace("status 1", "status 0");
    assert_eq!(
        said(&none, None),
        Answer::NotReproduced(Count { differ: 0, of: 8 })
    );
    let skipped = "# x: 9 attempts, 0 differ\nok 2 x\nok 3 # SKIP x, by y: no userfaultfd\nctxfuzz: the test ended with status 0\n";
    assert_eq!(
        said(skipped, None),
        Answer::NotReproduced(Count { differ: 0, of: 9 })
    );
}
